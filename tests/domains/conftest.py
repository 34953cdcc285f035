"""One world whose gateway asks a name server of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.domains.name_server import NameServer, name_server
from tests.gateways import Customer, GatewayWorld, gateway_world, sign_up
from tests.plans import roomy_plans
from tests.worlds import Clusters


@pytest.fixture(scope="package")
async def names() -> AsyncIterator[NameServer]:
    async with name_server() as server:
        yield server


@pytest.fixture(scope="package")
async def made(clusters: Clusters, names: NameServer) -> AsyncIterator[GatewayWorld]:
    changes = {"dns_servers": names.address}
    async with gateway_world(clusters, changes=changes, plans=roomy_plans()) as built:
        yield built


@pytest.fixture(scope="package")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client, plan="pro")


@pytest.fixture(scope="package")
async def rival(made: GatewayWorld) -> Customer:
    return await sign_up(made.client, plan="pro")
