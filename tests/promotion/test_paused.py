"""A move is paused at any step, held before its switch, and cut over when somebody says so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio

from promotion import capture
from promotion.steps import Step
from promotion.wanted import Nothing
from router.catalog import move_holds, moves
from router.catalog.move_words import PROVED, MoveDocument, Stage
from router.catalog.operations import OperationState
from router.errors import Conflict
from router.words import Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.trips import LIMITS, hub_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from promotion.capture import Waiting
    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

_SLOWED = "UPDATE gate.home SET delay_ms = 5 WHERE tenant_id = {tenant}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


async def waiting(trip: Trip) -> Waiting:
    """Look what is written down for the tenant where it lives."""
    async with trip.admin(await trip.placement()) as connection:
        return await capture.waiting(connection, trip.tenant.id)


async def held(trip: Trip, tier: Tier = Tier.SCHEMA) -> UUID:
    """Bring a move to where it waits for the word."""
    move_id = await trip.record(tier, holds=True)
    assert (await trip.runner.run_one(move_id)).state is OperationState.WAITING
    move = await trip.move(move_id)
    assert (move.operation.step, move.awaits_word) == (Step.VERIFIED, True)
    return move_id


@pytest.mark.parametrize(
    ("point", "tier", "cluster"),
    [
        ("prepare.before", Tier.SCHEMA, None),
        ("prepare.after", Tier.ROWS, "shared-2"),
        ("capture.after", Tier.SCHEMA, None),
        ("copy.chunk", Tier.ROWS, "shared-2"),
        ("index.keys", Tier.DATABASE, None),
        ("follow.round", Tier.SCHEMA, None),
        ("merge.merged", Tier.ROWS, "shared-2"),
        ("verify.before", Tier.DATABASE, None),
        ("verify.after", Tier.SCHEMA, None),
        ("fence.before", Tier.DATABASE, None),
    ],
)
async def test_a_move_is_paused_anywhere_and_goes_on_where_it_stopped(
    hub: Hub, point: str, tier: Tier, cluster: str | None
) -> None:
    trip = await hub.trip(rows=10)
    source = await trip.placement()
    move_id = await trip.record(tier, cluster)
    trip.faults.at(point, lambda: trip.say_from_elsewhere(move_holds.pause, move_id))
    for _ in range(2):
        operation = await trip.runner.run_one(move_id)
        assert (operation.state, operation.attempts) == (OperationState.WAITING, 0)
        await trip.write("written while it was paused")
    paused = await trip.move(move_id)
    assert (paused.stage, paused.hold.paused_by) == (Stage.MOVING, "operator")
    assert await trip.placement() == source
    reached = len(trip.faults.reached)
    await trip.runner.run_one(move_id)
    assert len(trip.faults.reached) == reached, "a paused move does nothing"
    before = await trip.digests()
    await trip.say(move_holds.resume, move_id)
    done = await trip.run(move_id)
    assert done.state is OperationState.DONE, done.error
    assert await trip.digests() == before
    assert (await trip.names()).count("written while it was paused") == 2
    await trip.settle(move_id)
    await assert_nothing_left(trip)


async def test_a_paused_move_tells_how_much_waits_for_it(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move_id = await trip.record(Tier.SCHEMA)
    trip.faults.at("capture.after", lambda: trip.say_from_elsewhere(move_holds.pause, move_id))
    await trip.runner.run_one(move_id)
    for number in range(3):
        await trip.write(f"{number}")
    await trip.runner.run_one(move_id)
    document = MoveDocument.of(await trip.move(move_id))
    assert document.lag_rows == 3
    assert document.log_bytes == (await waiting(trip)).bytes
    assert document.paused_reason == "a test asks for it"
    await trip.cancel(move_id)
    assert (await trip.run(move_id)).state is OperationState.CANCELLED
    await assert_nothing_left(trip)


async def test_nobody_is_slowed_down_for_a_move_that_is_paused_or_held(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    source = await trip.placement()
    move_id = await held(trip)
    trip.plant(source, _SLOWED)
    await trip.runner.run_one(move_id)
    assert (await waiting(trip)).delay_ms == 0
    trip.plant(source, _SLOWED)
    await trip.say(move_holds.pause, move_id)
    await trip.runner.run_one(move_id)
    assert (await waiting(trip)).delay_ms == 0
    await trip.cancel(move_id)
    await trip.run(move_id)
    await assert_nothing_left(trip)


@pytest.mark.parametrize("tier", [Tier.SCHEMA, Tier.DATABASE])
async def test_a_held_move_follows_until_somebody_says_the_word(hub: Hub, tier: Tier) -> None:
    trip = await hub.trip(rows=10)
    source = await trip.placement()
    move_id = await held(trip, tier)
    for number in range(2):
        await trip.write(f"written while it was held, {number}")
        operation = await trip.runner.run_one(move_id)
        assert (operation.state, operation.attempts) == (OperationState.WAITING, 0)
        assert (await waiting(trip)).rows == 0, "what changed was brought over"
    assert await trip.placement() == source
    await trip.write("written at the last moment")
    before = await trip.digests()
    await trip.say(move_holds.cut_over, move_id)
    assert (await trip.run(move_id)).state is OperationState.DONE
    assert await trip.digests() == before
    await trip.write("written after it")
    after = await trip.digests()
    assert (await trip.undo(move_id)).state is OperationState.DONE
    assert await trip.digests() == after
    await assert_nothing_left(trip)


async def test_a_released_move_switches_by_itself(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move_id = await held(trip)
    await trip.say(move_holds.release, move_id)
    assert (await trip.run(move_id)).state is OperationState.DONE
    await trip.settle(move_id)
    await assert_nothing_left(trip)


async def test_a_hold_that_comes_before_the_switch_is_heard(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move_id = await trip.record(Tier.DATABASE)
    trip.faults.at("fence.before", lambda: trip.say_from_elsewhere(move_holds.hold, move_id))
    assert (await trip.runner.run_one(move_id)).state is OperationState.WAITING
    assert (await trip.move(move_id)).awaits_word
    assert "fence.locked" not in trip.faults.reached
    await trip.cancel(move_id)
    assert (await trip.run(move_id)).state is OperationState.CANCELLED
    await assert_nothing_left(trip)


async def test_a_proof_of_long_ago_is_made_anew(hub: Hub) -> None:
    limits = msgspec.structs.replace(LIMITS, proof_age_max=timedelta(0))
    trip = await hub.trip(rows=10, limits=limits)
    move_id = await held(trip)
    await trip.write("written while it was held")
    await trip.say(move_holds.cut_over, move_id)
    assert (await trip.run(move_id)).state is OperationState.DONE
    receipt = (await trip.move(move_id)).receipt
    assert receipt is not None
    assert {each.table: each.rows for each in receipt.proof}["artist"] == 11
    assert "proved anew" in [line.note for line in await trip.log(move_id)]
    await trip.settle(move_id)
    await assert_nothing_left(trip)


async def test_a_move_that_is_paused_for_too_long_turns_back(hub: Hub) -> None:
    limits = msgspec.structs.replace(LIMITS, pause_max=timedelta(0))
    trip = await hub.trip(rows=10, limits=limits)
    before = await trip.digests()
    move_id = await trip.record(Tier.SCHEMA)
    trip.faults.at("copy.before", lambda: trip.say_from_elsewhere(move_holds.pause, move_id))
    failed = await trip.run(move_id)
    assert failed.state is OperationState.FAILED
    assert failed.error is not None
    assert "STEPWELL_MOVE_PAUSE_H_MAX" in failed.error
    assert await trip.digests() == before
    await assert_nothing_left(trip)
    # It is pinned there still, and who paused it wants no worker to begin it again.
    outcome = await hub.promoting.reconcile(trip.tenant.id)
    assert isinstance(outcome.decision, Nothing)


async def test_a_decision_that_nobody_recorded_goes_before_a_pause(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move_id = await trip.record(Tier.SCHEMA)

    def die() -> None:
        trip.say_from_elsewhere(move_holds.pause, move_id)
        raise OSError

    trip.faults.at("fence.decided", die)
    assert (await trip.runner.run_one(move_id)).state is OperationState.WAITING
    assert (await trip.runner.run_one(move_id)).state is OperationState.DONE
    move = await trip.move(move_id)
    assert (move.stage, MoveDocument.of(move).paused_at) == (Stage.DECIDED, None)
    await trip.settle(move_id)
    await assert_nothing_left(trip)


async def test_after_the_decision_it_is_too_late_for_any_word(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move = await trip.go(Tier.SCHEMA)
    for said in (move_holds.pause, move_holds.resume, move_holds.hold, move_holds.cut_over):
        with pytest.raises(Conflict, match=r"is decided and can't be .*: undo it instead"):
            await trip.say(said, move.id)
    await trip.settle(move.id)
    with pytest.raises(Conflict, match="is settled and can't be paused: it is too late for that"):
        await trip.say(move_holds.pause, move.id)
    await assert_nothing_left(trip)


async def test_a_way_back_that_copies_nothing_is_not_held(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move = await trip.go(Tier.SCHEMA)
    with pytest.raises(Conflict, match="ask without a hold"):
        await trip.record(Tier.ROWS, "shared-1", holds=True)
    with pytest.raises(Conflict, match=f"settle the move {move.id} first"):
        await trip.record(Tier.DATABASE, holds=True)
    await trip.settle(move.id)
    await assert_nothing_left(trip)


async def test_a_move_that_is_asked_for_again_with_a_hold_gets_it(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move_id = await trip.record(Tier.SCHEMA)
    assert await trip.record(Tier.SCHEMA, holds=True) == move_id
    assert (await trip.move(move_id)).hold.held_by == "operator"
    assert await trip.record(Tier.SCHEMA) == move_id
    assert (await trip.move(move_id)).hold.held_by == "operator"
    await trip.say(moves.request_cancel, move_id)
    await assert_nothing_left(trip)


def test_the_catalog_knows_the_step_before_the_decision_by_its_name() -> None:
    assert Step.VERIFIED == PROVED
