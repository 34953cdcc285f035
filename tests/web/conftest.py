"""One world with one gateway for all tests of pages that need no real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.domains.name_server import NameServer, name_server
from tests.gateways import Customer, GatewayWorld, gateway_world, sign_up
from tests.plans import roomy_plans
from tests.web.surfing import Surfer
from tests.worlds import Clusters


@pytest.fixture(scope="package")
async def names() -> AsyncIterator[NameServer]:
    async with name_server() as server:
        yield server


@pytest.fixture(scope="package")
async def made(
    clusters: Clusters, names: NameServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GatewayWorld]:
    changes = {
        "dns_servers": names.address,
        "archive_dir": str(tmp_path_factory.mktemp("archives")),
    }
    async with gateway_world(clusters, changes=changes, plans=roomy_plans()) as built:
        yield built


@pytest.fixture(scope="package")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client)


@pytest.fixture
def surfer(made: GatewayWorld) -> Surfer:
    return Surfer(made.client)
