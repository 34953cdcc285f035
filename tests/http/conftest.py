"""One world with two gateways for all tests that don't break it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateways import Customer, GatewayWorld, gateway_world, sign_up
from tests.worlds import Clusters


@pytest.fixture(scope="session")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(clusters, gateways=2) as built:
        yield built


@pytest.fixture(scope="session")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client)
