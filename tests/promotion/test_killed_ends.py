"""A worker dies while a move is undone, settled or turned back, and another one goes on by itself.

As in test_killed.py, people write meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from promotion.faults import SETTLE_POINTS, TURN_BACK_POINTS, UNDO_POINTS
from router.catalog.operations import OperationState
from router.words import Tier
from tests.promotion.killing import Goal, Scene, draw, scene_of
from tests.promotion.remains import remains
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters

_ROUNDS = range(scaled(1))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Scene]:
    """One customer for all deaths of this module."""
    async with scene_of(clusters, tmp_path_factory.mktemp("workers")) as made:
        yield made


@pytest.mark.parametrize("number", _ROUNDS)
@pytest.mark.parametrize("point", UNDO_POINTS)
async def test_an_undo_whose_worker_dies_comes_through(
    scene: Scene, point: str, number: int
) -> None:
    dice = scene.dice(point, number)
    source = await scene.goal()
    async with scene.busy():
        async with scene.working():
            move_id = await scene.begin(draw(dice, source, point=point))
            await scene.until_ended(move_id)
        undo_id = await scene.begin_undoing(move_id)
        died_s = await scene.kill(point)
        async with scene.working():
            undone = await scene.until_ended(undo_id)
    assert undone.state is OperationState.DONE, undone.error
    scene.assert_served_since(died_s)
    assert await scene.goal() == source
    assert await remains(scene.made) == []
    assert (await scene.made.move(move_id)).undone_at is not None


@pytest.mark.parametrize("number", _ROUNDS)
@pytest.mark.parametrize("point", SETTLE_POINTS)
async def test_a_settling_whose_worker_dies_comes_through(
    scene: Scene, point: str, number: int
) -> None:
    dice = scene.dice(point, number)
    await scene.come_to(Goal(Tier.ROWS, dice.choice(("shared-1", "shared-2"))))
    goal = draw(dice, await scene.goal(), point=point)
    async with scene.busy():
        async with scene.working():
            move_id = await scene.begin(goal)
            await scene.until_ended(move_id)
        settling_id = await scene.begin_settling(move_id)
        died_s = await scene.kill(point)
        async with scene.working():
            settled = await scene.until_ended(settling_id)
    assert settled.state is OperationState.DONE, settled.error
    scene.assert_served_since(died_s)
    assert await scene.goal() == goal
    assert await remains(scene.made) == []
    assert (await scene.made.move(move_id)).settled_at is not None


@pytest.mark.parametrize("number", _ROUNDS)
@pytest.mark.parametrize("point", TURN_BACK_POINTS)
async def test_a_turning_back_whose_worker_dies_comes_through(
    scene: Scene, point: str, number: int
) -> None:
    dice = scene.dice(point, number)
    source = await scene.goal()
    async with scene.busy():
        move_id = await scene.begin(draw(dice, source, point=point))
        await scene.kill(dice.choice(("capture.after", "copy.after", "fence.target_committed")))
        await scene.cancel(move_id)
        died_s = await scene.kill(point)
        async with scene.working():
            cancelled = await scene.until_ended(move_id)
    assert cancelled.state is OperationState.CANCELLED, cancelled.error
    scene.assert_served_since(died_s)
    assert await scene.goal() == source
    assert await remains(scene.made) == []
