"""One server for all these tests, one catalog for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router.catalog import Catalog
from tests.catalog.worlds import Server, add_cluster, catalog_on, server


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with server(tmp_path_factory.mktemp("metering")) as made:
        yield made


@pytest.fixture
async def catalog(running: Server) -> AsyncIterator[Catalog]:
    async with catalog_on(running) as made:
        await add_cluster(made)
        yield made
