"""A worker that does nothing but tell meters, until it is killed.

`python -m tests.billing.metering.sender CATALOG STRIPE KEY`
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from billing.metering import MeterPace, Reporter
from billing.stripe_provider import StripeSettings, make_stripe_provider
from router.catalog import Catalog
from router.connect import parse_dsn
from tests.billing.metering.books import metered_plans

#: Whoever is killed gives back what it had soon enough for a test.
PACE = MeterPace(retry_s=0.0, refused_s=0.0, lend_s=1.0)


async def send(dsn: str, api_base: str, api_key: str) -> None:
    catalog = Catalog(parse_dsn(dsn, name="catalog"))
    provider = make_stripe_provider(StripeSettings(api_key=api_key, api_base=api_base))
    reporter = Reporter(catalog, provider, metered_plans(), pace=PACE)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        await reporter.close_hours(datetime.now(UTC))
        await reporter.send()
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[1:]))
