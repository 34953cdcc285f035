"""One world for all controls: each of them closes the hole that it opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.controls.scene import Scene, scene

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(clusters: Clusters) -> AsyncGenerator[Scene]:
    async with scene(clusters) as built:
        yield built
