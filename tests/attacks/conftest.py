"""One scene for all attacks, with and without a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.attacks.scene import plant
from tests.pooler.worlds import MISSING, PROGRAM, pooled_world
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.attacks.scene import Scene
    from tests.worlds import Clusters


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["direct", "pooled"])
async def scene(request: pytest.FixtureRequest, clusters: Clusters) -> AsyncGenerator[Scene]:
    if request.param == "direct":
        async with world(clusters) as made:
            yield await plant(made)
        return
    if PROGRAM is None:
        pytest.skip(MISSING)
    async with pooled_world(clusters) as made:
        yield await plant(made)
