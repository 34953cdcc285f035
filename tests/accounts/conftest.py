"""One world with one gateway for people, their accounts and their mail."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.accounts.people import Town
from tests.accounts.post_office import PostOffice, post_office
from tests.gateways import Customer, GatewayWorld, gateway_world, sign_up
from tests.plans import roomy_plans
from tests.worlds import Clusters


@pytest.fixture(scope="package")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(clusters, plans=roomy_plans()) as built:
        yield built


@pytest.fixture(scope="package")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client)


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as opened:
        yield opened


@pytest.fixture(autouse=True)
async def calm(made: GatewayWorld) -> None:
    """Forget what was tried before: all tests are one source to the throttle."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute("DELETE FROM catalog.attempt")


@pytest.fixture
def town(made: GatewayWorld, office: PostOffice) -> Town:
    return Town(made, office)
