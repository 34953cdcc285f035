"""One server for all these tests; each test has a catalog and a provider of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.billing.life.worlds import World, world_on
from tests.catalog.worlds import Server, server


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with server(tmp_path_factory.mktemp("billing")) as made:
        yield made


@pytest.fixture
async def world(running: Server) -> AsyncIterator[World]:
    """Lend a catalog with prices, a provider in memory and nobody yet."""
    async with world_on(running) as made:
        yield made
