"""Two gateways' quotas over one ledger: exact while Redis is there, bounded while it isn't."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime

import msgspec
import pytest

from billing.usage.quota import UsageQuota
from router.catalog import Catalog
from router.words import Limits, Tenant
from tests.billing.usage.worlds import (
    HASTY,
    UPGRADE_URL,
    Client,
    Valkey,
    address,
    books,
    call,
    calls,
    even,
    quotas,
    tenant_of,
    until_ahead,
    vanish,
)
from tests.catalog.worlds import Server

LIMIT = 5_000
CLIENTS = 16
#: A lease is a hundredth of the limit; with one other gateway, so many may be too many.
OVER_MAX = LIMIT // 100
PAUSE_S = 0.005
#: What the clients of one gateway can get while a total of the ledger is believed.
UNSEEN_MAX = CLIENTS // 2 * round(HASTY.fresh_s / PAUSE_S)


async def crowd(
    made: list[UsageQuota], tenant: Tenant, clients: int = CLIENTS, *, pause_s: float = 0
) -> list[Client]:
    """Let clients call both gateways until nothing is left."""
    found = [Client(tenant) for _ in range(clients)]
    await asyncio.gather(
        *[
            client.run(made[number % len(made)], pause_s=pause_s)
            for number, client in enumerate(found)
        ]
    )
    return found


async def flush(made: list[UsageQuota]) -> None:
    for quota in made:
        await quota.flush()


async def test_sixteen_clients_get_exactly_the_limit_from_two_gateways(
    catalog: Catalog, valkey: Valkey
) -> None:
    tenant = tenant_of(calls(LIMIT))
    async with quotas(catalog, 2, redis_url=valkey.url) as made:
        found = await crowd(made, tenant)
        assert sum(client.admitted for client in found) == LIMIT
        await flush(made)
        assert await books(catalog, tenant.id) == even(LIMIT)
        assert await valkey.stand(tenant.id) == (LIMIT, 0)
    for client in found:
        assert client.refusal is not None
        reached = client.refusal.reached
        assert reached is not None
        assert (reached.metric, reached.limit, reached.used) == ("api_calls", LIMIT, LIMIT)
        assert reached.upgrade_url == UPGRADE_URL
        assert reached.resets_at is not None
        assert reached.resets_at > datetime.now(UTC)


async def test_tokens_of_a_gateway_that_fell_silent_are_given_back(
    catalog: Catalog, valkey: Valkey
) -> None:
    tenant = tenant_of(calls(400))
    async with quotas(catalog, 2, redis_url=valkey.url) as made:
        quiet, busy = made
        assert await call(quiet, tenant) is None
        found = await crowd([busy], tenant)
        assert sum(client.admitted for client in found) == 399


async def test_without_redis_at_most_one_lease_a_gateway_is_too_much(catalog: Catalog) -> None:
    tenant = tenant_of(calls(LIMIT))
    async with quotas(catalog, 2, redis_url=None) as made:
        found = await crowd(made, tenant)
        admitted = sum(client.admitted for client in found)
        await flush(made)
    assert LIMIT <= admitted <= LIMIT + OVER_MAX
    assert await books(catalog, tenant.id) == even(admitted)


async def test_a_redis_that_isnt_there_keeps_nobody_waiting(catalog: Catalog) -> None:
    tenant = tenant_of(calls(LIMIT))
    made = UsageQuota(catalog, HASTY, redis_url=address(), upgrade_url=UPGRADE_URL)
    await made.start()
    try:
        begun_s = time.monotonic()
        for _ in range(100):
            assert await call(made, tenant) is None
        assert time.monotonic() - begun_s < 2
        assert not made.counts_ahead
    finally:
        await made.close()
    assert await books(catalog, tenant.id) == even(100)


@pytest.mark.parametrize("blow", ["forgets", "is killed"])
async def test_a_redis_that_loses_everything_costs_a_bounded_surplus(
    catalog: Catalog, valkey: Valkey, blow: str
) -> None:
    tenant, dice = tenant_of(calls(LIMIT)), random.Random(blow)
    async with quotas(catalog, 2, redis_url=valkey.url) as made:
        running = asyncio.create_task(crowd(made, tenant, pause_s=PAUSE_S))
        while not running.done():
            await asyncio.sleep(dice.uniform(0.02, 0.2))
            if blow == "forgets":
                await valkey.forget()
            else:
                await valkey.stop()
                await asyncio.sleep(dice.uniform(0, 0.1))
                await valkey.start()
        admitted = sum(client.admitted for client in await running)
        await flush(made)
        assert LIMIT <= admitted <= LIMIT + OVER_MAX + UNSEEN_MAX
        assert await books(catalog, tenant.id) == even(admitted)
        await until_ahead(*made)
        assert await call(made[0], tenant) is not None
        assert await valkey.stand(tenant.id) == (admitted, 0)


async def test_a_gateway_that_vanished_leaves_its_tokens_to_the_others(
    catalog: Catalog, valkey: Valkey
) -> None:
    tenant = tenant_of(calls(400))
    async with quotas(catalog, 1, redis_url=valkey.url) as (living,):
        gone = UsageQuota(catalog, HASTY, redis_url=valkey.url, upgrade_url=UPGRADE_URL)
        await gone.start()
        await until_ahead(gone)
        for _ in range(10):
            assert await call(gone, tenant) is None
        await gone.flush()
        assert await call(gone, tenant) is None
        await vanish(gone)
        found = await crowd([living], tenant)
        assert sum(client.admitted for client in found) == 390
        await living.flush()
        # Its last call was never recorded: nobody but its caller knows of it.
        assert await books(catalog, tenant.id) == even(400)
        assert await valkey.stand(tenant.id) == (400, 0)


async def test_a_gateway_that_stood_still_spends_nothing_that_was_given_away(
    catalog: Catalog, valkey: Valkey
) -> None:
    tenant = tenant_of(calls(800))
    async with quotas(catalog, 1, redis_url=valkey.url) as (living,):
        frozen = UsageQuota(catalog, HASTY, redis_url=valkey.url, upgrade_url=UPGRADE_URL)
        await frozen.start()
        await until_ahead(frozen)
        assert await call(frozen, tenant) is None
        await frozen.flush()
        await vanish(frozen)
        await asyncio.sleep(HASTY.fence_s)
        found = await crowd([living], tenant)
        assert frozen.try_admit(tenant, "GET", time.monotonic()) is None
        assert sum(client.admitted for client in found) == 799


# ── Plans ───────────────────────────────────────────────────────────────────────────────────────


async def test_other_limits_hold_from_the_next_request_on(catalog: Catalog, valkey: Valkey) -> None:
    small = tenant_of(calls(20))
    large = msgspec.structs.replace(small, limits=calls(1_000))
    async with quotas(catalog, 1, redis_url=valkey.url) as (quota,):
        (client,) = await crowd([quota], small, 1)
        assert client.admitted == 20
        assert [await call(quota, large) for _ in range(100)] == [None] * 100
        refusal = await call(quota, small)
        assert refusal is not None
        assert refusal.reached is not None
        assert refusal.reached.used == 120


async def test_a_plan_without_a_limit_is_counted_and_never_refused(
    catalog: Catalog, valkey: Valkey
) -> None:
    tenant = tenant_of(calls(None))
    async with quotas(catalog, 1, redis_url=valkey.url) as (quota,):
        assert [await call(quota, tenant) for _ in range(2_000)] == [None] * 2_000
        await quota.flush()
    assert await books(catalog, tenant.id) == even(2_000)


async def test_a_plan_of_no_calls_lets_none_in(catalog: Catalog, valkey: Valkey) -> None:
    async with quotas(catalog, 1, redis_url=valkey.url) as (quota,):
        assert await call(quota, tenant_of(calls(0))) is not None


@pytest.mark.parametrize("has_redis", [True, False])
async def test_what_other_gateways_recorded_before_counts(
    catalog: Catalog, valkey: Valkey, *, has_redis: bool
) -> None:
    tenant = tenant_of(calls(300))
    async with quotas(catalog, 1, redis_url=None) as (before,):
        for _ in range(120):
            assert await call(before, tenant) is None
    url = valkey.url if has_redis else None
    async with quotas(catalog, 1, redis_url=url) as (quota,):
        (client,) = await crowd([quota], tenant, 1)
        assert client.admitted == 180


async def test_too_many_requests_at_once_are_refused_and_not_counted(catalog: Catalog) -> None:
    tenant = tenant_of(Limits(requests_at_once=3))
    async with quotas(catalog, 1, redis_url=None) as (quota,):
        held = [await quota.admit(tenant, "GET") for _ in range(3)]
        refusal = await call(quota, tenant)
        assert refusal is not None
        assert refusal.reached is not None
        assert (refusal.reached.metric, refusal.retry_after_s) == ("requests_at_once", 1)
        held.pop().release()
        assert await call(quota, tenant) is None
        await quota.flush()
    assert await books(catalog, tenant.id) == even(4)


async def test_requests_that_come_too_fast_are_refused_and_not_counted(catalog: Catalog) -> None:
    tenant = tenant_of(Limits(requests_per_second=5))
    async with quotas(catalog, 1, redis_url=None) as (quota,):
        refusals = [await call(quota, tenant) for _ in range(50)]
        admitted = refusals.count(None)
        assert admitted == 5
        assert all(
            each.reached is not None and each.reached.metric == "requests_per_second"
            for each in refusals
            if each is not None
        )
        await asyncio.sleep(1)
        assert await call(quota, tenant) is None
        await quota.flush()
    assert await books(catalog, tenant.id) == even(6)


async def test_who_stores_too_much_may_look_and_delete(catalog: Catalog) -> None:
    tenant = tenant_of(Limits(storage_bytes=1_000))
    await measure(catalog, tenant, 1_000)
    async with quotas(catalog, 1, redis_url=None) as (quota,):
        refusal = await call(quota, tenant, "POST")
        assert refusal is not None
        assert refusal.reached is not None
        assert (refusal.reached.metric, refusal.reached.used) == ("storage_bytes", 1_000)
        assert await call(quota, tenant, "GET") is None
        assert await call(quota, tenant, "DELETE") is None
        await measure(catalog, tenant, 999)
        await quota.flush()
        assert await call(quota, tenant, "POST") is None


async def measure(catalog: Catalog, tenant: Tenant, quantity: int) -> None:
    async with catalog.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "INSERT INTO catalog.usage_gauge (tenant_id, metric, quantity) "
            "VALUES ($1, 'storage_bytes', $2) "
            "ON CONFLICT (tenant_id, metric) DO UPDATE SET quantity = excluded.quantity",
            tenant.id,
            quantity,
        )


# ── A silent catalog ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("has_redis", [True, False])
async def test_a_silent_catalog_refuses_nobody_and_learns_everything_later(
    catalog: Catalog, valkey: Valkey, running: Server, *, has_redis: bool
) -> None:
    known, new = tenant_of(calls(LIMIT)), tenant_of(calls(LIMIT))
    async with quotas(catalog, 1, redis_url=valkey.url if has_redis else None) as (quota,):
        assert await call(quota, known) is None
        await running.stop()
        try:
            begun_s = time.monotonic()
            for _ in range(300):
                assert await call(quota, known) is None
                assert await call(quota, new) is None
            assert time.monotonic() - begun_s < 10
        finally:
            await running.start()
        async with asyncio.timeout(20):
            while await books(catalog, known.id) != even(301):
                await asyncio.sleep(0.05)
    assert await books(catalog, new.id) == even(300)


async def test_a_clock_that_was_set_is_heeded(catalog: Catalog) -> None:
    ahead_s = 0.0
    tenant = tenant_of(calls(50))
    async with quotas(catalog, 1, redis_url=None, wall=lambda: time.time() + ahead_s) as (quota,):
        (client,) = await crowd([quota], tenant, 1)
        ahead_s = 32 * 86_400
        await quota.flush()
        assert client.admitted == 50
        assert await call(quota, tenant) is None


async def test_a_month_that_is_over_frees_everything(catalog: Catalog, valkey: Valkey) -> None:
    # Five seconds before the month's end.
    ahead_s = datetime(2026, 12, 1, tzinfo=UTC).timestamp() - 5 - time.monotonic()
    tenant = tenant_of(calls(50))
    async with quotas(
        catalog, 1, redis_url=valkey.url, wall=lambda: time.monotonic() + ahead_s
    ) as (quota,):
        (client,) = await crowd([quota], tenant, 1)
        assert client.admitted == 50
        assert client.refusal is not None
        assert client.refusal.retry_after_s is not None
        await asyncio.sleep(client.refusal.retry_after_s)
        (client,) = await crowd([quota], tenant, 1)
        assert client.admitted == 50
        await quota.flush()
    async with catalog.connection() as connection:
        rows = await connection.fetch(
            "SELECT month::text, quantity FROM catalog.usage_month WHERE tenant_id = $1 ORDER BY 1",
            tenant.id,
        )
    assert [tuple(row) for row in rows] == [("2026-11-01", 50), ("2026-12-01", 50)]
