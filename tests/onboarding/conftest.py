"""One world with one gateway for all tests of onboardings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateways import GatewayWorld, gateway_world
from tests.worlds import Clusters


@pytest.fixture(scope="package")
async def made(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GatewayWorld]:
    changes = {"archive_dir": str(tmp_path_factory.mktemp("archives"))}
    async with gateway_world(clusters, changes=changes) as built:
        yield built
