"""One world for all tests of the contract: the newest server, the oldest one, and a pooler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from deploy.stack.binaries import find_postgres
from tests.pooler.worlds import MISSING, PROGRAM, pooled_world
from tests.stack.worlds import open_folder
from tests.worlds import World, running_clusters, world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters

OLDEST = Path("/usr/lib/postgresql/15/bin")


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["newest", "oldest", "pooled"]
)
async def made(request: pytest.FixtureRequest, clusters: Clusters) -> AsyncGenerator[World]:
    """A world with the demo product."""
    if request.param == "newest":
        async with world(clusters) as built:
            yield built
        return
    if request.param == "pooled":
        if PROGRAM is None:
            pytest.skip(MISSING)
        async with pooled_world(clusters) as built:
            yield built
        return
    if not OLDEST.joinpath("postgres").exists():
        pytest.skip("PostgreSQL 15 isn't installed in Debian's folder")
    with open_folder() as folder:
        binaries = find_postgres({"STEPWELL_POSTGRES_BIN": str(OLDEST)})
        async with running_clusters(Path(folder), binaries=binaries) as old, world(old) as built:
            yield built
