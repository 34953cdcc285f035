"""A worker dies before and after every durable step of a move, and another one goes on by itself.

Meanwhile people write through two gateways: no request of theirs fails, nothing that they were told
is lost, and nobody waits for longer than a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio

from promotion.faults import MOVE_POINTS
from router.words import Tier
from tests.promotion.killing import Goal, Scene, Way, draw, scene_of
from tests.promotion.remains import remains
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters

#: Where both ends are in one database, one gate turns; else one is left and another one opened.
_BOTH_WAYS: Final = tuple(
    point for point in MOVE_POINTS if point.startswith(("fence.", "flip.", "merge."))
)
_WAYS: Final = (
    *((point, Way.ANY) for point in MOVE_POINTS if point not in _BOTH_WAYS),
    *((point, way) for point in _BOTH_WAYS for way in (Way.ONE_DATABASE, Way.TWO_DATABASES)),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Scene]:
    """One customer for all deaths of this module."""
    async with scene_of(clusters, tmp_path_factory.mktemp("workers")) as made:
        yield made


@pytest.mark.parametrize("number", range(scaled(1)))
@pytest.mark.parametrize(("point", "way"), _WAYS)
async def test_a_move_whose_worker_dies_comes_through(
    scene: Scene, point: str, way: Way, number: int
) -> None:
    dice = scene.dice(point, way, number)
    source = await scene.goal()
    if way is Way.ONE_DATABASE and (source.tier is Tier.DATABASE or point.startswith("merge.")):
        source = Goal(Tier.SCHEMA, "shared-1")
        await scene.come_to(source)
    goal = draw(dice, source, point=point, way=way)
    async with scene.busy():
        move_id = await scene.begin(goal)
        died_s = await scene.kill(point)
        async with scene.working():
            await scene.through(move_id)
    scene.assert_served_since(died_s)
    assert await scene.goal() == goal
    assert await remains(scene.made) == []
