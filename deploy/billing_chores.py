"""What a worker does for billing: it heeds events, compares, reports usage, and looks at dates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from billing import overrides
from billing.metering import MeterPace, Reporter
from billing.price_list import listed_plans
from billing.sweep import Sweep
from billing.sync import Syncer
from billing.usage import ledger
from deploy.billing_figures import BillingFigures
from deploy.gauging import Gauging
from deploy.payments import policy_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prometheus_client import CollectorRegistry

    from billing.provider import Provider
    from deploy.platform import Platform


def billing_chores(
    platform: Platform, provider: Provider | None, registry: CollectorRegistry
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Name every chore; without a provider there is still usage to be counted and limited."""
    catalog, settings = platform.catalog, platform.settings
    figures = BillingFigures(registry)
    chores: dict[str, Callable[[], Awaitable[None]]] = {
        "limits that end": partial(overrides.keep_expiring, catalog),
        "months of usage": partial(ledger.keep_months, catalog),
        "storage": Gauging(platform).keep,
        "billing figures": partial(figures.keep, catalog),
    }
    if provider is None:
        return chores
    policy = policy_of(settings)
    pace = MeterPace(close_s=settings.meter_close_s, report_s=settings.meter_report_s)
    syncer = Syncer(catalog, provider, policy)
    sweep = Sweep(catalog, provider, policy, syncer)
    return {
        **chores,
        "accounts": syncer.keep,
        "comparison": partial(sweep.keep, figures.compared),
        "meters": Reporter(catalog, provider, listed_plans(), pace=pace).keep,
    }
