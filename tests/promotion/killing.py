"""A busy customer, and workers that come, die and are followed by others."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import msgspec

from router.catalog import moves, operations
from router.catalog.operations import Operation, OperationState
from router.words import Placement, Tier
from tests.gateways import expect
from tests.promotion.journeys import BY, Journey, journey
from tests.promotion.traffic import Asked, Traffic
from tests.promotion.workers import Nursery, Worker, nursery
from tests.scale import seed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from pathlib import Path
    from uuid import UUID

    from tests.worlds import Clusters

SEED = seed()
STOCK = 1_500
WRITERS = 4
SILENT_S_MAX = 1.0
_LIMIT_S = 45.0


class Way(Enum):
    """What the two ends of a move have in common."""

    ANY = auto()
    ONE_DATABASE = auto()
    TWO_DATABASES = auto()


class Goal(msgspec.Struct, frozen=True):
    """Where a tenant can be."""

    tier: Tier
    cluster: str

    @classmethod
    def of(cls, place: Placement) -> Goal:
        return cls(place.tier, place.cluster)

    def shares_with(self, other: Goal) -> bool:
        """Whether both are in one database."""
        return self.cluster == other.cluster and Tier.DATABASE not in {self.tier, other.tier}


GOALS: Final = (
    Goal(Tier.ROWS, "shared-1"),
    Goal(Tier.SCHEMA, "shared-1"),
    Goal(Tier.DATABASE, "dedicated-1"),
    Goal(Tier.SCHEMA, "shared-2"),
    Goal(Tier.ROWS, "shared-2"),
)


class Scene:
    """One busy customer, and workers that come and go."""

    def __init__(self, made: Journey, traffic: Traffic, home: Nursery) -> None:
        self.made = made
        self.traffic = traffic
        self._home = home

    async def worker(self, changes: Mapping[str, str] | None = None) -> Worker:
        """Start a worker."""
        return await self._home.bear(self.made.made.settings, changes or {})

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Have a worker at work that nothing happens to."""
        worker = await self.worker()
        yield
        await worker.stop()

    async def kill(self, point: str) -> float:
        """Have a worker die at a point; returns when it did."""
        worker = await self.worker({"STEPWELL_FAULT_POINT": point})
        assert await worker.died_of() is signal.SIGKILL, worker.said()
        return time.monotonic()

    async def goal(self) -> Goal:
        return Goal.of(await self.made.placement())

    async def until_ended(self, operation_id: UUID) -> Operation:
        """Wait until some worker has ended an operation."""
        end_s = time.monotonic() + _LIMIT_S
        while True:
            async with self.made.made.platform.catalog.connection() as connection:
                operation = await operations.get(connection, operation_id)
            if operation.state.is_ended:
                return operation
            assert time.monotonic() < end_s, operation
            await asyncio.sleep(0.05)

    async def begin(self, goal: Goal) -> UUID:
        """Ask for a move."""
        return await self.made.record(goal.tier, goal.cluster)

    async def begin_settling(self, move_id: UUID) -> UUID:
        async with self.made.made.platform.catalog.transaction() as connection:
            return (await moves.settle_now(connection, move_id, BY)).id

    async def begin_undoing(self, move_id: UUID) -> UUID:
        async with self.made.made.platform.catalog.transaction() as connection:
            return (await moves.record_undo(connection, move_id, BY)).id

    async def cancel(self, move_id: UUID) -> None:
        async with self.made.made.platform.catalog.transaction() as connection:
            await moves.request_cancel(connection, move_id, BY)

    async def come_to(self, goal: Goal) -> None:
        """Bring the tenant somewhere, and settle it there."""
        if await self.goal() == goal:
            return
        async with self.working():
            await self.through(await self.begin(goal))

    async def through(self, move_id: UUID) -> None:
        """See a move come through and settled, by workers that are there."""
        moved = await self.until_ended(move_id)
        assert moved.state is OperationState.DONE, moved.error
        settled = await self.until_ended(await self.begin_settling(move_id))
        assert settled.state is OperationState.DONE, settled.error

    @contextlib.asynccontextmanager
    async def busy(
        self, forgiven: Callable[[Asked], bool] = lambda _: False
    ) -> AsyncGenerator[None]:
        """Let people write meanwhile, and compare at the end what is there with what they know."""
        try:
            async with self.traffic.flowing():
                yield
        finally:
            # What a failed test leaves at work would spoil the next one.
            await self._home.clear()
        failed = [each for each in self.traffic.failures() if not forgiven(each)]
        assert not failed, failed
        different = await self.traffic.differences()
        assert not different, different

    def dice(self, *of: object) -> random.Random:
        """Return dice that fall alike for one seed and one purpose."""
        return random.Random(" ".join(str(each) for each in (SEED, *of)))

    def assert_served_since(self, died_s: float, limit_s: float | None = None) -> None:
        """Nobody waited long after a worker had died, or had begun to stand still."""
        limit_s = (limit_s or SILENT_S_MAX) + self.traffic.stalled_s(died_s)
        slowest = self.traffic.slowest(died_s)
        assert slowest.took_s <= limit_s, (
            f"{slowest.what} took {slowest.took_s:.2f} s, {slowest.began_s - died_s:.2f} s after"
        )
        silence_s = self.traffic.silence_s(died_s)
        assert silence_s <= limit_s, f"nobody was served for {silence_s:.2f} s"


@contextlib.asynccontextmanager
async def scene_of(clusters: Clusters, folder: Path) -> AsyncGenerator[Scene]:
    """Build the world of one customer with some rows; workers log into the folder."""
    async with nursery(folder) as home, journey(clusters, gateways=2) as made:
        await stock(made)
        clients = [each.client for each in made.made.gateways]
        traffic = Traffic(clients, made.customer.key, writers=WRITERS, seed=SEED)
        yield Scene(made, traffic, home)


async def stock(made: Journey) -> None:
    """Give a customer rows enough for more than one batch of each kind."""
    lines = "\n".join(f"{number},Artist {number}" for number in range(1, STOCK + 1))
    answer = await made.made.client.post(
        "/import/artist",
        content=f"artist_id,name\n{lines}\n",
        headers={"Authorization": f"Bearer {made.customer.key}", "Content-Type": "text/csv"},
    )
    expect(answer, 201)


def draw(dice: random.Random, source: Goal, *, point: str, way: Way = Way.ANY) -> Goal:
    """Choose where to go, so that the point is met."""
    fitting = [
        goal
        for goal in GOALS
        if goal != source
        and (goal.tier is Tier.ROWS or not point.startswith("merge."))
        and (way is Way.ANY or goal.shares_with(source) is (way is Way.ONE_DATABASE))
    ]
    return dice.choice(fitting)
