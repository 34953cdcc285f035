"""People write while their tenant's move is held, paused, dropped by its worker and cut over."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from router.catalog import move_holds
from router.catalog.operations import OperationState
from router.words import Tier
from tests.promotion.journeys import BY
from tests.promotion.killing import Goal, Scene, scene_of
from tests.promotion.remains import remains
from tests.promotion.trips import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from router.catalog.move_words import Move
    from tests.promotion.trips import Said
    from tests.worlds import Clusters

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Scene]:
    async with scene_of(clusters, tmp_path_factory.mktemp("workers")) as made:
        yield made


async def say(scene: Scene, said: Said, move_id: UUID) -> Move:
    async with scene.made.made.platform.catalog.transaction() as connection:
        return await said(connection, move_id, BY)


async def awaits_word(scene: Scene, move_id: UUID) -> None:
    async def look() -> bool:
        return (await scene.made.move(move_id)).awaits_word

    await until(look)


async def is_let_go(scene: Scene, move_id: UUID) -> None:
    """Wait until a worker has heard of the pause: nobody holds the operation any more."""

    async def look() -> bool:
        move = await scene.made.move(move_id)
        return move.hold.log_bytes is not None and (move.operation.state is OperationState.WAITING)

    await until(look)


async def test_nobody_notices_a_move_that_is_held_paused_dropped_and_cut_over(
    scene: Scene,
) -> None:
    goal = Goal(Tier.DATABASE, "dedicated-1")
    async with scene.busy():
        move_id = await scene.begin(goal)
        await say(scene, move_holds.hold, move_id)
        async with scene.working():
            await awaits_word(scene, move_id)
            await say(scene, move_holds.pause, move_id)
            await is_let_go(scene, move_id)
        # Whoever takes it up while it is paused dies; the next one finds it paused as before.
        await say(scene, move_holds.resume, move_id)
        await say(scene, move_holds.pause, move_id)
        worker = await scene.worker()
        await is_let_go(scene, move_id)
        worker.send(signal.SIGKILL)
        await worker.died_of()
        died_s = time.monotonic()
        assert (await scene.made.move(move_id)).hold.paused_at is not None
        async with scene.working():
            await say(scene, move_holds.resume, move_id)
            await awaits_word(scene, move_id)
            await say(scene, move_holds.cut_over, move_id)
            moved = await scene.until_ended(move_id)
            assert moved.state is OperationState.DONE, moved.error
            undone = await scene.until_ended(await scene.begin_undoing(move_id))
            assert undone.state is OperationState.DONE, undone.error
    scene.assert_served_since(died_s)
    assert await scene.goal() == Goal(Tier.ROWS, "shared-1")
    assert await remains(scene.made) == []


async def test_a_worker_that_dies_at_a_held_move_is_followed_by_one_that_follows(
    scene: Scene,
) -> None:
    goal = Goal(Tier.SCHEMA, "shared-2")
    async with scene.busy():
        move_id = await scene.begin(goal)
        await say(scene, move_holds.hold, move_id)
        async with scene.working():
            await awaits_word(scene, move_id)
        await say(scene, move_holds.pause, move_id)
        await say(scene, move_holds.resume, move_id)
        died_s = await scene.kill("follow.round")
        async with scene.working():
            await awaits_word(scene, move_id)
            await say(scene, move_holds.cut_over, move_id)
            await scene.through(move_id)
    scene.assert_served_since(died_s)
    assert await scene.goal() == goal
    assert await remains(scene.made) == []
