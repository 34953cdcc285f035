"""One server with catalogs to spoil, and the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator

import pytest

from router.catalog import Catalog
from tests.catalog.worlds import Server, catalog_on, server
from tests.cli.teller import Teller
from tests.cli.worlds import telling


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with server(tmp_path_factory.mktemp("trail")) as made:
        yield made


@pytest.fixture
async def catalog(running: Server) -> AsyncIterator[Catalog]:
    """Lend a catalog that the test may spoil."""
    async with catalog_on(running) as made:
        yield made


@pytest.fixture(scope="session")
def teller() -> Generator[Teller]:
    with telling() as made:
        yield made
