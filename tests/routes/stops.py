"""Where a request of a stale gateway can be stopped while its tenant is moved.

Each stop returns the names of the rows that the gateway acknowledged; `lost` compares them with
what is found. The same functions are run with parts of the gate taken away, and must find losses.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from router.errors import Unavailable
from router.words import Consistency, Mode, Tier
from tests.routes.moving import Mover, names_in, until_waiting
from tests.scale import scaled, seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from router.lease import Lease
    from router.words import Tenant
    from tests.routes.moving import Place
    from tests.worlds import World

TRIALS = scaled(12)
WRITERS = 6
_IDS = itertools.count(1)
LIMIT_S = 20


class Roads(msgspec.Struct, frozen=True, kw_only=True):
    """Two gateways over the same servers: one moves tenants, the other one hears of nothing."""

    mover: World
    stale: World
    place: Place

    async def mover_of(self, tenant: Tenant, tier: Tier) -> Mover:
        """Plan a move away from the shared tables; the stale gateway knows the old place alone."""
        self.stale.directory.tenants[tenant.id] = tenant
        return Mover(self.mover, tenant, self.place.target(self.mover, tier))


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a stop ended with: acknowledged rows, and the rows of both places."""

    acknowledged: set[str]
    old: set[str]
    new: set[str]
    mover_waited: bool = False

    @property
    def lost(self) -> set[str]:
        """Rows that somebody was told are kept, or that lie where nobody looks any more."""
        return (self.acknowledged | self.old) - self.new


async def write(lease: Lease, name: str) -> None:
    await lease.execute("INSERT INTO artist (artist_id, name) VALUES ($1, $2)", next(_IDS), name)


async def outcome(mover: Mover, acknowledged: list[str], *, mover_waited: bool = False) -> Outcome:
    return Outcome(
        acknowledged=set(acknowledged),
        old=set(await mover.names_at_source()),
        new=set(await names_in(mover.made, mover.target, mover.tenant.id)),
        mover_waited=mover_waited,
    )


async def before_opening(roads: Roads, consistency: Consistency, tier: Tier) -> Outcome:
    """The gateway has looked the tenant up, and is stopped before it opens the lease."""
    tenant = await roads.mover.tenant(Tier.ROWS)
    mover = await roads.mover_of(tenant, tier)
    await mover.move()
    lease = await roads.stale.dispatch.open(tenant, Mode.WRITE, consistency)
    await write(lease, "late")
    await lease.commit()
    return await outcome(mover, ["late"])


async def in_opening(roads: Roads, consistency: Consistency, tier: Tier) -> Outcome:
    """The gateway's opening waits for the mover's lock, with its snapshot taken already."""
    tenant = await roads.mover.tenant(Tier.ROWS)
    mover = await roads.mover_of(tenant, tier)
    mover.may_flip.clear()
    moving = asyncio.create_task(mover.move())
    await mover.copied.wait()
    opening = asyncio.create_task(roads.stale.dispatch.open(tenant, Mode.WRITE, consistency))
    await first_of(opening, until_waiting(roads.mover, mover.source, tenant.id))
    mover.may_flip.set()
    await moving
    lease = await opening
    await write(lease, "waited")
    await lease.commit()
    return await outcome(mover, ["waited"])


async def after_opening(roads: Roads, consistency: Consistency, tier: Tier) -> Outcome:
    """The gateway is in, and is stopped before its statement: the move has to wait for it."""
    tenant = await roads.mover.tenant(Tier.ROWS)
    mover = await roads.mover_of(tenant, tier)
    lease = await roads.stale.dispatch.open(tenant, Mode.WRITE, consistency)
    moving = asyncio.create_task(mover.move())
    copied = asyncio.create_task(mover.copied.wait())
    await first_of(copied, until_waiting(roads.mover, mover.source, tenant.id))
    waited = not copied.done()
    await write(lease, "in time")
    await lease.commit()
    await asyncio.gather(moving, copied)
    return await outcome(mover, ["in time"], mover_waited=waited)


class Writers:
    """Writers that keep the old route for ever, and what was acknowledged to them."""

    def __init__(self, roads: Roads, tenant: Tenant, consistency: Consistency) -> None:
        self.roads = roads
        self.tenant = tenant
        self.consistency = consistency
        self.random = random.Random(seed())
        self.acknowledged: list[str] = []
        self.stopping = False

    async def write_on(self, writer: int) -> None:
        """Write row after row, each in a lease of its own, until told to stop."""
        for number in itertools.count():
            if self.stopping:
                return
            with contextlib.suppress(Unavailable, asyncpg.SerializationError):
                await self.write_one(f"{writer} {number}")

    async def write_one(self, name: str) -> None:
        lease = await self.roads.stale.dispatch.open(self.tenant, Mode.WRITE, self.consistency)
        try:
            await asyncio.sleep(self.random.uniform(0, 0.01))
            await write(lease, name)
        except BaseException:
            await lease.rollback()
            raise
        await lease.commit()
        self.acknowledged.append(name)

    async def until_more(self, count: int) -> None:
        """Wait until so many more rows are acknowledged."""
        enough = len(self.acknowledged) + count
        while len(self.acknowledged) < enough:
            await asyncio.sleep(0.005)


async def among_writers(roads: Roads, consistency: Consistency, tier: Tier) -> Outcome:
    """Move a tenant in the midst of writers."""
    tenant = await roads.mover.tenant(Tier.ROWS)
    mover = await roads.mover_of(tenant, tier)
    writers = Writers(roads, tenant, consistency)
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(writers.write_on(writer))
        await writers.until_more(WRITERS)
        await mover.move()
        await writers.until_more(2 * WRITERS)
        writers.stopping = True
    return await outcome(mover, writers.acknowledged)


STOPS: Mapping[str, Callable[[Roads, Consistency, Tier], Awaitable[Outcome]]] = {
    "before opening": before_opening,
    "in opening": in_opening,
    "after opening": after_opening,
}


async def first_of(task: asyncio.Task[object], other: Awaitable[object]) -> None:
    """Wait until one of both has come to its end, and forget the second if the first is done."""
    waiting = asyncio.ensure_future(other)
    async with asyncio.timeout(LIMIT_S):
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
