"""Who takes the money in this process, as the settings say: Stripe, its stand-in, or nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing import prices
from billing.desk import Desk
from billing.policy import BillingPolicy
from billing.price_list import listed_plans
from billing.stripe_provider import STRIPE_ADDRESS, StripeSettings, make_stripe_provider
from deploy.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from billing.prices import PriceReport
    from billing.provider import Provider
    from deploy.settings import Settings
    from router.catalog import Catalog

_LOCAL = ("localhost", LOOPBACK, "[::1]")


def make_provider(settings: Settings) -> Provider | None:
    """Make the provider that the settings name; None where nothing is sold."""
    if settings.stripe_api_key is None:
        return None
    return make_stripe_provider(
        StripeSettings(
            api_key=settings.stripe_api_key,
            webhook_secrets=_listed(settings.stripe_webhook_secret),
            api_base=settings.stripe_api_base or STRIPE_ADDRESS,
            tolerance_s=settings.stripe_tolerance_s,
        )
    )


def make_desk(catalog: Catalog, provider: Provider | None, settings: Settings) -> Desk:
    """Make the front desk of a gateway."""
    return Desk(
        catalog,
        provider,
        policy_of(settings),
        listed=listed_plans(),
        site=site_of(settings.base_domain),
    )


def policy_of(settings: Settings) -> BillingPolicy:
    """Return the dates and paces that the settings give."""
    return BillingPolicy(
        grace_s=settings.billing_grace_s,
        notice_s=settings.billing_notice_s,
        reconcile_s=settings.billing_reconcile_s,
        look_back_s=settings.billing_look_back_s,
        give_up_s=settings.inbox_give_up_s,
    )


async def sync_prices(catalog: Catalog, provider: Provider) -> PriceReport:
    """Make the provider's products and prices what the price list says, and note their ids."""
    plans = listed_plans()
    seen = await provider.list_prices(plans)
    async with catalog.connection() as connection:
        return await prices.sync(connection, provider.name, plans, seen)


def site_of(base_domain: str) -> str:
    """Return the site's own address; only a machine of one's own is reached in the clear."""
    host = base_domain.rpartition(":")[0] or base_domain
    scheme = "http" if host in _LOCAL or host.endswith(".localhost") else "https"
    return f"{scheme}://{base_domain}"


def _listed(secrets: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in (secrets or "").split(",") if each.strip())
