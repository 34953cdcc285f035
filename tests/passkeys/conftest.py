"""One world with one gateway for all passkeys."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateways import Customer, GatewayWorld, gateway_world, sign_up
from tests.plans import roomy_plans
from tests.worlds import Clusters


@pytest.fixture(scope="package")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(clusters, plans=roomy_plans()) as built:
        yield built


@pytest.fixture(autouse=True)
async def calm(made: GatewayWorld) -> None:
    """Forget what was tried before: all tests are one source to the throttle."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute("DELETE FROM catalog.attempt")


@pytest.fixture
async def person(made: GatewayWorld) -> Customer:
    """Somebody whose address is proved."""
    made_now = await sign_up(made.client)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", made_now.email
        )
    return made_now
