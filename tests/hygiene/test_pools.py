"""Queues, limits and idle connections of a pool, over a real server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from router.errors import DatabaseUnreachable, Overloaded
from router.fleet import APP_LOGIN
from router.lease import Lease
from router.pool import Budget, Link, Pool, PoolLimits
from router.words import Isolation, Mode, Tier
from tests.hygiene.conftest import SMALL
from tests.proxy import proxied
from tests.stack.worlds import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Address
    from tests.worlds import World

SHORT = PoolLimits(size_max=1, waiters_max=3, wait_s_max=0.3, idle_s_max=0.2)


@pytest_asyncio.fixture(loop_scope="session")
async def address(servers: World) -> AsyncGenerator[Address]:
    """Where a shared tenant's leases connect."""
    tenant = await servers.tenant(Tier.ROWS)
    assert tenant.placement is not None
    assert tenant.placement.login == APP_LOGIN
    yield servers.fleet.login_address(tenant.placement)


@contextlib.asynccontextmanager
async def open_pool(
    address: Address, limits: PoolLimits, connections_max: int = 10
) -> AsyncGenerator[tuple[Pool, Budget]]:
    budget = Budget(connections_max)
    pool = Pool(address, limits, budget)
    yield pool, budget
    await pool.close()
    assert (pool.open_count, budget.open_count) == (0, 0)


def waiting(pool: Pool, count: int) -> list[asyncio.Task[Link]]:
    return [asyncio.create_task(pool.acquire()) for _ in range(count)]


async def test_who_waits_too_long_is_told_so(address: Address) -> None:
    async with open_pool(address, SHORT) as (pool, _):
        link = await pool.acquire()
        with pytest.raises(Overloaded, match=r"became free in 0\.3 s"):
            await pool.acquire()
        pool.release(link)
        assert await pool.acquire() is link
        pool.release(link)


async def test_a_line_has_an_end(address: Address) -> None:
    async with open_pool(address, SHORT) as (pool, _):
        link = await pool.acquire()
        tasks = waiting(pool, SHORT.waiters_max)
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="3 requests already wait"):
            await pool.acquire()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pool.release(link)


async def test_who_left_the_line_does_not_count(address: Address) -> None:
    async with open_pool(address, SHORT) as (pool, _):
        link = await pool.acquire()
        for _ in range(3):
            tasks = waiting(pool, SHORT.waiters_max)
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        (task,) = waiting(pool, 1)
        await asyncio.sleep(0)
        pool.release(link)
        assert await task is link
        pool.release(link)


@pytest.mark.parametrize("is_alive", [True, False])
async def test_what_reaches_a_waiter_as_it_is_cancelled_reaches_the_next(
    address: Address, *, is_alive: bool
) -> None:
    async with open_pool(address, SMALL) as (pool, _):
        links = [await pool.acquire() for _ in range(SMALL.size_max)]
        first, second = waiting(pool, 2)
        await asyncio.sleep(0)
        # Handed over, or room made by a dead connection, and cancelled before the waiter wakes up.
        if not is_alive:
            links[0].raw.terminate()
        pool.release(links[0])
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        links[0] = await asyncio.wait_for(second, 20)
        for link in links:
            pool.release(link)


async def test_room_that_one_pool_made_goes_to_one_that_has_none(address: Address) -> None:
    budget = Budget(connections_max=1)
    rich, poor = Pool(address, SMALL, budget), Pool(address, SMALL, budget)
    link = await rich.acquire()
    (task,) = waiting(poor, 1)
    await asyncio.sleep(0)
    rich.release(link)
    poor.release(await asyncio.wait_for(task, 20))
    assert (rich.open_count, poor.open_count, budget.open_count) == (0, 1, 1)
    await rich.close()
    await poor.close()


async def test_an_idle_connection_makes_room_for_another_pool(address: Address) -> None:
    budget = Budget(connections_max=1)
    rich, poor = Pool(address, SMALL, budget), Pool(address, SMALL, budget)
    rich.release(await rich.acquire())
    poor.release(await poor.acquire())
    assert (rich.open_count, poor.open_count) == (0, 1)
    await poor.close()
    await rich.close()


async def test_a_retired_pool_keeps_nothing_that_comes_back(address: Address) -> None:
    async with open_pool(address, SMALL) as (pool, budget):
        busy, idle = await pool.acquire(), await pool.acquire()
        pool.release(idle)
        pool.retire()
        assert (pool.idle_count, pool.open_count) == (0, 1)
        pool.release(busy)
        assert (pool.open_count, budget.open_count) == (0, 0)


async def test_a_server_that_is_away_costs_no_room(address: Address, servers: World) -> None:
    cluster = servers.fleet.cluster("shared-1")
    async with proxied(cluster.host, cluster.port) as proxy:
        host, port = proxy.address
    away = type(address)(
        host=host, port=port, database="any", user="any", password="any", tls="disable"
    )
    async with open_pool(away, SHORT) as (pool, budget):
        for _ in range(3):
            with pytest.raises(DatabaseUnreachable):
                await pool.acquire()
        assert (pool.open_count, budget.open_count) == (0, 0)


async def test_cut_connections_are_replaced_unnoticed(servers: World) -> None:
    tenant = await servers.tenant(Tier.ROWS)
    cluster = servers.fleet.cluster("shared-1")
    async with proxied(cluster.host, cluster.port) as proxy:
        gateway = servers.twin(limits=SMALL)
        gateway.through("shared-1", proxy.address, keeps_statements=True)
        for _ in range(5):
            leases = [await gateway.dispatch.open(tenant, Mode.READ) for _ in range(4)]
            for lease in leases:
                await (await lease.session()).connection()
                await lease.commit()
            proxy.cut()
        async with gateway.lease(tenant) as lease:
            assert await lease.fetch("SELECT name FROM artist") == []
        await gateway.sources.close()


async def test_a_session_that_outlives_its_server_is_counted_out(made: World) -> None:
    tenant = await made.tenant(Tier.DATABASE)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    await (await lease.session()).connection()
    async with made.admin(tenant.placement) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    await lease.rollback()
    await until(lambda: made.sources.budget.open_count == 0, limit_s=30)


@pytest.mark.parametrize(
    ("tier", "isolation"),
    [
        (Tier.DATABASE, Isolation.STRICT),
        (Tier.ROWS, Isolation.STRICT),
        (Tier.ROWS, Isolation.SHARED),
    ],
)
async def test_a_tenant_that_asks_nothing_holds_no_connection(
    servers: World, tier: Tier, isolation: Isolation
) -> None:
    gateway = servers.twin(limits=PoolLimits(idle_s_max=0.2))
    tenant = await servers.tenant(tier, isolation)
    reaper = asyncio.create_task(gateway.sources.reap_forever())
    leases: list[Lease] = [await gateway.dispatch.open(tenant, Mode.READ) for _ in range(3)]
    for lease in leases:
        await (await lease.session()).connection()
        await lease.commit()
    assert gateway.sources.budget.open_count == 3
    await until(lambda: gateway.sources.budget.open_count == 0, limit_s=30)
    await until(lambda: len(gateway.sources) == 0, limit_s=30)
    async with gateway.lease(tenant) as lease:
        assert await lease.fetch("SELECT name FROM artist") == []
    reaper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reaper
    await gateway.sources.close()
