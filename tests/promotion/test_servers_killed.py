"""A gateway, the source's server or the target's dies in the middle of a move: fsync is on here.

Whoever was connected to what died sees that; nothing acknowledged is lost, and the move comes
through, or turns back, by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from deploy.stack.ports import free_port
from router.catalog.operations import OperationState
from router.connect import connect, parse_dsn
from router.errors import DatabaseUnreachable
from router.words import Tier
from tests.gateways import client_of
from tests.promotion.killing import SEED, WRITERS, Goal, Scene, scene_of
from tests.promotion.traffic import Asked, Traffic
from tests.promotion.workers import Worker, program
from tests.stack.worlds import open_folder, postmaster
from tests.worlds import Clusters, running_clusters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from httpx import AsyncClient

    from deploy.stack.postgres import PostgresCluster

START_S_MAX = 30.0
#: From the moment in which the server answers again.
RESUMED_S_MAX = 20.0
#: How long the gateways may take to notice that it does.
NOTICED_S_MAX = 1.0
_HERE, _THERE = Goal(Tier.ROWS, "shared-1"), Goal(Tier.SCHEMA, "shared-2")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_clusters() -> AsyncGenerator[Clusters]:
    """Two servers of this module's own, which lose nothing when they die."""
    with open_folder() as folder:
        async with running_clusters(Path(folder), settings={}) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    own_clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Scene]:
    """One customer for all deaths of this module."""
    async with scene_of(own_clusters, tmp_path_factory.mktemp("workers")) as made:
        yield made


async def kill_server(cluster: PostgresCluster) -> None:
    """Kill a server, and wait until it answers again."""
    os.kill(postmaster(cluster.data), signal.SIGKILL)
    async with asyncio.timeout(START_S_MAX):
        while True:
            await asyncio.sleep(0.05)
            with contextlib.suppress(DatabaseUnreachable):
                connection = await connect(
                    parse_dsn(cluster.dsn(), name="the test"), purpose="test"
                )
                await connection.close()
                return


@pytest.mark.parametrize(
    ("point", "dying", "source"),
    [
        ("copy.chunk", "dedicated", _HERE),
        ("fence.target_committed", "dedicated", _HERE),
        ("copy.chunk", "dedicated", _THERE),
        ("fence.target_committed", "dedicated", _THERE),
        ("fence.decided", "dedicated", _THERE),
        ("follow.round", "shared", _HERE),
    ],
    ids=lambda value: value.tier.value if isinstance(value, Goal) else value,
)
async def test_a_move_comes_through_the_death_of_a_server(
    scene: Scene, own_clusters: Clusters, point: str, dying: str, source: Goal
) -> None:
    goal = _THERE if source == _HERE else _HERE
    await scene.come_to(source)
    killed_s = answers_s = time.monotonic()

    def forgiven(asked: Asked) -> bool:
        return asked.ended_s >= killed_s and asked.began_s <= answers_s + NOTICED_S_MAX

    async with scene.busy(forgiven):
        move_id = await scene.begin(goal)
        worker = await scene.worker(
            {"STEPWELL_FAULT_POINT": point, "STEPWELL_FAULT_SIGNAL": "stop"}
        )
        await worker.stands_still()
        killed_s = time.monotonic()
        dead = asyncio.ensure_future(kill_server(getattr(own_clusters, dying)))
        waking = asyncio.ensure_future(keep_awake(worker))
        await dead
        answers_s = time.monotonic()
        moved = await scene.until_ended(move_id)
        took_s = time.monotonic() - answers_s
        waking.cancel()
        assert moved.state in {OperationState.DONE, OperationState.FAILED}, moved.error
        await asyncio.sleep(NOTICED_S_MAX)
        await worker.stop()
    assert took_s <= RESUMED_S_MAX, f"the move needed {took_s:.1f} s after the server was back"
    assert await scene.goal() == (goal if moved.state is OperationState.DONE else source)
    if moved.state is OperationState.DONE:
        async with scene.working():
            await scene.through(move_id)


async def keep_awake(worker: Worker) -> None:
    """Wake a worker whenever it stands still: it comes by its point again."""
    while True:
        worker.send(signal.SIGCONT)
        await asyncio.sleep(0.02)


async def test_a_move_comes_through_the_death_of_a_gateway(scene: Scene, tmp_path: Path) -> None:
    source = await scene.goal()
    goal = _THERE if source == _HERE else _HERE
    async with (
        serving(scene, tmp_path / "first.log") as (first, one),
        serving(scene, tmp_path / "second.log") as (_, other),
    ):
        traffic = Traffic([one, other], scene.made.customer.key, writers=WRITERS, seed=SEED)
        async with traffic.flowing():
            move_id = await scene.begin(goal)
            worker = await scene.worker(
                {"STEPWELL_FAULT_POINT": "copy.chunk", "STEPWELL_FAULT_SIGNAL": "stop"}
            )
            await worker.stands_still()
            first.send(signal.SIGKILL)
            killed_s = time.monotonic()
            waking = asyncio.ensure_future(keep_awake(worker))
            moved = await scene.until_ended(move_id)
            waking.cancel()
            assert moved.state is OperationState.DONE, moved.error
            await worker.stop()
        failures = traffic.failures()
        assert {each.client for each in failures} == {0}, failures
        assert len(failures) <= 2 * WRITERS, "who was hung up on goes to the other one"
        assert traffic.silence_s(killed_s) <= 1.0
        assert await traffic.differences() == []
        async with scene.working():
            await scene.through(move_id)
    assert await scene.goal() == goal


@contextlib.asynccontextmanager
async def serving(scene: Scene, log: Path) -> AsyncGenerator[tuple[Worker, AsyncClient]]:
    """Run ``stepwell serve``, and wait until it answers."""
    port = free_port()
    settings = scene.made.made.settings
    async with (
        program(settings, {"STEPWELL_PORT": str(port)}, log, command="serve") as process,
        client_of(port) as client,
    ):
        async with asyncio.timeout(START_S_MAX):
            while True:
                assert not process.ended.done(), process.said()
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/readyz")).is_success:
                        break
                await asyncio.sleep(0.05)
        yield process, client
