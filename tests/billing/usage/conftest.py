"""One PostgreSQL and one Valkey for these tests; each test has a catalog of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.stack.binaries import find_valkey
from router.catalog import Catalog
from tests.billing.usage.worlds import Valkey
from tests.catalog.worlds import Server, add_cluster, catalog_on, server


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with server(tmp_path_factory.mktemp("usage")) as made:
        yield made


@pytest.fixture
async def catalog(running: Server) -> AsyncIterator[Catalog]:
    async with catalog_on(running) as made:
        await add_cluster(made)
        yield made


@pytest.fixture
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Valkey]:
    program = find_valkey()
    if program is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    made = Valkey(tmp_path_factory.mktemp("valkey") / "data", program)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
