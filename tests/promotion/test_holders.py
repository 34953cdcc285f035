"""Transactions that don't end and writers that don't pause: a move waits, and nobody for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from promotion.terms import HolderPolicy
from router.catalog.operations import OperationState
from router.errors import Unavailable
from router.words import Consistency, Mode, Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.trips import LIMITS, hub_of, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

#: How long the gate may keep a request waiting, by the design; what the machine adds is measured.
HELD_S_MAX = 0.3
IMPATIENT = msgspec.structs.replace(LIMITS, wait_s_max=1.0)
RUTHLESS = msgspec.structs.replace(IMPATIENT, holders=HolderPolicy.END)
#: So few keys a round that writers who never pause have to be slowed down.
STRICT = msgspec.structs.replace(LIMITS, settled_keys=3, rounds_max=2)
LEVELS = [Consistency.READ_COMMITTED, Consistency.REPEATABLE_READ]
_WRITE = "INSERT INTO genre (name) VALUES ($1)"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


class Writers:
    """Writers that never pause, what was acknowledged to them, and how long they waited."""

    def __init__(self, trip: Trip, *, count: int = 1, pause_s: float = 0.0) -> None:
        self.trip = trip
        self.count = count
        self.pause_s = pause_s
        self.acknowledged: list[str] = []
        self.waited_s: list[float] = []
        self.failed: list[BaseException] = []
        self._stopping = False

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncGenerator[Writers]:
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._write_on(number))
            try:
                yield self
            finally:
                self._stopping = True
        assert self.failed == []
        assert set(self.acknowledged) <= set(await self.trip.names())

    async def _write_on(self, number: int) -> None:
        dispatch = self.trip.hub.stale(self.trip.tenant)
        while not self._stopping:
            name = f"{number} {len(self.acknowledged)}"
            began = time.perf_counter()
            try:
                await self.trip.write(name, dispatch)
            except Exception as error:  # noqa: BLE001 - none may fail, and all are told
                self.failed.append(error)
                return
            self.waited_s.append(time.perf_counter() - began)
            self.acknowledged.append(name)
            await asyncio.sleep(self.pause_s)


@contextlib.asynccontextmanager
async def held(
    trip: Trip, consistency: Consistency = Consistency.READ_COMMITTED
) -> AsyncGenerator[None]:
    """Be in the tenant with a transaction that has written a row, and end it well."""
    async with trip.lease(consistency=consistency) as lease:
        await lease.execute(_WRITE, "of the long one")
        yield


async def kept(trip: Trip) -> list[str]:
    """Read what the long transactions have written: never into the writers' way."""
    async with trip.lease(Mode.READ) as lease:
        return [row["name"] for row in await lease.fetch("SELECT name FROM genre")]


@pytest.mark.parametrize("consistency", LEVELS)
@pytest.mark.parametrize("moment", ["prepare.after", "verify.after"])
async def test_a_transaction_of_seconds_is_waited_for_and_nobody_waits_for_the_move(
    hub: Hub, moment: str, consistency: Consistency
) -> None:
    trip, neighbour = await hub.trip(), await hub.trip(rows=0)
    move_id = await trip.record(Tier.DATABASE)
    may_begin, began = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        await may_begin.wait()
        async with held(trip, consistency):
            began.set()
            await asyncio.sleep(1.5)

    # Whoever is in before the fence looks is waited for; it comes in while the mover is elsewhere.
    trip.faults.at(moment, may_begin.set)
    ours, theirs = Writers(trip, pause_s=0.01), Writers(neighbour, pause_s=0.01)
    async with ours.writing(), theirs.writing():
        holding = asyncio.create_task(hold())
        operation = await trip.run(move_id)
        await holding
    assert began.is_set()
    assert operation.state is OperationState.DONE, operation.error
    assert await kept(trip) == ["of the long one"]
    assert max(ours.waited_s) <= HELD_S_MAX + 2 * max(theirs.waited_s)
    await trip.settle(move_id)
    await assert_nothing_left(trip)


@pytest.mark.parametrize("consistency", LEVELS)
@pytest.mark.parametrize("moment", ["capture.before", "fence.before"])
async def test_a_transaction_that_never_ends_turns_the_move_back_once_its_time_is_over(
    hub: Hub, moment: str, consistency: Consistency
) -> None:
    trip = await hub.trip(limits=IMPATIENT)
    move_id = await trip.record(Tier.DATABASE)
    async with never_ending(trip, moment, consistency) as end:
        running = asyncio.create_task(trip.run(move_id))
        if consistency is Consistency.REPEATABLE_READ:
            # It holds the tenant's home, so the capture sleeps when it lets go.
            await until_log_says(trip, move_id, "turn")
            await asyncio.sleep(0.5)
            end.set()
        operation = await running
        end.set()
    assert operation.state is OperationState.FAILED
    assert operation.error is not None
    assert "process" in operation.error
    assert operation.attempts == 1
    assert await kept(trip) == ["of the long one"]
    # What it wrote down when the move was gone is deleted by the next one.
    await trip.settle((await trip.go(Tier.DATABASE)).id)
    await assert_nothing_left(trip)


@pytest.mark.parametrize("consistency", LEVELS)
@pytest.mark.parametrize("moment", ["capture.before", "fence.before"])
async def test_a_transaction_that_never_ends_is_ended_where_the_policy_says_so(
    hub: Hub, moment: str, consistency: Consistency
) -> None:
    trip = await hub.trip(limits=RUTHLESS)
    before = await trip.digests()
    move_id = await trip.record(Tier.DATABASE)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(assert_lost)
        end = await stack.enter_async_context(never_ending(trip, moment, consistency))
        operation = await trip.run(move_id)
        end.set()
    assert operation.state is OperationState.DONE, operation.error
    assert operation.attempts == 1
    assert await trip.digests() == before


@pytest.mark.parametrize("moment", ["capture.before", "fence.before"])
async def test_a_move_that_waits_for_a_transaction_is_cancelled_at_once(
    hub: Hub, moment: str
) -> None:
    trip = await hub.trip()
    move_id = await trip.record(Tier.SCHEMA)
    async with never_ending(trip, moment, Consistency.READ_COMMITTED) as end:
        running = asyncio.create_task(trip.run(move_id))
        await until(lambda: reached(trip, moment))
        await asyncio.sleep(0.3)
        await trip.cancel(move_id)
        async with asyncio.timeout(LIMITS.wait_s_max / 2):
            operation = await running
        end.set()
    assert operation.state is OperationState.CANCELLED
    await trip.undo((await trip.go(Tier.SCHEMA)).id)
    await assert_nothing_left(trip)


async def test_writers_that_never_pause_are_slowed_down_and_told(hub: Hub) -> None:
    trip = await hub.trip(limits=STRICT)
    async with Writers(trip, count=4).writing() as writers:
        move = await trip.go(Tier.DATABASE)
    told = [line.note for line in await trip.log(move.id) if "writers wait" in line.note]
    assert told[:2] == [
        "the tenant's writers wait 2 ms each, so that the move catches up",
        "the tenant's writers wait 4 ms each, so that the move catches up",
    ]
    assert len(writers.acknowledged) == len(set(writers.acknowledged))
    await trip.settle(move.id)
    await assert_nothing_left(trip)


@pytest.mark.parametrize("ending", ["given up", "cancelled"])
async def test_writers_are_slowed_down_no_more_when_the_move_turns_back(
    hub: Hub, ending: str
) -> None:
    limits = msgspec.structs.replace(STRICT, settled_keys=-1, rounds_end=8)
    trip = await hub.trip(limits=limits)
    move_id = await trip.record(Tier.DATABASE)

    def cancel(point: str) -> None:
        if point == "follow.round" and trip.faults.reached.count(point) == limits.rounds_end - 2:
            trip.cancel_from_elsewhere(move_id)

    if ending == "cancelled":
        trip.faults.at_each(cancel)
    async with Writers(trip, count=2).writing():
        operation = await trip.run(move_id)
    if ending == "cancelled":
        assert operation.state is OperationState.CANCELLED
    else:
        assert operation.state is OperationState.FAILED
        assert operation.attempts == 1
        assert "still changes more than" in (operation.error or "")
    assert any("writers wait" in line.note for line in await trip.log(move_id))
    await assert_nothing_left(trip)


async def test_writers_who_hold_the_home_are_slowed_down_when_they_let_go(hub: Hub) -> None:
    trip = await hub.trip(limits=STRICT)
    move_id = await trip.record(Tier.DATABASE)
    released = asyncio.Event()

    async def hold() -> None:
        async with held(trip, Consistency.REPEATABLE_READ):
            await released.wait()

    holding: list[asyncio.Task[None]] = []
    trip.faults.at("follow.before", lambda: holding.append(asyncio.create_task(hold())))
    async with Writers(trip, count=4).writing():
        running = asyncio.create_task(trip.run(move_id))
        await until(lambda: reached(trip, "follow.round", 8))
        released.set()
        operation = await running
    await asyncio.gather(*holding)
    assert operation.state is OperationState.DONE, operation.error


async def test_more_rows_than_fit_into_the_fence_are_brought_by_a_round(hub: Hub) -> None:
    trip = await hub.trip()
    many = (
        "INSERT INTO {schema}.genre (tenant_id, genre_id, name) OVERRIDING SYSTEM VALUE"
        " SELECT {tenant}, n, 'genre ' || n FROM generate_series(1, 2500) AS n"
    )
    log = (
        "INSERT INTO gate.change (tenant_id, table_name, key)"
        " SELECT {tenant}, 'genre', jsonb_build_array(n) FROM generate_series(1, 2500) AS n"
    )
    move_id = await trip.record(Tier.DATABASE)
    source = trip.seen[-1].source
    trip.faults.at(
        "fence.before",
        lambda: trip.faults.at(
            "follow.round", lambda: trip.plant(source, f"BEGIN; {many}; {log}; COMMIT")
        ),
    )
    operation = await trip.run(move_id)
    assert operation.state is OperationState.DONE, operation.error
    assert operation.attempts == 1
    assert len(await kept(trip)) == 2500


async def assert_lost(kind: type[BaseException] | None, *_: object) -> bool:
    """See that somebody lost its connection, and let that be."""
    assert kind is not None
    return issubclass(kind, asyncpg.PostgresError | asyncpg.InterfaceError | OSError)


async def reached(trip: Trip, point: str, times: int = 1) -> bool:
    return trip.faults.reached.count(point) >= times


async def until_log_says(trip: Trip, move_id: UUID, step: str) -> None:
    async def says() -> bool:
        operation = (await trip.move(move_id)).operation
        return operation.step is not None and step in operation.step

    await until(says, limit_s=20)


@contextlib.asynccontextmanager
async def never_ending(
    trip: Trip, moment: str, consistency: Consistency
) -> AsyncGenerator[asyncio.Event]:
    """Be in the tenant from a moment of its move on, until the test says that it is enough."""
    end, begin = asyncio.Event(), asyncio.Event()
    trip.faults.at(moment, begin.set)

    async def hold() -> None:
        await begin.wait()
        async with held(trip, consistency):
            await end.wait()

    holding = asyncio.create_task(hold())
    try:
        yield end
    finally:
        end.set()
        begin.set()
        with contextlib.suppress(Unavailable):
            await holding
