"""A move that is cancelled leaves nothing, wherever it is; after the decision nobody cancels it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from promotion.faults import MOVE_POINTS
from router.catalog.move_words import Stage
from router.catalog.operations import OperationState
from router.errors import Conflict
from router.words import Isolation, Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.trips import hub_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

#: From here on the attempt that is under way doesn't ask any more.
TOO_LATE = MOVE_POINTS.index("fence.locked")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


def points(*targets: tuple[Tier, str | None]) -> list[tuple[str, Tier, str | None]]:
    """Spread the points over targets, each to one that passes it."""
    spread: list[tuple[str, Tier, str | None]] = []
    for number, point in enumerate(MOVE_POINTS[:TOO_LATE]):
        tier, cluster = targets[number % len(targets)]
        if point.startswith("merge"):
            tier, cluster = Tier.ROWS, "shared-2"
        spread.append((point, tier, cluster))
    return spread


@pytest.mark.parametrize(
    ("point", "tier", "cluster"),
    points((Tier.ROWS, "shared-2"), (Tier.SCHEMA, None), (Tier.DATABASE, None)),
)
async def test_a_move_is_cancelled_anywhere_and_leaves_nothing(
    hub: Hub, point: str, tier: Tier, cluster: str | None
) -> None:
    trip = await hub.trip(rows=10, isolation=Isolation.STRICT)
    before = await trip.digests()
    move_id = await trip.record(tier, cluster)
    trip.faults.at(point, lambda: trip.cancel_from_elsewhere(move_id))
    operation = await trip.run(move_id)
    assert operation.state is OperationState.CANCELLED
    assert point in trip.faults.reached
    assert await trip.digests() == before
    await trip.write("goes on")
    await assert_nothing_left(trip)
    assert (await trip.move(move_id)).stage is Stage.ENDED


@pytest.mark.parametrize("point", ["fence.locked", "fence.target_committed", "fence.decided"])
async def test_a_cancel_that_comes_with_the_decision_comes_too_late(hub: Hub, point: str) -> None:
    trip = await hub.trip(rows=10)
    move_id = await trip.record(Tier.DATABASE)
    trip.faults.at(point, lambda: trip.cancel_from_elsewhere(move_id))
    operation = await trip.run(move_id)
    assert operation.state is OperationState.DONE
    move = await trip.move(move_id)
    assert move.stage is Stage.DECIDED
    assert (await trip.undo(move_id)).state is OperationState.DONE
    await assert_nothing_left(trip)


async def test_a_decided_move_is_not_cancelled(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move = await trip.go(Tier.SCHEMA)
    with pytest.raises(Conflict, match="is decided: undo it instead"):
        await trip.cancel(move.id)
    await trip.settle(move.id)
    with pytest.raises(Conflict, match="is settled: nothing is left to cancel"):
        await trip.cancel(move.id)
    await assert_nothing_left(trip)


async def test_a_move_that_nobody_began_is_cancelled_at_once(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move_id = await trip.record(Tier.SCHEMA)
    await trip.cancel(move_id)
    assert (await trip.move(move_id)).stage is Stage.ENDED
    await assert_nothing_left(trip)
    await goes_anywhere(trip)


async def test_a_cancelled_move_can_be_asked_for_again(hub: Hub) -> None:
    trip = await hub.trip(rows=10)
    move_id = await trip.record(Tier.ROWS, "shared-2")
    trip.faults.at("verify.after", lambda: trip.cancel_from_elsewhere(move_id))
    await trip.run(move_id)
    await goes_anywhere(trip)


async def goes_anywhere(trip: Trip) -> None:
    before = await trip.digests()
    move = await trip.go(Tier.ROWS, "shared-2")
    assert await trip.digests() == before
    await trip.settle(move.id)
    await assert_nothing_left(trip)
