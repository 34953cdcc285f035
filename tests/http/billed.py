"""A gateway that sells, with a stand-in as its provider."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from deploy import payments
from tests.gateways import gateway_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.billing.stand_in.running import StandIn
    from tests.gateways import GatewayWorld
    from tests.worlds import Clusters


@contextlib.asynccontextmanager
async def billed_world(clusters: Clusters, stripe: StandIn) -> AsyncGenerator[GatewayWorld]:
    """Build it, with our prices at the provider; no event is delivered to it."""
    changes = {
        "stripe_api_key": stripe.api_key,
        "stripe_webhook_secret": stripe.webhook_secret,
        "stripe_api_base": stripe.url,
    }
    async with gateway_world(clusters, changes=changes) as built:
        provider = payments.make_provider(built.settings)
        assert provider is not None
        await payments.sync_prices(built.platform.catalog, provider)
        await provider.close()
        yield built
