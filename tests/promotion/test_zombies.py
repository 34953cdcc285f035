"""A worker stands still in the middle, another one finishes, and the first wakes: too late.

It must write nothing, decide nothing and say that it was superseded, also where the tenant has gone
on since to a place that the sleeper was about to erase.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from router.catalog.operations import OperationState
from router.words import Tier
from tests.promotion.killing import Goal, Scene, Way, draw, scene_of
from tests.promotion.remains import remains
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from tests.promotion.workers import Worker
    from tests.worlds import Clusters

#: Longer than a lease; `make soak` lets it sleep for half a minute.
SLEEP_S = min(30.0, 3.0 * scaled(1))
#: The server ends what stands still in the fence after 250 ms.
HELD_S_MAX = 0.6
_SAID_S_MAX = 20.0
_HOME = (
    "SELECT state, epoch, schema_name, place::text, capture, delay_ms FROM gate.home"
    " WHERE tenant_id = $1"
)
_MOVES = "SELECT move_id, token, data::text FROM gate.move WHERE tenant_id = $1 ORDER BY move_id"
_OPERATIONS = (
    "SELECT id, kind, state, step, data::text, fencing_token, attempts, error"
    " FROM catalog.operation WHERE tenant_id = $1 ORDER BY id"
)
_LOG = (
    "SELECT l.operation_id, l.position, l.note FROM catalog.operation_log AS l"
    " JOIN catalog.operation AS o ON o.id = l.operation_id WHERE o.tenant_id = $1"
    " ORDER BY l.operation_id, l.position"
)
_HOLD = "UPDATE catalog.operation SET lease_until = now() + $2::interval WHERE id = $1"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Scene]:
    """One customer for all sleepers of this module."""
    async with scene_of(clusters, tmp_path_factory.mktemp("workers")) as made:
        yield made


async def fall_asleep(scene: Scene, point: str) -> Worker:
    """Start a worker, and wait until it stands still at a point."""
    worker = await scene.worker({"STEPWELL_FAULT_POINT": point, "STEPWELL_FAULT_SIGNAL": "stop"})
    await worker.stands_still()
    return worker


async def wake_up(worker: Worker, operation_id: UUID) -> None:
    """Let a worker go on, and wait until it knows that another one has taken over."""
    worker.send(signal.SIGCONT)
    end_s = time.monotonic() + _SAID_S_MAX
    while not any(
        "operation_superseded" in line and str(operation_id) in line
        for line in worker.said().splitlines()
    ):
        assert time.monotonic() < end_s, worker.said()
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def written(scene: Scene) -> list[tuple[object, ...]]:
    """Read everything that movers write, in the catalog and in both shared databases."""
    platform, tenant_id = scene.made.made.platform, scene.made.customer.id
    found: list[tuple[object, ...]] = []
    async with platform.catalog.connection() as connection:
        for statement in (_OPERATIONS, _LOG):
            found += [tuple(row) for row in await connection.fetch(statement, tenant_id)]
    for name in ("shared-1", "shared-2"):
        cluster = platform.fleet.cluster(name)
        assert cluster.shared_database is not None
        async with platform.fleet.admin(name, cluster.shared_database) as connection:
            for statement in (_HOME, _MOVES):
                rows = await connection.fetch(statement, tenant_id)
                found += [(name, *row) for row in rows]
    return found


@contextlib.asynccontextmanager
async def nobodys(scene: Scene, operation_id: UUID) -> AsyncGenerator[None]:
    """Keep an operation whose worker died from whoever wakes: that one may well go on with it."""
    platform = scene.made.made.platform
    async with platform.catalog.connection() as connection:
        await connection.execute(_HOLD, operation_id, timedelta(minutes=5))
    yield
    async with platform.catalog.connection() as connection:
        await connection.execute(_HOLD, operation_id, timedelta())


@pytest.mark.parametrize(
    ("point", "way"),
    [
        ("prepare.before", Way.ANY),
        ("copy.chunk", Way.ANY),
        ("fence.locked", Way.ONE_DATABASE),
        ("fence.locked", Way.TWO_DATABASES),
        ("fence.target_committed", Way.ONE_DATABASE),
        ("fence.target_committed", Way.TWO_DATABASES),
        ("fence.decided", Way.ANY),
    ],
)
async def test_a_sleeper_writes_nothing_when_it_wakes(scene: Scene, point: str, way: Way) -> None:
    source = await scene.goal()
    if way is Way.ONE_DATABASE and source.tier is Tier.DATABASE:
        source = Goal(Tier.SCHEMA, "shared-1")
        await scene.come_to(source)
    goal = draw(scene.dice(point, way), source, point=point, way=way)
    async with scene.busy():
        move_id = await scene.begin(goal)
        sleeper = await fall_asleep(scene, point)
        slept_s = time.monotonic()
        async with scene.working():
            moved = await scene.until_ended(move_id)
            assert moved.state is OperationState.DONE, moved.error
            await asyncio.sleep(max(0.0, slept_s + SLEEP_S - time.monotonic()))
            before = await written(scene)
            await wake_up(sleeper, move_id)
            assert await written(scene) == before
            await sleeper.stop()
            await scene.through(move_id)
    scene.assert_served_since(slept_s, HELD_S_MAX if "fence" in point else None)
    assert await scene.goal() == goal
    assert await remains(scene.made) == []


async def test_a_sleeper_erases_nothing_of_a_tenant_that_came_back(scene: Scene) -> None:
    home, away = Goal(Tier.ROWS, "shared-1"), Goal(Tier.SCHEMA, "shared-1")
    await scene.come_to(home)
    async with scene.busy():
        async with scene.working():
            move_id = await scene.begin(away)
            await scene.until_ended(move_id)
        settling_id = await scene.begin_settling(move_id)
        sleeper = await fall_asleep(scene, "settle.batch")
        async with scene.working():
            settled = await scene.until_ended(settling_id)
            assert settled.state is OperationState.DONE, settled.error
            await scene.through(await scene.begin(home))
            before = await written(scene)
            await wake_up(sleeper, settling_id)
            assert await written(scene) == before
            await sleeper.stop()
    assert await scene.goal() == home
    assert await remains(scene.made) == []


@pytest.mark.parametrize("point", ["turn_back.before", "turn_back.asleep"])
async def test_a_sleeper_leaves_the_next_move_alone(scene: Scene, point: str) -> None:
    source = Goal(Tier.SCHEMA, "shared-1")
    await scene.come_to(source)
    goal = Goal(Tier.ROWS, "shared-2")
    async with scene.busy():
        first_id = await scene.begin(goal)
        await scene.kill("capture.after")
        await scene.cancel(first_id)
        sleeper = await fall_asleep(scene, point)
        async with scene.working():
            cancelled = await scene.until_ended(first_id)
        assert cancelled.state is OperationState.CANCELLED, cancelled.error
        next_id = await scene.begin(goal)
        await scene.kill("verify.after")
        async with nobodys(scene, next_id):
            before = await written(scene)
            await wake_up(sleeper, first_id)
            after = await written(scene)
        await sleeper.stop()
        assert [each for each in after if str(next_id) not in str(each)] == [
            each for each in before if str(next_id) not in str(each)
        ]
        async with scene.working():
            await scene.through(next_id)
    assert await scene.goal() == goal
    assert await remains(scene.made) == []
