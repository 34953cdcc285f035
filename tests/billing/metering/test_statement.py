"""A statement is what the ledger's entries add up to, and finds whatever says something else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metering import MeterPace, Reporter
from billing.statement import Day, state
from router.catalog import Catalog
from router.errors import Unprocessable
from router.months import month_of, read_month
from tests.billing.metering.books import (
    Meter,
    execute,
    hours_ago,
    make_customer,
    metered_plans,
    record,
)
from tests.catalog.worlds import add_tenant

MARCH = read_month("2026-03")
FORGE = (
    "INSERT INTO catalog.meter_event (identifier, tenant_id, metric, hour, number, quantity)"
    " SELECT 'forged', tenant_id, metric, hour, 1, 6 FROM catalog.usage_hour"
)


def march(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


async def test_a_month_is_added_up_by_metric_and_day(catalog: Catalog) -> None:
    tenant, other = await add_tenant(catalog, "shop"), await add_tenant(catalog, "other")
    last = march(31, 23, 59)
    for at, quantity in ((march(1), 1), (march(1, 23, 59), 2), (march(2), 4), (last, 8)):
        await record(catalog, tenant.id, quantity, at)
    await record(catalog, tenant.id, 16, march(5), metric="mails")
    await record(catalog, tenant.id, 1_000, march(1) - timedelta(microseconds=1))
    await record(catalog, tenant.id, 1_000, MARCH.ends_at)
    await record(catalog, other.id, 1_000, march(5))
    async with catalog.connection() as connection:
        made = await state(connection, tenant.id, MARCH)
    assert (made.month, made.is_final, made.differences) == ("2026-03", True, ())
    calls, mails = made.metrics
    assert (calls.metric, calls.total, calls.reports) == ("api_calls", 15, 4)
    assert (calls.first_at, calls.last_at) == (march(1), last)
    assert [(each.day.day, each.quantity) for each in calls.days] == [(1, 3), (2, 4), (31, 8)]
    assert mails.days == (Day(day=march(5).date(), quantity=16),)


async def test_a_month_without_entries_is_empty_and_this_one_is_not_final(
    catalog: Catalog,
) -> None:
    tenant = await add_tenant(catalog, "shop")
    async with catalog.connection() as connection:
        assert (await state(connection, tenant.id, MARCH)).metrics == ()
        assert not (await state(connection, tenant.id, month_of(datetime.now(UTC)))).is_final


async def test_what_a_meter_was_told_stands_beside_it(catalog: Catalog) -> None:
    meter = Meter()
    tenant = await add_tenant(catalog, "shop")
    await make_customer(catalog, tenant.id, meter)
    at = hours_ago(2)
    await record(catalog, tenant.id, 9, at)
    reporter = Reporter(catalog, meter, metered_plans(), pace=MeterPace(retry_s=0))
    await reporter.close_hours(datetime.now(UTC))
    async with catalog.connection() as connection:
        before = await state(connection, tenant.id, month_of(at))
        await reporter.send()
        after = await state(connection, tenant.id, month_of(at))
    assert [(each.told, each.sent) for each in before.metrics] == [(9, 0)]
    assert [(each.told, each.sent) for each in after.metrics] == [(9, 9)]
    assert before.differences == after.differences == ()


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        ("UPDATE catalog.usage_hour SET quantity = quantity + 1", (5, 6, 0)),
        ("DELETE FROM catalog.usage_hour", (5, 0, 0)),
        (FORGE, (5, 5, 6)),
    ],
)
async def test_an_hour_that_the_ledger_does_not_bear_out_is_named(
    catalog: Catalog, tamper: str, expected: tuple[int, int, int]
) -> None:
    tenant = await add_tenant(catalog, "shop")
    await record(catalog, tenant.id, 5, march(9, 14, 30))
    await execute(catalog, tamper)
    async with catalog.connection() as connection:
        made = await state(connection, tenant.id, MARCH)
    (found,) = made.differences
    assert (found.metric, found.hour) == ("api_calls", march(9, 14))
    assert (found.recorded, found.totalled, found.told) == expected


async def test_an_entry_without_its_totals_is_found_twice(catalog: Catalog) -> None:
    tenant = await add_tenant(catalog, "shop")
    await record(catalog, tenant.id, 5, march(9, 14, 30))
    await execute(
        catalog,
        "INSERT INTO catalog.usage_event (tenant_id, metric, quantity, key, at)"
        " SELECT tenant_id, metric, 2, 'unsummed', hour FROM catalog.usage_hour",
    )
    async with catalog.connection() as connection:
        hour, month = (await state(connection, tenant.id, MARCH)).differences
    assert (hour.hour, hour.recorded, hour.totalled) == (march(9, 14), 7, 5)
    assert (month.hour, month.recorded, month.totalled) == (None, 7, 5)


@pytest.mark.parametrize(
    ("tamper", "kept"),
    [
        ("UPDATE catalog.usage_month SET quantity = quantity - 1", 4),
        ("DELETE FROM catalog.usage_month", 0),
    ],
)
async def test_a_month_that_the_ledger_does_not_bear_out_is_named(
    catalog: Catalog, tamper: str, kept: int
) -> None:
    tenant = await add_tenant(catalog, "shop")
    await record(catalog, tenant.id, 5, march(9, 14, 30))
    await execute(catalog, tamper)
    async with catalog.connection() as connection:
        (found,) = (await state(connection, tenant.id, MARCH)).differences
    assert (found.hour, found.recorded, found.totalled) == (None, 5, kept)


async def test_a_total_without_any_entry_is_named(catalog: Catalog) -> None:
    tenant = await add_tenant(catalog, "shop")
    insert = "INSERT INTO catalog.usage_month (tenant_id, metric, month, quantity)"
    await execute(catalog, f"{insert} VALUES ($1, 'mails', '2026-03-01', 3)", tenant.id)
    async with catalog.connection() as connection:
        made = await state(connection, tenant.id, MARCH)
    assert [(each.metric, each.total, each.days) for each in made.metrics] == [("mails", 0, ())]
    (found,) = made.differences
    assert (found.metric, found.hour, found.totalled) == ("mails", None, 3)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2999, 12, 30)))  # noqa: DTZ001 - the zone is given below
def test_every_moment_lies_in_its_month(naive: datetime) -> None:
    at = naive.replace(tzinfo=UTC)
    month = month_of(at)
    assert month.begins_at <= at < month.ends_at
    assert read_month(month.name) == month
    assert month_of(month.ends_at).begins_at == month.ends_at


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "26-01", "2026-1", "٢٠٢٦-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Unprocessable, match="is no month"):
        read_month(text)
