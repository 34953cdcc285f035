"""Requests end at any moment, in any way; the next tenant on the connection notices nothing."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from examples.store.models import Artist
from router.errors import Unavailable
from router.words import Isolation, Mode, Tier
from tests.scale import scaled, seed
from tests.stack.worlds import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from router.connect import Connection
    from router.lease import Lease
    from router.pool import Pool
    from router.words import Tenant
    from tests.worlds import World

LEASES = scaled(2_000)
VISITORS = 14
#: A visit among all others takes some 50 ms: half of the moments are in its midst.
MOMENT_S_MAX = 0.1
TERMINATIONS = 0.03


class Planned(Exception):
    """What a handler raises on purpose."""


class Leak(AssertionError):
    """A tenant saw what isn't its own."""


#: How a request may end that somebody interrupted. Anything else is a defect.
ENDS = (
    Planned,
    TimeoutError,
    asyncio.CancelledError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    DBAPIError,
    Unavailable,
    ConnectionError,
)


class Storm:
    """Many visitors of few tenants, and what became of each visit."""

    def __init__(self, made: World, tenants: list[Tenant], admin: Connection, chance: int) -> None:
        self.made = made
        self.tenants = tenants
        self.admin = admin
        self.random = random.Random(chance)
        self.numbers = itertools.count()
        self.pools: set[Pool] = set()
        self.acknowledged: list[str] = []
        self.ended: Counter[str] = Counter()
        self._ending = asyncio.Lock()

    async def visit_again_and_again(self) -> None:
        """Visit random tenants until the storm's number of leases is reached."""
        ways = (self.cancelled, self.timed_out, self.failing, self.undisturbed)
        while (number := next(self.numbers)) < LEASES:
            way = self.random.choice(ways)
            tenant = self.random.choice(self.tenants)
            try:
                await way(tenant, f"{tenant.slug} {number}")
                self.ended["committed"] += 1
            except ENDS as end:
                self.ended[type(end).__name__] += 1

    async def undisturbed(self, tenant: Tenant, name: str) -> None:
        await self.visit(tenant, name, fails_after=9)

    async def failing(self, tenant: Tenant, name: str) -> None:
        await self.visit(tenant, name, fails_after=self.random.randrange(4))

    async def timed_out(self, tenant: Tenant, name: str) -> None:
        async with asyncio.timeout(self.random.uniform(0, MOMENT_S_MAX)):
            await self.visit(tenant, name, fails_after=9)

    async def cancelled(self, tenant: Tenant, name: str) -> None:
        task = asyncio.create_task(self.visit(tenant, name, fails_after=9))
        await asyncio.sleep(self.random.uniform(0, MOMENT_S_MAX))
        task.cancel()
        await task

    async def visit(self, tenant: Tenant, name: str, *, fails_after: int) -> None:
        """Write one row and look around, in either lane."""
        async with self.made.lease(tenant) as lease:
            self.pools.add(pool_of(lease))
            works = self.session_lane if self.random.random() < 0.5 else self.fast_lane
            for step, work in enumerate(works(lease, tenant, name)):
                if step == fails_after:
                    raise Planned
                await work()
            if self.random.random() < TERMINATIONS:
                await self.terminate(lease)
                await lease.fetch("SELECT 1")
        self.acknowledged.append(name)

    def session_lane(
        self, lease: Lease, tenant: Tenant, name: str
    ) -> list[Callable[[], Awaitable[object]]]:
        async def write() -> None:
            session = await lease.session()
            session.add(Artist(name=name))
            await session.flush()

        async def look() -> None:
            session = await lease.session()
            check(tenant, await session.scalars(select(Artist.name)))

        async def sleep() -> None:
            session = await lease.session()
            await session.execute(text("SELECT pg_sleep(0.002)"))

        return [look, write, sleep, look]

    def fast_lane(
        self, lease: Lease, tenant: Tenant, name: str
    ) -> list[Callable[[], Awaitable[object]]]:
        async def write() -> None:
            await lease.execute("INSERT INTO artist (name) VALUES ($1)", name)

        async def look() -> None:
            rows = await lease.fetch("SELECT name FROM artist")
            check(tenant, [row["name"] for row in rows])

        async def stream() -> None:
            check(tenant, [row["name"] async for row in lease.stream("SELECT name FROM artist")])

        return [look, write, stream, look]

    async def terminate(self, lease: Lease) -> None:
        """End the server's side of a lease, as an operator may."""
        async with self._ending:
            pid = lease._link.raw.get_server_pid()  # noqa: SLF001 - whose end is played here
            await self.admin.execute("SELECT pg_terminate_backend($1)", pid)


def check(tenant: Tenant, names: Iterable[str | None]) -> None:
    strange = [name for name in names if not str(name).startswith(tenant.slug)]
    if strange:
        raise Leak(f"{tenant.slug} sees {strange}")


def pool_of(lease: Lease) -> Pool:
    return lease._source.pool  # noqa: SLF001 - what a pool holds is what is tested


async def test_two_thousand_interrupted_requests_leave_clean_connections_behind(
    made: World, record_property: Callable[[str, object], None]
) -> None:
    chance = seed()
    print(f"STEPWELL_TEST_SEED={chance}")  # noqa: T201 - pytest shows it where the test fails
    record_property("seed", chance)
    tenants = [await made.tenant(Tier.ROWS) for _ in range(3)]
    tenants += [await made.tenant(Tier.SCHEMA) for _ in range(3)]
    tenants += [await made.tenant(Tier.ROWS, Isolation.STRICT), await made.tenant(Tier.DATABASE)]
    async with made.admin(tenants[-1].placement) as dedicated, made.admin() as shared:
        storm = Storm(made, tenants[:-1], shared, chance)
        alone = Storm(made, tenants[-1:], dedicated, chance)
        alone.numbers = storm.numbers
        async with asyncio.timeout(150), asyncio.TaskGroup() as group:
            for number in range(VISITORS):
                one = alone if number % 5 == 0 else storm
                group.create_task(one.visit_again_and_again())
        pools = storm.pools | alone.pools
        await until(lambda: all(pool.idle_count == pool.open_count for pool in pools), limit_s=20)
        await count(made, pools, [shared, dedicated])
    ended = storm.ended + alone.ended
    assert ended.total() == LEASES
    assert {"committed", "Planned", "TimeoutError", "CancelledError"} <= set(ended)
    for tenant in tenants:
        await see_all_acknowledged(made, tenant, storm.acknowledged + alone.acknowledged)
        await fill(made, tenant)
    gc.collect()


async def count(made: World, pools: set[Pool], admins: list[Connection]) -> None:
    """Hold that pools, budget and servers agree about how many connections there are."""
    open_count = sum(pool.open_count for pool in pools)
    assert made.sources.budget.open_count == open_count <= made.sources.budget.connections_max
    assert all(pool.open_count <= pool.limits.size_max for pool in pools)
    held = [link for pool in pools for link in pool._idle]  # noqa: SLF001 - as pool_of
    assert len({id(link) for link in held}) == len(held) == open_count
    pids = {link.raw.get_server_pid() for link in held}
    served: set[int] = set()
    for admin in admins:
        rows = await admin.fetch(
            "SELECT pid, state FROM pg_stat_activity WHERE pid = ANY($1)", list(pids)
        )
        assert {row["state"] for row in rows} <= {"idle"}
        served |= {row["pid"] for row in rows}
    assert served == pids


async def see_all_acknowledged(made: World, tenant: Tenant, acknowledged: list[str]) -> None:
    """Hold that what was committed is there, once, and nobody else's."""
    expected = {name for name in acknowledged if name.startswith(tenant.slug)}
    async with made.lease(tenant) as lease:
        found = [row["name"] for row in await lease.fetch("SELECT name FROM artist")]
    check(tenant, found)
    assert len(found) == len(set(found))
    assert expected <= set(found)


async def fill(made: World, tenant: Tenant) -> None:
    """Hold that a pool still gives as many connections at once as it may."""
    leases = [await made.dispatch.open(tenant, Mode.READ) for _ in range(made.limits.size_max)]
    assert pool_of(leases[0]).open_count == made.limits.size_max
    for lease in leases:
        await lease.commit()
