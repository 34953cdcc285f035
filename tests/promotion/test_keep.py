"""After a move the way back stays short: the place that was left is kept, and nobody is let in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import pytest_asyncio

from promotion import homes, proof
from promotion.keep import KeepHandler, KeepJob
from promotion.side import Bounds, Side
from router.catalog import moves, moving, operations
from router.catalog.move_words import KEEP, Stage
from router.catalog.operations import OperationState, Superseded
from router.catalog.runner import Runner
from router.connect import connect
from router.names import quote
from router.words import Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.trips import BY, LIMITS, RUNNING, elsewhere, hub_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from router.catalog.move_words import Move
    from router.catalog.operations import Operation
    from router.words import Digest
    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

WAYS: Final = [(Tier.SCHEMA, None), (Tier.DATABASE, None), (Tier.ROWS, "shared-2")]
#: Soon enough to be waited for.
HASTY = msgspec.structs.replace(LIMITS, keep_after=timedelta(milliseconds=50))
SHORT = 300
_CHANGES = (
    "INSERT INTO artist (name) SELECT 'new ' || n FROM generate_series(1, 1000) AS n",
    "UPDATE artist SET name = name || '!' WHERE name LIKE 'new %5'",
    "UPDATE album SET title = title || '!'",
    "DELETE FROM album WHERE artist_id <= 10",
    "DELETE FROM artist WHERE artist_id <= 10",
    "INSERT INTO album (title, artist_id) SELECT name, artist_id FROM artist",
)
_LOGGED = "SELECT count(*) FROM gate.change WHERE tenant_id = $1"
_TOKENS = "SELECT move_id, token FROM gate.move WHERE tenant_id = $1"
_OUST = "UPDATE gate.move SET token = 9223372036854775807 WHERE tenant_id = {tenant}"
_BOUNDS = Bounds()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


def keeper(trip: Trip) -> Runner:
    """Make a runner that does nothing but keep."""
    catalog = trip.hub.platform.catalog
    return Runner(catalog, {KEEP: KeepHandler(trip.terms)}, name="keeper", limits=RUNNING)


async def keep_id(trip: Trip, move_id: UUID) -> UUID:
    move = await trip.move(move_id)
    assert move.keep is not None
    return move.keep.id


async def keep(trip: Trip, move_id: UUID) -> Operation:
    """Take one turn, and see how it left the operation."""
    return await keeper(trip).run_one(await keep_id(trip, move_id))


async def change_much(trip: Trip) -> None:
    for statement in _CHANGES:
        async with trip.lease() as lease:
            await lease.execute(statement)


async def logged(trip: Trip) -> int:
    """Count what is written down where the tenant lives."""
    async with trip.admin(await trip.placement()) as connection:
        count: int = await connection.fetchval(_LOGGED, trip.tenant.id)
    return count


async def left_behind(trip: Trip, move: Move) -> list[Digest]:
    """Sum up what is at the place that a move left, where the tenant itself may not look."""
    platform = trip.hub.platform
    side = Side(fleet=platform.fleet, tenant_id=trip.tenant.id, placement=moving.way_back(move))
    async with side.connection("test") as connection, side.connection("test") as again:
        home = await homes.find(connection, trip.tenant.id)
        assert home is not None
        assert home.state != "active" or is_one_database(move), "nobody is let in"
        async with (
            side.transaction(connection, bounds=_BOUNDS, is_read_only=True),
            side.transaction(again, bounds=_BOUNDS, is_read_only=True),
        ):
            view = proof.View(side=side, connection=connection)
            other = proof.View(side=side, connection=again)
            found, same = await proof.digests(view, other, trip.terms.shape)
            assert found == same
            return found


def is_one_database(move: Move) -> bool:
    """Whether one gate stands before both places: it lets the tenant in at the other one."""
    here, there = move.source, move.target
    return (here.cluster, here.database) == (there.cluster, there.database)


async def moved_with_changes(
    hub: Hub, tier: Tier = Tier.SCHEMA, cluster: str | None = None
) -> tuple[Trip, Move]:
    trip = await hub.trip(limits=HASTY)
    move = await trip.go(tier, cluster)
    await change_much(trip)
    return trip, move


@pytest.mark.parametrize(("tier", "cluster"), WAYS)
async def test_a_keeping_leaves_a_short_log_and_an_equal_place(
    hub: Hub, tier: Tier, cluster: str | None
) -> None:
    trip, move = await moved_with_changes(hub, tier, cluster)
    assert await logged(trip) >= 2_000
    assert await left_behind(trip, move) != await trip.digests()
    operation = await keep(trip, move.id)
    assert (operation.state, operation.attempts) == (OperationState.WAITING, 0)
    assert await trip.log(operation.id) == []
    assert await logged(trip) == 0
    assert await left_behind(trip, move) == await trip.digests()
    undone = await trip.undo(move.id)
    assert undone.state is OperationState.DONE, undone.error
    await trip.write("at home again")
    await assert_nothing_left(trip)


async def test_an_undo_finds_what_came_after_a_keeping(hub: Hub) -> None:
    trip, move = await moved_with_changes(hub, Tier.DATABASE)
    await keep(trip, move.id)
    await change_much(trip)
    await trip.write("after the keeping")
    before = await trip.digests()
    undone = await trip.undo(move.id)
    assert undone.state is OperationState.DONE, undone.error
    assert await trip.digests() == before
    assert "after the keeping" in await trip.names()


async def test_turns_are_taken_until_the_move_is_settled(hub: Hub) -> None:
    trip, move = await moved_with_changes(hub, Tier.ROWS, "shared-2")
    stop = asyncio.Event()
    workers = [asyncio.create_task(keeper(trip).run_forever(stop)) for _ in range(2)]
    for number in range(5):
        await trip.write(f"while two workers keep {number}")
        async with asyncio.timeout(20):
            while await logged(trip):
                await asyncio.sleep(0.02)
    async with asyncio.timeout(20):
        while await left_behind(trip, move) != await trip.digests():
            await asyncio.sleep(0.02)
    settled = await trip.settle(move.id)
    assert settled.state is OperationState.DONE, settled.error
    stop.set()
    await asyncio.gather(*workers)
    kept = (await trip.move(move.id)).keep
    assert kept is not None
    # Done, where a keeper had its turn just then and found that nothing is left to keep.
    assert kept.state in {OperationState.CANCELLED, OperationState.DONE}
    told = [line.note for line in await trip.log(kept.id)]
    assert told == (["done"] if kept.state is OperationState.DONE else [])
    await assert_nothing_left(trip)


async def test_a_keeper_that_was_ousted_in_between_writes_nothing(hub: Hub) -> None:
    trip, move = await moved_with_changes(hub, Tier.ROWS, "shared-2")
    before = await left_behind(trip, move)
    # As an undo does, but for ending the session: the keeper has to find out by itself.
    trip.faults.at("keep.before", lambda: trip.plant(move.source, _OUST))
    operation = await keep(trip, move.id)
    assert "keep.round" not in trip.faults.reached
    assert operation.state is OperationState.RUNNING
    assert await left_behind(trip, move) == before
    assert await logged(trip) >= 2_000
    undone = await trip.undo(move.id)
    assert undone.state is OperationState.DONE, undone.error


@pytest.mark.parametrize(("ending", "point"), [("undo", "undo.follow"), ("settle", "settle.batch")])
async def test_whoever_ends_a_move_ousts_its_keeper_first(
    hub: Hub, ending: str, point: str
) -> None:
    trip, move = await moved_with_changes(hub, Tier.ROWS, "shared-2")
    await keep(trip, move.id)
    address = hub.platform.fleet.admin_address(move.source.cluster, move.source.database)
    seen: list[tuple[UUID, int]] = []

    async def look() -> None:
        connection = await connect(address, purpose="test")
        seen.extend(tuple(row) for row in await connection.fetch(_TOKENS, trip.tenant.id))
        await connection.close()

    trip.change(msgspec.structs.replace(HASTY, erase_rows_a_batch=100))
    trip.faults.at(point, lambda: elsewhere(look))
    ended = await (trip.undo(move.id) if ending == "undo" else trip.settle(move.id))
    assert ended.state is OperationState.DONE, ended.error
    assert (await keep_id(trip, move.id), 2**63 - 1) in seen


async def test_a_keeper_that_is_too_late_leaves_nothing_behind(hub: Hub) -> None:
    trip, move = await moved_with_changes(hub, Tier.ROWS, "shared-2")
    stale = await claimed(trip, move)
    undone = await trip.undo(move.id)
    assert undone.state is OperationState.DONE, undone.error
    with pytest.raises(Superseded):
        await take_turn_believing(trip, move, stale)
    await assert_nothing_left(trip)
    again = await trip.go(Tier.ROWS, "shared-2")
    await change_much(trip)
    count = await logged(trip)
    with pytest.raises(Superseded):
        await take_turn_believing(trip, move, stale)
    assert await logged(trip) == count
    settled = await trip.settle(again.id)
    assert settled.state is OperationState.DONE, settled.error
    with pytest.raises(Superseded):
        await take_turn_believing(trip, again, stale)
    await assert_nothing_left(trip)


async def claimed(trip: Trip, move: Move) -> Operation:
    """Claim a keeping as a worker does that is stopped right after."""
    claim = operations.Claim(owner="sleeper", lease=timedelta(minutes=5))
    async with trip.hub.platform.catalog.connection() as connection:
        found = await operations.claim_this(connection, claim, await keep_id(trip, move.id))
    assert found is not None
    return found


async def take_turn_believing(trip: Trip, move: Move, operation: Operation) -> None:
    """Go on as a keeper that believes the move decided and its own operation running."""
    job = KeepJob(trip.terms, move, operation)
    await job.run()


async def test_a_given_up_undo_leaves_the_move_kept(hub: Hub) -> None:
    trip = await hub.trip(limits=HASTY)
    first = await trip.go(Tier.SCHEMA)
    await trip.settle(first.id)
    move = await trip.go(Tier.ROWS, "shared-2")
    await keep(trip, move.id)
    await change_much(trip)
    trip.plant(move.source, "ALTER TABLE {schema}.artist ADD COLUMN surprise text")
    given_up = await trip.undo(move.id)
    assert given_up.state is OperationState.CANCELLED
    trip.plant(move.source, "ALTER TABLE {schema}.artist DROP COLUMN surprise")
    after = await trip.move(move.id)
    assert after.stage is Stage.DECIDED
    assert after.keep is not None
    assert move.keep is not None
    assert after.keep.id != move.keep.id
    assert await held_by(trip, move) >= {move.keep.id: 2**63 - 1}.items()
    await change_much(trip)
    await keep(trip, move.id)
    assert await logged(trip) <= SHORT
    assert await left_behind(trip, move) == await trip.digests()
    undone = await trip.undo(move.id)
    assert undone.state is OperationState.DONE, undone.error
    await assert_nothing_left(trip)


async def held_by(trip: Trip, move: Move) -> set[tuple[UUID, int]]:
    async with trip.admin(move.source) as connection:
        return {tuple(row) for row in await connection.fetch(_TOKENS, trip.tenant.id)}


async def test_a_place_out_of_reach_is_said_once_and_kept_later(hub: Hub) -> None:
    trip = await hub.trip(limits=HASTY)
    first = await trip.go(Tier.DATABASE)
    await trip.settle(first.id)
    move = await trip.go(Tier.ROWS, "shared-1")
    await change_much(trip)
    await allow_connections(trip, move, "false")
    pauses: list[float] = []
    operation_id = await keep_id(trip, move.id)
    for _ in range(3):
        operation = await keep(trip, move.id)
        assert (operation.state, operation.attempts) == (OperationState.WAITING, 0)
        pauses.append(await pause_s(trip, operation))
        await asyncio.sleep(0.3)
    assert sorted(pauses) == pauses
    assert pauses[-1] > pauses[0] + 0.3
    assert [line.step for line in await trip.log(operation_id)] == ["failing"]
    await allow_connections(trip, move, "true")
    await keep(trip, move.id)
    assert [line.step for line in await trip.log(operation_id)] == ["failing", "kept"]
    assert await left_behind(trip, move) == await trip.digests()
    await trip.settle(move.id)


async def allow_connections(trip: Trip, move: Move, how: str) -> None:
    fleet = trip.hub.platform.fleet
    maintenance = fleet.cluster(move.source.cluster).maintenance_database
    async with fleet.admin(move.source.cluster, maintenance) as connection:
        await connection.execute(
            f"ALTER DATABASE {quote(move.source.database)} ALLOW_CONNECTIONS {how}"
        )


async def pause_s(trip: Trip, operation: Operation) -> float:
    async with trip.hub.platform.catalog.connection() as connection:
        found: float = await connection.fetchval(
            "SELECT extract(epoch FROM not_before - now())::float8 FROM catalog.operation"
            " WHERE id = $1",
            operation.id,
        )
    return found


async def test_nothing_is_written_down_while_a_settling_waits_for_its_server(hub: Hub) -> None:
    trip, move = await moved_with_changes(hub, Tier.ROWS, "shared-2")

    def fall() -> None:
        raise ConnectionError("the server of the old place is gone")

    trip.faults.at("settle.dropped", fall)
    async with trip.hub.platform.catalog.transaction() as connection:
        settling = await moves.settle_now(connection, move.id, BY)
    waits = await trip.runner.run_one(settling.id)
    assert waits.state is OperationState.WAITING
    await change_much(trip)
    assert await logged(trip) == 0
    settled = await trip.run(settling.id)
    assert settled.state is OperationState.DONE, settled.error
    await assert_nothing_left(trip)
