"""Both providers, each with the world around it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.billing.provider.worlds import MemoryWorld, StripeWorld, World, stripe_world


@pytest.fixture(scope="module")
async def at_stripe() -> AsyncIterator[StripeWorld]:
    async with stripe_world() as made:
        yield made


@pytest.fixture(params=["memory", "stripe"])
def world(request: pytest.FixtureRequest) -> World:
    """Lend each provider in turn; the one at Stripe's is started when it is first asked for."""
    if request.param == "memory":
        return MemoryWorld()
    made = request.getfixturevalue("at_stripe")
    assert isinstance(made, StripeWorld)
    return made
