"""One world with one gateway, whose small plan has single sign-on; a provider for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from router.words import Plan
from tests.gateways import Customer, GatewayWorld, gateway_world, sign_up
from tests.plans import roomy_plans
from tests.sso.provider import Provider, provider_on_loopback
from tests.worlds import Clusters


def plans() -> tuple[Plan, ...]:
    starter, *others = roomy_plans()
    assert starter.name == "starter"
    features = (*starter.limits.features, "single_sign_on")
    limits = msgspec.structs.replace(starter.limits, features=features, seats=100)
    return (msgspec.structs.replace(starter, limits=limits), *others)


@pytest.fixture(scope="package")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    changes = {"sign_on_private": "allow"}
    async with gateway_world(clusters, changes=changes, plans=plans()) as built:
        yield built


@pytest.fixture(autouse=True)
async def calm(made: GatewayWorld) -> None:
    """Forget what was tried before: all tests are one source to the throttle."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute("DELETE FROM catalog.attempt")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with provider_on_loopback() as opened:
        yield opened


@pytest.fixture
async def shop(made: GatewayWorld) -> Customer:
    """A tenant whose owner's address is proved."""
    owner = await sign_up(made.client)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", owner.email
        )
    return owner
