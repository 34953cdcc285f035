"""Two gateways over the same servers, with a second place for shared tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.routes.moving import second_place
from tests.routes.stops import Roads
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters


@contextlib.asynccontextmanager
async def open_roads(clusters: Clusters) -> AsyncGenerator[Roads]:
    async with world(clusters) as mover, second_place(mover) as place:
        stale = mover.twin()
        yield Roads(mover=mover, stale=stale, place=place)
        await stale.sources.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def roads(clusters: Clusters) -> AsyncGenerator[Roads]:
    async with open_roads(clusters) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scratch(clusters: Clusters) -> AsyncGenerator[Roads]:
    """Roads whose gate the tests may break."""
    async with open_roads(clusters) as opened:
        yield opened
