"""One catalog for the chains, one world with two gateways for staff's access."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router.catalog import Catalog
from tests.catalog.worlds import Server, catalog_on, server


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with server(tmp_path_factory.mktemp("trail")) as made:
        yield made


@pytest.fixture
async def catalog(running: Server) -> AsyncIterator[Catalog]:
    """Lend a catalog that the test may spoil."""
    async with catalog_on(running) as made:
        yield made
