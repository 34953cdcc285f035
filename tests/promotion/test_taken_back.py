"""Undo and settle, each twice, at once, and where they can't be; several tenants on their way."""

from __future__ import annotations

import asyncio
import contextlib
import random
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from deploy import standing
from deploy.standing import Change, WantedChange
from router.catalog import moves, tenants
from router.catalog.move_words import Stage
from router.catalog.operations import OperationState
from router.errors import Conflict, PlatformError, TenantClosed
from router.names import quote
from router.words import TenantStatus, Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.trips import BY, LIMITS, RUNNING, hub_of
from tests.scale import scaled, seed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from router.catalog.operations import Operation
    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

PATIENT = msgspec.structs.replace(LIMITS, attempts_max=1_000)
STUBBORN = msgspec.structs.replace(RUNNING, attempts_max=1_000)
KILLS = scaled(3)
_END = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE application_name LIKE $1 AND datname = current_database()"
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


async def record_undo(trip: Trip, move_id: UUID) -> UUID:
    async with trip.hub.platform.catalog.transaction() as connection:
        return (await moves.record_undo(connection, move_id, BY)).id


async def record_settling(trip: Trip, move_id: UUID) -> UUID:
    async with trip.hub.platform.catalog.transaction() as connection:
        return (await moves.settle_now(connection, move_id, BY)).id


async def test_an_undo_that_is_asked_for_twice_is_one(hub: Hub) -> None:
    trip = await hub.trip()
    move = await trip.go(Tier.DATABASE)
    await trip.write("since")
    first, second = await record_undo(trip, move.id), await record_undo(trip, move.id)
    assert first == second
    both = await asyncio.gather(trip.run(first), trip.run(second))
    assert [each.state for each in both] == [OperationState.DONE] * 2
    with pytest.raises(Conflict, match="is undone: it can't be undone"):
        await record_undo(trip, move.id)
    with pytest.raises(Conflict, match="is undone: it can't be settled"):
        await record_settling(trip, move.id)
    assert "since" in await trip.names()
    await assert_nothing_left(trip)


async def test_a_move_is_settled_once_and_then_not_undone(hub: Hub) -> None:
    trip = await hub.trip()
    move = await trip.go(Tier.SCHEMA)
    settling = await record_settling(trip, move.id)
    assert await record_settling(trip, move.id) == settling
    refused: list[str] = []

    async def undo() -> None:
        with pytest.raises(Conflict) as caught:
            await record_undo(trip, move.id)
        refused.append(str(caught.value))

    asked: list[asyncio.Task[None]] = []
    trip.faults.at("settle.erased", lambda: asked.append(asyncio.create_task(undo())))
    assert (await trip.run(settling)).state is OperationState.DONE
    await asyncio.gather(*asked)
    await undo()
    assert ["is settling: it can't be undone" in refused[0], "is settled" in refused[1]] == [
        True
    ] * 2
    with pytest.raises(Conflict, match="is settled: it can't be settled"):
        await record_settling(trip, move.id)
    await assert_nothing_left(trip)


async def test_an_undo_and_a_settling_at_once_are_one_of_them(hub: Hub) -> None:
    trip = await hub.trip()
    move = await trip.go(Tier.ROWS, "shared-2")
    asked = await asyncio.gather(
        record_undo(trip, move.id), record_settling(trip, move.id), return_exceptions=True
    )
    recorded = [each for each in asked if not isinstance(each, BaseException)]
    ended = [await trip.run(each) for each in recorded]
    assert OperationState.DONE in {each.state for each in ended}
    assert (await trip.move(move.id)).stage is Stage.ENDED
    await trip.write("goes on")
    await assert_nothing_left(trip)


@pytest.mark.parametrize(("tier", "cluster"), [(Tier.SCHEMA, None), (Tier.ROWS, "shared-2")])
async def test_an_undo_that_can_t_be_proved_is_given_up_and_the_move_stands(
    hub: Hub, tier: Tier, cluster: str | None
) -> None:
    trip = await hub.trip()
    move = await trip.go(tier, cluster)
    await trip.write("since")
    before = await trip.digests()
    cell = "UPDATE {schema}.artist SET name = 'X' WHERE tenant_id = {tenant} AND artist_id = 17"
    trip.plant(move.source, cell)
    for _ in range(2):
        undone = await trip.undo(move.id)
        assert undone.state is OperationState.CANCELLED
        assert "1 are not the same" in (undone.error or "")
        assert (await trip.move(move.id)).stage is Stage.DECIDED
        assert await trip.digests() == before
        assert (await trip.placement()).epoch == move.target.epoch
    # What was planted is taken away, so the way back is open again, with all that came since.
    await trip.write("later")
    trip.plant(
        move.source,
        "UPDATE {schema}.artist SET name = 'artist 17'"
        " WHERE tenant_id = {tenant} AND artist_id = 17",
    )
    assert (await trip.undo(move.id)).state is OperationState.DONE
    assert {"since", "later"} <= set(await trip.names())
    await assert_nothing_left(trip)


@pytest.mark.parametrize("tier", [Tier.SCHEMA, Tier.DATABASE])
async def test_a_settling_waits_for_whoever_still_looks_at_the_old_place(
    hub: Hub, tier: Tier
) -> None:
    trip = await hub.trip()
    # Away from where it begins, so that there is a schema or a database to be dropped.
    await trip.settle((await trip.go(tier)).id)
    old = await trip.placement()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(let_go)
        # Past the gate, as a backup does: the move doesn't wait for that.
        looking = await stack.enter_async_context(trip.admin(old))
        await looking.execute(f"BEGIN; LOCK TABLE {quote(old.schema)}.artist IN ACCESS SHARE MODE")
        move = await trip.go(Tier.ROWS, "shared-1")
        settling = asyncio.create_task(trip.settle(move.id))
        await asyncio.sleep(1.0)
        # A schema is dropped when nobody looks, and a database with whoever is in it.
        assert settling.done() is (tier is Tier.DATABASE)
        await looking.execute("COMMIT")
    assert (await settling).state is OperationState.DONE
    await assert_nothing_left(trip)


async def let_go(kind: type[BaseException] | None, *_: object) -> bool:
    """Take a lost connection as it comes, and nothing else."""
    return kind is not None and issubclass(kind, asyncpg.PostgresError | asyncpg.InterfaceError)


async def test_two_tenants_move_at_once_and_a_third_one_waits_for_its_turn(hub: Hub) -> None:
    trips = [await hub.trip() for _ in range(3)]
    before = [await trip.digests() for trip in trips]
    recorded = [await trip.record(Tier.DATABASE) for trip in trips]
    under_way: set[int] = set()
    at_most: list[int] = []

    def watch(number: int, point: str) -> None:
        # From its first step to its decision.
        if point == "flip.after":
            under_way.discard(number)
        else:
            under_way.add(number)
        at_most.append(len(under_way))

    for number, trip in enumerate(trips):
        trip.faults.at_each(partial(watch, number))
    third = await trips[2].runner.run_one(recorded[2])
    assert third.state is OperationState.WAITING
    assert third.attempts == 0
    ended = await asyncio.gather(
        *[trip.run(each) for trip, each in zip(trips, recorded, strict=True)]
    )
    assert [each.state for each in ended] == [OperationState.DONE] * 3
    assert max(at_most) == 2
    assert [await trip.digests() for trip in trips] == before
    for trip, each in zip(trips, recorded, strict=True):
        await trip.undo(each)
        await assert_nothing_left(trip)


async def suspend(trip: Trip, change: Change) -> None:
    wanted = WantedChange(change=change, actor="operator")
    await standing.apply(trip.hub.platform.catalog, trip.tenant.slug, wanted)


@pytest.mark.parametrize("moment", ["copy.before", "fence.locked", "flip.before"])
async def test_a_tenant_that_is_suspended_meanwhile_arrives_suspended(
    hub: Hub, moment: str
) -> None:
    trip = await hub.trip()
    before = await trip.digests()
    asked: list[asyncio.Task[None]] = []
    trip.faults.at(moment, lambda: asked.append(asyncio.create_task(suspend(trip, Change.SUSPEND))))
    move = await trip.go(Tier.SCHEMA)
    await asyncio.gather(*asked)
    assert await trip.digests() == before
    with pytest.raises(TenantClosed, match="is suspended"):
        await trip.write("refused")
    await suspend(trip, Change.RESUME)
    await trip.write("open again")
    assert (await trip.settle(move.id)).state is OperationState.DONE
    await assert_nothing_left(trip)


@pytest.mark.parametrize("moment", ["copy.before", "follow.after"])
async def test_the_move_of_a_tenant_that_is_erased_meanwhile_turns_back(
    hub: Hub, moment: str
) -> None:
    trip = await hub.trip()
    move_id = await trip.record(Tier.DATABASE)
    catalog = trip.hub.platform.catalog

    async def erase() -> None:
        async with catalog.transaction() as connection:
            await tenants.set_status(connection, trip.tenant.id, TenantStatus.ERASED)

    asked: list[asyncio.Task[None]] = []
    trip.faults.at(moment, lambda: asked.append(asyncio.create_task(erase())))
    operation = await trip.run(move_id)
    await asyncio.gather(*asked)
    assert operation.state is OperationState.FAILED
    assert operation.attempts == 1
    assert "was erased" in (operation.error or "")
    assert (await trip.move(move_id)).stage is Stage.ENDED
    await assert_nothing_left(trip)


class Cutter:
    """Ends the sessions of movers at random moments."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.killed = 0
        self.random = random.Random(seed())

    async def beside(self, operation_id: UUID) -> Operation:
        """Run an operation that is cut so often, and let it end."""
        cutting = asyncio.create_task(self._cut(operation_id))
        operation = await self.trip.run(operation_id)
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
        return operation

    async def _cut(self, operation_id: UUID) -> None:
        move = self.trip.seen[-1]
        enough = self.killed + KILLS
        while self.killed < enough:
            await asyncio.sleep(self.random.uniform(0.02, 0.2))
            place = self.random.choice([move.source, move.target])
            with contextlib.suppress(PlatformError, asyncpg.PostgresError):  # it isn't made yet
                async with self.trip.admin(place) as connection:
                    name = f"stepwell move {operation_id}%"
                    self.killed += await connection.fetchval(_END, name)


async def test_connections_that_are_cut_all_the_time_delay_a_move_and_lose_nothing(
    hub: Hub,
) -> None:
    trip = await hub.trip(limits=PATIENT, running=STUBBORN)
    cutter, written, is_over = Cutter(trip), list[str](), asyncio.Event()

    async def write_on() -> None:
        while not is_over.is_set():
            name = f"written {len(written)}"
            await trip.write(name)
            written.append(name)
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        group.create_task(write_on())
        for tier, cluster in ((Tier.DATABASE, None), (Tier.ROWS, "shared-2")):
            move_id = await trip.record(tier, cluster)
            for operation_id in (move_id, None):
                operation = await cutter.beside(operation_id or await record_undo(trip, move_id))
                assert operation.state is OperationState.DONE, operation.error
        is_over.set()
    assert cutter.killed > KILLS
    names = await trip.names()
    assert {*written} <= {*names}
    assert len(names) == len({*names})
    await assert_nothing_left(trip)
