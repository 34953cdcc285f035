"""A keeper stands still at its work, its move ends, and it wakes: it writes nothing."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio

from promotion.faults import KEEP_POINTS
from router.catalog.operations import OperationState
from router.words import Tier
from tests.promotion.killing import Goal, Scene, draw, scene_of
from tests.promotion.test_zombies import wake_up, written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from tests.promotion.workers import Worker
    from tests.worlds import Clusters

OFTEN: Final = {"STEPWELL_MOVE_KEEP_S": "0.2"}
ENDS: Final = ("undone", "settled", "moved on")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Scene]:
    """One customer for all sleepers of this module."""
    async with scene_of(clusters, tmp_path_factory.mktemp("workers")) as made:
        yield made


async def keeper_asleep(scene: Scene, goal: Goal, point: str) -> tuple[UUID, UUID, Worker]:
    """Move, and wait until a keeper stands still; returns the move, the keeping and the keeper."""
    move_id = await scene.begin(goal)
    stop = {"STEPWELL_FAULT_POINT": point, "STEPWELL_FAULT_SIGNAL": "stop"}
    sleeper = await scene.worker({**OFTEN, **stop})
    await sleeper.stands_still()
    move = await scene.made.move(move_id)
    assert move.keep is not None
    return move_id, move.keep.id, sleeper


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("point", KEEP_POINTS)
async def test_a_keeper_that_wakes_too_late_writes_nothing(
    scene: Scene, point: str, end: str
) -> None:
    source = await scene.goal()
    goal = draw(scene.dice(point, end), source, point=point)
    async with scene.busy():
        move_id, keep_id, sleeper = await keeper_asleep(scene, goal, point)
        async with scene.working():
            if end == "undone":
                undone = await scene.until_ended(await scene.begin_undoing(move_id))
                assert undone.state is OperationState.DONE, undone.error
            else:
                settled = await scene.until_ended(await scene.begin_settling(move_id))
                assert settled.state is OperationState.DONE, settled.error
            if end == "moved on":
                await scene.through(await scene.begin(source))
        before = await written(scene)
        await wake_up(sleeper, keep_id)
        assert await written(scene) == before
        await sleeper.stop()
    assert await scene.goal() == (goal if end == "settled" else source)


async def waits_for_its_next_turn(scene: Scene, move_id: UUID) -> bool:
    """Whether somebody has kept since the first one, who never gave the operation back."""
    keeping = (await scene.made.move(move_id)).keep
    assert keeping is not None
    assert keeping.state in {OperationState.RUNNING, OperationState.WAITING}
    return keeping.state is OperationState.WAITING and keeping.attempts == 0


async def test_another_worker_keeps_what_a_dead_one_kept(scene: Scene) -> None:
    source = await scene.goal()
    goal = Goal(Tier.SCHEMA, "shared-2")
    if source == goal:
        goal = Goal(Tier.SCHEMA, "shared-1")
    async with scene.busy():
        move_id = await scene.begin(goal)
        dying = await scene.worker({**OFTEN, "STEPWELL_FAULT_POINT": "keep.round"})
        assert await dying.died_of() is signal.SIGKILL, dying.said()
        alive = await scene.worker(OFTEN)
        async with asyncio.timeout(20):
            while not await waits_for_its_next_turn(scene, move_id):
                await asyncio.sleep(0.05)
        undone = await scene.until_ended(await scene.begin_undoing(move_id))
        await alive.stop()
    assert undone.state is OperationState.DONE, undone.error
    assert await scene.goal() == source
