"""One world with one gateway for all tests of onboardings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateways import GatewayWorld, gateway_world
from tests.worlds import Clusters


@pytest.fixture(scope="package")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(clusters) as built:
        yield built
