"""One server with catalogs to spoil, the command line, and gateways that staff have access by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator

import pytest

from router.catalog import Catalog
from router.words import Tier
from tests.catalog.worlds import Server, catalog_on, server
from tests.cli.teller import Teller
from tests.cli.worlds import telling
from tests.gateways import Customer, GatewayWorld, gateway_world, make_tenant, sign_up
from tests.plans import roomy_plans
from tests.trail.staffed import Colleague, hire
from tests.worlds import Clusters

SCRIBBLING = "tests.trail.scribbling:product"


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with server(tmp_path_factory.mktemp("trail")) as made:
        yield made


@pytest.fixture
async def catalog(running: Server) -> AsyncIterator[Catalog]:
    """Lend a catalog that the test may spoil."""
    async with catalog_on(running) as made:
        yield made


@pytest.fixture(scope="session")
def teller() -> Generator[Teller]:
    with telling() as made:
        yield made


@pytest.fixture(scope="package")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    """Lend two gateways whose product writes where it shouldn't."""
    async with gateway_world(
        clusters, product=SCRIBBLING, gateways=2, plans=roomy_plans()
    ) as built:
        yield built


@pytest.fixture(scope="package")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client)


@pytest.fixture(scope="package")
async def operator(made: GatewayWorld) -> Colleague:
    return await hire(made, "operator")


@pytest.fixture(scope="package")
async def second(made: GatewayWorld) -> Colleague:
    """Lend another operator: the second pair of eyes."""
    return await hire(made, "operator")


@pytest.fixture(scope="package")
async def observer(made: GatewayWorld) -> Colleague:
    return await hire(made, "observer")


@pytest.fixture(scope="package")
async def homes(made: GatewayWorld) -> dict[Tier, Customer]:
    """Lend a tenant in each tier to tests that write nothing there."""
    return {tier: await make_tenant(made, tier) for tier in Tier}
