"""The ledger: what is reported is there once, in rows and totals alike, and stays as it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from billing.usage import ledger
from billing.usage.flush import Flusher
from billing.usage.leases import Account
from billing.usage.ledger import Part
from router.catalog import Catalog
from router.errors import CatalogUnreachable
from router.words import Limits, TenantId
from tests.billing.usage.worlds import books, even
from tests.catalog.worlds import add_tenant
from tests.proxy import Proxy, proxied

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MONTH = date(2026, 11, 1)


def part(at: datetime, counts: dict[TenantId, int]) -> Part:
    return Part(at=at, tenant_ids=[*counts], quantities=[*counts.values()])


async def write(catalog: Catalog, key: str, *parts: Part) -> list[tuple[TenantId, int]]:
    """Record parts as one report; returns the totals."""
    found: list[tuple[TenantId, int]] = []
    async with catalog.transaction() as connection:
        for each in parts:
            totals = await ledger.record(connection, key, each)
            found += zip(totals.tenant_ids, totals.used, strict=True)
    return found


async def test_a_report_is_in_rows_hours_and_months(catalog: Catalog) -> None:
    one, other = uuid4(), uuid4()
    await write(catalog, "a:1", part(NOON, {one: 3, other: 5}))
    assert await write(catalog, "a:2", part(NOON + timedelta(hours=1), {one: 4})) == [(one, 7)]
    assert await books(catalog, one) == even(7)
    assert await books(catalog, other) == even(5)


async def test_a_report_sent_again_changes_nothing(catalog: Catalog) -> None:
    tenant_id = uuid4()
    sent = (part(NOON, {tenant_id: 3}), part(NOON - timedelta(days=40), {tenant_id: 2}))
    await write(catalog, "a:1", *sent)
    assert await write(catalog, "a:1", *sent) == []
    assert await books(catalog, tenant_id) == even(5)


async def test_reports_of_many_gateways_at_once_add_up(catalog: Catalog) -> None:
    ids = [uuid4() for _ in range(30)]

    async def gateway(name: str) -> None:
        for number in range(10):
            # Each in an order of its own: whoever locked as it came would wait for ever.
            mixed = sorted(ids, key=lambda each: hash((name, number, each)))
            await write(catalog, f"{name}:{number}", part(NOON, dict.fromkeys(mixed, 1)))

    await asyncio.gather(*[gateway(name) for name in "abcd"])
    assert [await books(catalog, each) for each in ids] == [even(40)] * len(ids)


async def test_the_month_is_the_one_of_utc(catalog: Catalog) -> None:
    tenant_id = uuid4()
    new_year = datetime(2026, 12, 1, tzinfo=UTC)
    just_before = new_year - timedelta(microseconds=1)
    await write(catalog, "a:1", part(just_before, {tenant_id: 2}), part(new_year, {tenant_id: 3}))
    async with catalog.connection() as connection:
        found = [
            (await ledger.read(connection, [tenant_id], month)).used[0]
            for month in (MONTH, date(2026, 12, 1), date(2027, 1, 1))
        ]
    assert found == [2, 3, 0]


@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET quantity = 1", "DELETE FROM {}", "TRUNCATE {}"]
)
async def test_nothing_in_the_ledger_is_ever_changed(catalog: Catalog, statement: str) -> None:
    tenant_id, now = uuid4(), datetime.now(UTC)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    await write(catalog, "a:1", part(now, {tenant_id: 3}), part(long_ago, {tenant_id: 4}))
    for table in ("usage_event", "usage_event_rest", f"usage_event_{now:%Y%m}"):
        with pytest.raises(asyncpg.CheckViolationError, match="append-only"):
            async with catalog.connection() as connection:
                await connection.execute(statement.format(f"catalog.{table}"))
    assert await books(catalog, tenant_id) == even(7)


async def test_months_are_made_ahead_and_append_only(catalog: Catalog) -> None:
    await ledger.make_months(catalog, date(2031, 1, 31))
    await ledger.make_months(catalog, date(2031, 1, 31))
    tenant_id = uuid4()
    await write(catalog, "a:1", part(datetime(2031, 3, 31, 23, tzinfo=UTC), {tenant_id: 3}))
    async with catalog.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM catalog.usage_event_203103") == 1
    with pytest.raises(asyncpg.CheckViolationError, match="append-only"):
        async with catalog.connection() as connection:
            await connection.execute("DELETE FROM catalog.usage_event_203103")


async def test_a_month_that_came_unprepared_stays_where_it_is(catalog: Catalog) -> None:
    tenant_id = uuid4()
    await write(catalog, "a:1", part(datetime(2040, 5, 5, tzinfo=UTC), {tenant_id: 3}))
    await ledger.make_months(catalog, date(2040, 5, 6))
    await write(catalog, "a:2", part(datetime(2040, 5, 7, tzinfo=UTC), {tenant_id: 4}))
    assert await books(catalog, tenant_id) == even(7)


# ── From counts to the ledger ───────────────────────────────────────────────────────────────────


def counted(flusher: Flusher, account: Account, times: int) -> None:
    if not account.count:
        flusher.note(account)
    for _ in range(times):
        account.take(0.0)


def account_of(limit: int | None, tenant_id: TenantId | None = None) -> Account:
    account = Account(tenant_id or uuid4())
    account.adopt(Limits(api_calls_per_month=limit))
    account.enter(NOON.timestamp(), 0.0)
    return account


@contextlib.asynccontextmanager
async def behind(catalog: Catalog) -> AsyncGenerator[tuple[Proxy, Catalog]]:
    """Reach the same catalog through a proxy."""
    async with proxied(catalog.address.host, catalog.address.port) as proxy:
        host, port = proxy.address
        reached = Catalog(msgspec.structs.replace(catalog.address, host=host, port=port))
        yield proxy, reached
        await reached.close()


async def test_a_lost_answer_doesnt_count_twice(catalog: Catalog) -> None:
    account = account_of(None)
    async with behind(catalog) as (proxy, reached):
        flusher = Flusher(reached, gateway="a")
        counted(flusher, account, 5)
        commit = proxy.hold(b"COMMIT\x00")
        sending = asyncio.create_task(flusher.flush(NOON.timestamp()))
        await commit.reached.wait()
        proxy.is_mute = True
        commit.released.set()
        async with asyncio.timeout(30):
            while await books(catalog, account.tenant_id) != even(5):
                await asyncio.sleep(0.01)
        counted(flusher, account, 2)
        proxy.cut()
        with pytest.raises(CatalogUnreachable):
            await sending
        assert account.unrecorded == 7
        proxy.is_mute = False
        await flusher.flush(NOON.timestamp() + 1)
    assert await books(catalog, account.tenant_id) == even(7)
    assert (account.unrecorded, account.used, flusher.waiting) == (0, 7, 0)


async def test_a_report_that_never_arrived_is_sent_again(catalog: Catalog) -> None:
    account = account_of(None)
    async with behind(catalog) as (proxy, reached):
        flusher = Flusher(reached, gateway="a")
        counted(flusher, account, 5)
        commit = proxy.hold(b"COMMIT\x00")
        sending = asyncio.create_task(flusher.flush(NOON.timestamp()))
        await commit.reached.wait()
        proxy.cut()
        with pytest.raises(CatalogUnreachable):
            await sending
        commit.released.set()
        await flusher.flush(NOON.timestamp() + 1)
    assert await books(catalog, account.tenant_id) == even(5)


async def test_a_silent_catalog_costs_one_number_an_hour_and_later_one_a_month(
    catalog: Catalog,
) -> None:
    accounts = [account_of(None) for _ in range(3)]
    async with behind(catalog) as (proxy, reached):
        flusher = Flusher(reached, gateway="a", closed_max=10)
        proxy.is_shut = True
        wall_s = NOON.timestamp()
        for _ in range(24):
            wall_s += 3_600
            for account in accounts:
                flusher.close_hour(account, wall_s)
                account.enter(wall_s, 0.0)
                counted(flusher, account, 2)
            with pytest.raises(CatalogUnreachable):
                await flusher.flush(wall_s)
        assert flusher.waiting <= 20
        proxy.is_shut = False
        await flusher.flush(wall_s)
    assert [await books(catalog, each.tenant_id) for each in accounts] == [even(48)] * 3


async def test_what_was_counted_in_an_hour_is_recorded_for_it(catalog: Catalog) -> None:
    account, flusher = account_of(None), Flusher(catalog, gateway="a")
    counted(flusher, account, 3)
    later_s = NOON.timestamp() + 3_700
    flusher.close_hour(account, later_s)
    account.enter(later_s, 0.0)
    counted(flusher, account, 4)
    await flusher.flush(later_s)
    async with catalog.connection() as connection:
        rows = await connection.fetch(
            "SELECT hour, quantity FROM catalog.usage_hour WHERE tenant_id = $1 ORDER BY hour",
            account.tenant_id,
        )
    assert [tuple(row) for row in rows] == [(NOON, 3), (NOON + timedelta(hours=1), 4)]


# ── Warnings ────────────────────────────────────────────────────────────────────────────────────


async def told(catalog: Catalog, tenant_id: TenantId) -> list[tuple[str, str]]:
    async with catalog.connection() as connection:
        rows = await connection.fetch(
            "SELECT kind, topic FROM catalog.notice WHERE tenant_id = $1 ORDER BY at, kind DESC",
            tenant_id,
        )
    return [(row["kind"], row["topic"]) for row in rows]


async def test_people_are_warned_once_at_eighty_and_once_at_a_hundred(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "warned")
    for gateway in ("a", "b"):
        # Each gateway by itself doesn't know what the other one has told.
        account = account_of(100, made.id)
        flusher = Flusher(catalog, gateway=gateway)
        for times in (39, 1, 9, 1):
            counted(flusher, account, times)
            await flusher.flush(NOON.timestamp())
    assert await told(catalog, made.id) == [
        ("usage_80", "api_calls:2026-11:100"),
        ("usage_100", "api_calls:2026-11:100"),
    ]


async def test_a_larger_plan_warns_of_its_own_limit(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "larger")
    account, flusher = account_of(100, made.id), Flusher(catalog, gateway="a")
    for limit in (100, 1_000):
        account.adopt(Limits(api_calls_per_month=limit))
        counted(flusher, account, limit)
        await flusher.flush(NOON.timestamp())
    assert [topic for _, topic in await told(catalog, made.id)] == [
        "api_calls:2026-11:100",
        "api_calls:2026-11:100",
        "api_calls:2026-11:1000",
        "api_calls:2026-11:1000",
    ]


async def test_a_tenant_that_is_gone_keeps_nobody_from_being_recorded(catalog: Catalog) -> None:
    gone, made = account_of(10), await add_tenant(catalog, "there")
    account, flusher = account_of(10, made.id), Flusher(catalog, gateway="a")
    for each in (gone, account):
        counted(flusher, each, 10)
    await flusher.flush(NOON.timestamp())
    assert await books(catalog, gone.tenant_id) == even(10)
    assert [kind for kind, _ in await told(catalog, made.id)] == ["usage_80", "usage_100"]
