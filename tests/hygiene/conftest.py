"""A world with small pools, in which tenants meet on the same connections all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from router.pool import PoolLimits
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters, World

SMALL = PoolLimits(size_max=4, wait_s_max=20.0)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(clusters: Clusters) -> AsyncGenerator[World]:
    """The servers' side of a world; each test has a gateway of its own over it."""
    async with world(clusters) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def made(servers: World) -> AsyncGenerator[World]:
    """A gateway with pools of four."""
    gateway = servers.twin(limits=SMALL, connections_max=14)
    yield gateway
    await gateway.sources.close()
    assert gateway.sources.budget.open_count == 0
