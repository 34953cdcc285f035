"""The meters: whatever fails, what the provider counted is what the ledger has."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing import metering
from billing.metering import MeterPace, Reporter, Sent
from billing.price_list import listed_plans
from billing.provider import Usage
from router.catalog import Catalog
from router.errors import NotFound
from tests.billing.metering.books import (
    Meter,
    execute,
    fetchval,
    hours_ago,
    make_customer,
    metered_plans,
    record,
    this_hour,
)
from tests.catalog.worlds import add_tenant

AT_ONCE = MeterPace(retry_s=0.0, refused_s=0.0)
A_DAY_AGO = (
    "UPDATE catalog.meter_event SET tried_at = now() - interval '24 hours', not_before = now()"
)


def reporter(catalog: Catalog, meter: Meter, pace: MeterPace = AT_ONCE) -> Reporter:
    return Reporter(catalog, meter, metered_plans(), pace=pace)


async def report(catalog: Catalog, meter: Meter) -> Sent:
    """One whole round."""
    made = reporter(catalog, meter)
    await made.close_hours(datetime.now(UTC))
    return await made.send()


async def test_only_closed_hours_are_told_and_each_once(catalog: Catalog) -> None:
    meter = Meter()
    tenant = await add_tenant(catalog, "shop")
    customer = await make_customer(catalog, tenant.id, meter)
    for hours, quantity in ((3, 5), (3, 2), (2, 11), (0, 100)):
        await record(catalog, tenant.id, quantity, hours_ago(hours))
    assert await report(catalog, meter) == Sent(sent=2)
    assert await report(catalog, meter) == Sent()
    assert meter.sums() == {customer: 18}
    hour = this_hour() - timedelta(hours=3)
    first = meter.told[f"{tenant.id}:api_calls:{hour:%Y-%m-%dT%H}:1"]
    assert (first.meter, first.customer_id, first.quantity) == ("api_calls", customer, 7)
    assert hour <= first.at < hour + timedelta(hours=1)


async def test_an_hour_is_closed_some_time_after_its_end(catalog: Catalog) -> None:
    meter = Meter()
    tenant = await add_tenant(catalog, "shop")
    await make_customer(catalog, tenant.id, meter)
    hour = datetime(2026, 3, 1, 10, tzinfo=UTC)
    await record(catalog, tenant.id, 1, hour + timedelta(minutes=59))
    made = reporter(catalog, meter)
    end = hour + timedelta(hours=1, seconds=300)
    assert await made.close_hours(end - timedelta(seconds=1)) == 0
    assert await made.close_hours(end) == 1


async def test_what_is_recorded_late_is_told_by_a_further_event(catalog: Catalog) -> None:
    meter = Meter()
    tenant = await add_tenant(catalog, "shop")
    customer = await make_customer(catalog, tenant.id, meter)
    for quantity in (5, 3, 1):
        await record(catalog, tenant.id, quantity, hours_ago(2))
        assert await report(catalog, meter) == Sent(sent=1)
    assert [each.quantity for each in meter.heard] == [5, 3, 1]
    assert [each.identifier[-2:] for each in meter.heard] == [":1", ":2", ":3"]
    assert meter.sums() == {customer: 9}


async def test_only_customers_and_metered_metrics_are_told(catalog: Catalog) -> None:
    meter = Meter()
    stranger, elsewhere = await add_tenant(catalog, "stranger"), await add_tenant(catalog, "else")
    tenant = await add_tenant(catalog, "shop")
    await make_customer(catalog, elsewhere.id, meter, name="another")
    customer = await make_customer(catalog, tenant.id, meter)
    for each in (stranger, elsewhere, tenant):
        await record(catalog, each.id, 7, hours_ago(2))
        await record(catalog, each.id, 9, hours_ago(2), metric="mails")
    unmetered = Reporter(catalog, meter, listed_plans(), pace=AT_ONCE)
    assert await unmetered.close_hours(datetime.now(UTC)) == 0
    assert await report(catalog, meter) == Sent(sent=1)
    assert meter.sums() == {customer: 7}


async def test_a_sender_killed_before_it_marks_sends_the_same_event_again(
    catalog: Catalog,
) -> None:
    class Hanging(Meter):
        async def report(self, usage: Usage) -> None:
            await super().report(usage)
            await asyncio.Event().wait()

    meter = Hanging()
    tenant = await add_tenant(catalog, "shop")
    customer = await make_customer(catalog, tenant.id, meter)
    await record(catalog, tenant.id, 12, hours_ago(2))
    sending = asyncio.ensure_future(report(catalog, meter))
    while not meter.told:
        await asyncio.sleep(0.01)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    heir = Meter()
    heir.told = meter.told
    assert await report(catalog, heir) == Sent(), "it is still lent to the one that was killed"
    await execute(catalog, "UPDATE catalog.meter_event SET not_before = now()")
    assert await report(catalog, heir) == Sent(sent=1)
    assert heir.heard[0].identifier == meter.heard[0].identifier
    assert heir.sums() == {customer: 12}


async def test_an_event_whose_answer_was_lost_is_counted_once(catalog: Catalog) -> None:
    meter = Meter()
    meter.lose_next = 3
    tenant = await add_tenant(catalog, "shop")
    customer = await make_customer(catalog, tenant.id, meter)
    await record(catalog, tenant.id, 12, hours_ago(2))
    for _ in range(3):
        assert await report(catalog, meter) == Sent(failed=1)
    assert await fetchval(catalog, "SELECT error FROM catalog.meter_event") == "the answer was lost"
    assert await report(catalog, meter) == Sent(sent=1)
    assert len({each.identifier for each in meter.heard}) == 1
    assert meter.sums() == {customer: 12}


async def test_a_provider_that_fails_is_asked_later_and_later(catalog: Catalog) -> None:
    meter = Meter()
    meter.fail_next = 100
    tenant = await add_tenant(catalog, "shop")
    await make_customer(catalog, tenant.id, meter)
    await record(catalog, tenant.id, 1, hours_ago(2))
    waits: list[float] = []
    for _ in range(4):
        made = reporter(catalog, meter, MeterPace(retry_s=10, backoff_s_max=30))
        await made.close_hours(datetime.now(UTC))
        assert (await made.send()).failed == 1
        left = "SELECT extract(epoch FROM not_before - now())::float8 FROM catalog.meter_event"
        waits.append(float(str(await fetchval(catalog, left))))
        await execute(catalog, "UPDATE catalog.meter_event SET not_before = now()")
    assert waits == pytest.approx([10, 20, 30, 30], abs=2)


async def test_what_stayed_uncertain_for_a_day_is_held_until_it_is_settled(
    catalog: Catalog,
) -> None:
    meter = Meter()
    meter.lose_next = 2
    one, other = await add_tenant(catalog, "one"), await add_tenant(catalog, "other")
    for each in (one, other):
        await make_customer(catalog, each.id, meter)
        await record(catalog, each.id, 5, hours_ago(2))
    assert (await report(catalog, meter)).failed == 2
    await execute(catalog, A_DAY_AGO)
    assert await report(catalog, meter) == Sent()
    async with catalog.transaction() as connection:
        held = {each.tenant_id: each for each in await metering.list_held(connection)}
        assert held.keys() == {one.id, other.id}
        counted, lost = held[one.id].identifier, held[other.id].identifier
        assert await metering.settle(connection, counted, was_counted=True) == one.id
        assert await metering.settle(connection, lost, was_counted=False) == other.id
        assert await metering.list_held(connection) == []
        with pytest.raises(NotFound, match="held"):
            await metering.settle(connection, counted, was_counted=True)
    assert await report(catalog, meter) == Sent(sent=1)
    assert meter.heard[-1].identifier == lost


async def test_a_refused_event_is_tried_again_and_never_held(catalog: Catalog) -> None:
    meter = Meter()
    meter.refuses = True
    tenant = await add_tenant(catalog, "shop")
    customer = await make_customer(catalog, tenant.id, meter)
    await record(catalog, tenant.id, 4, hours_ago(2))
    made = reporter(catalog, meter, MeterPace(refused_s=3_600))
    await made.close_hours(datetime.now(UTC))
    assert await made.send() == Sent(refused=1)
    assert await fetchval(catalog, "SELECT error FROM catalog.meter_event") == (
        "there is no such meter"
    )
    assert await fetchval(catalog, "SELECT tried_at FROM catalog.meter_event") is None
    meter.refuses = False
    await execute(catalog, "UPDATE catalog.meter_event SET not_before = now()")
    assert await report(catalog, meter) == Sent(sent=1)
    assert meter.sums() == {customer: 4}


async def test_senders_at_once_send_nothing_twice(catalog: Catalog) -> None:
    meter = Meter()
    meter.delay_s = 0.02
    tenant = await add_tenant(catalog, "shop")
    await make_customer(catalog, tenant.id, meter)
    for hours in range(2, 32):
        await record(catalog, tenant.id, hours, hours_ago(hours))
    rounds = await asyncio.gather(*(report(catalog, meter) for _ in range(4)))
    assert sum(each.sent for each in rounds) == 30
    assert Counter(each.identifier for each in meter.heard).most_common(1)[0][1] == 1


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_fails_the_meters_equal_the_ledger(catalog: Catalog, seed: int) -> None:
    draw, meter = random.Random(seed), Meter()
    owed = Counter[str]()
    shops = [await add_tenant(catalog, f"shop-{number}") for number in range(4)]
    customers = {each.id: await make_customer(catalog, each.id, meter) for each in shops}

    async def write() -> None:
        for _ in range(10):
            tenant_id, quantity = draw.choice(shops).id, draw.randrange(1, 50)
            await record(catalog, tenant_id, quantity, hours_ago(draw.randrange(2, 12)))
            owed[customers[tenant_id]] += quantity

    for _ in range(6):
        meter.fail_next, meter.lose_next = draw.randrange(4), draw.randrange(4)
        await killed(write(), *(report(catalog, meter) for _ in range(3)), draw=draw)
        await execute(catalog, "UPDATE catalog.meter_event SET not_before = now()")
    meter.fail_next = meter.lose_next = 0
    await report(catalog, meter)
    assert meter.sums() == owed, f"seed {seed}"
    left = "SELECT count(*) FROM catalog.meter_event WHERE sent_at IS NULL"
    assert await fetchval(catalog, left) == 0


async def killed(
    writing: Coroutine[Any, Any, None],
    *reporting: Coroutine[Any, Any, Sent],
    draw: random.Random,
) -> None:
    """Run reporters while something is written, and end one of them in the middle."""
    tasks = [asyncio.ensure_future(each) for each in reporting]
    await writing
    await asyncio.sleep(draw.random() * 0.05)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
