"""The servers that all tests of one process share; each test builds a world of its own in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.stack.worlds import open_folder
from tests.worlds import Clusters, running_clusters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def clusters() -> AsyncGenerator[Clusters]:
    """Two PostgreSQL clusters, started when the first test asks for them."""
    with open_folder() as folder:
        async with running_clusters(Path(folder)) as running:
            yield running
