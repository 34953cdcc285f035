"""One pooled world for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.pooler.worlds import MISSING, PROGRAM, pooled_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters, World


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def made(clusters: Clusters) -> AsyncGenerator[World]:
    if PROGRAM is None:
        pytest.skip(MISSING)
    async with pooled_world(clusters) as built:
        yield built
