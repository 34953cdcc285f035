"""The town of tests/accounts, and its people at their browsers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.accounts.people import Town
from tests.accounts.post_office import PostOffice, post_office
from tests.gateways import Customer, GatewayWorld, sign_up


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as opened:
        yield opened


@pytest.fixture
def town(made: GatewayWorld, office: PostOffice) -> Town:
    return Town(made, office)


@pytest.fixture(autouse=True)
async def calm(made: GatewayWorld) -> None:
    """Forget what was tried before: all tests are one source to the throttle."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute("DELETE FROM catalog.attempt")


@pytest.fixture
async def shop(made: GatewayWorld) -> Customer:
    """A tenant of the test's own: sessions end here, and seats fill."""
    return await sign_up(made.client)
