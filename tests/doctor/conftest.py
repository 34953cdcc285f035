"""One ward for each module: what a test plants it also takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.doctor.plants import Ward, ward

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(clusters: Clusters) -> AsyncGenerator[Ward]:
    async with ward(clusters) as built:
        yield built
