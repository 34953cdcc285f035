"""The meters of a whole provider, over its official SDK and a process of its own."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from billing.metering import MeterPace, Reporter, Sent
from billing.provider import NewCustomer
from billing.stripe_provider import StripeProvider, StripeSettings, make_stripe_provider
from router.catalog import Catalog
from router.words import TenantId
from tests.billing.metering.books import (
    execute,
    fetchval,
    hours_ago,
    metered_plans,
    record,
    this_hour,
)
from tests.billing.stand_in.running import ROOT, StandIn, stand_in
from tests.catalog.worlds import add_tenant

ACCOUNT = "INSERT INTO catalog.billing (tenant_id, provider, customer_id) VALUES ($1, 'stripe', $2)"
AT_ONCE = MeterPace(retry_s=0.0, refused_s=0.0)


@pytest.fixture(scope="module")
async def stripe() -> AsyncIterator[StandIn]:
    async with stand_in() as started:
        yield started


@pytest.fixture
async def provider(stripe: StandIn) -> AsyncIterator[StripeProvider]:
    made = make_stripe_provider(StripeSettings(api_key=stripe.api_key, api_base=stripe.url))
    await made.list_prices(metered_plans())
    yield made
    await stripe.faults()
    await made.close()


async def make_customer(catalog: Catalog, provider: StripeProvider, tenant_id: TenantId) -> str:
    new = NewCustomer(tenant_id=tenant_id, name="Shop", email="owner@shop.example")
    customer_id = await provider.make_customer(new, key=f"customer:{tenant_id}")
    await execute(catalog, ACCOUNT, tenant_id, customer_id)
    return customer_id


async def counted(stripe: StandIn, customer_id: str) -> float:
    """What the provider's own meter says of a customer."""
    headers = {"Authorization": f"Bearer {stripe.api_key}"}
    async with httpx.AsyncClient(base_url=stripe.url, headers=headers, trust_env=False) as client:
        (meter,) = (await client.get("/v1/billing/meters")).raise_for_status().json()["data"]
        end = int(this_hour().timestamp()) + 3_600
        answer = await client.get(
            f"/v1/billing/meters/{meter['id']}/event_summaries",
            params={"customer": customer_id, "start_time": end - 30 * 86_400, "end_time": end},
        )
        (summary,) = answer.raise_for_status().json()["data"]
        return float(summary["aggregated_value"])


async def test_the_providers_meter_equals_the_ledger(
    catalog: Catalog, stripe: StandIn, provider: StripeProvider
) -> None:
    tenant = await add_tenant(catalog, "shop")
    customer_id = await make_customer(catalog, provider, tenant.id)
    for hours, quantity in ((5, 10), (4, 20), (3, 30)):
        await record(catalog, tenant.id, quantity, hours_ago(hours))
    reporter = Reporter(catalog, provider, metered_plans(), pace=AT_ONCE)
    await reporter.close_hours(datetime.now(UTC))
    assert await reporter.send() == Sent(sent=3)
    assert await counted(stripe, customer_id) == 60
    # Nobody marked them, as after a kill: they are sent again, and not counted again.
    await execute(catalog, "UPDATE catalog.meter_event SET sent_at = NULL, not_before = now()")
    assert await reporter.send() == Sent(sent=3)
    assert await counted(stripe, customer_id) == 60


async def test_a_provider_that_fails_half_of_the_time_counts_all_once(
    catalog: Catalog, stripe: StandIn, provider: StripeProvider
) -> None:
    tenant = await add_tenant(catalog, "shop")
    customer_id = await make_customer(catalog, provider, tenant.id)
    for hours in range(2, 12):
        await record(catalog, tenant.id, hours, hours_ago(hours))
    await stripe.faults(fail_api=0.4, nonsense=0.2, seed=7)
    reporter = Reporter(catalog, provider, metered_plans(), pace=AT_ONCE)
    await reporter.close_hours(datetime.now(UTC))
    for _ in range(40):
        await reporter.send()
        await execute(catalog, "UPDATE catalog.meter_event SET not_before = now()")
    await stripe.faults()
    await reporter.send()
    assert await counted(stripe, customer_id) == sum(range(2, 12))


async def test_meters_equal_the_ledger_however_often_a_worker_is_killed(
    catalog: Catalog, stripe: StandIn, provider: StripeProvider
) -> None:
    seed = random.randrange(10**6)
    draw, owed = random.Random(seed), dict[str, int]()
    for number in range(3):
        tenant = await add_tenant(catalog, f"shop-{number}")
        customer_id = await make_customer(catalog, provider, tenant.id)
        owed[customer_id] = 0
        for hours in range(2, 22):
            quantity = draw.randrange(1, 100)
            await record(catalog, tenant.id, quantity, hours_ago(hours))
            owed[customer_id] += quantity
    await stripe.faults(api_delay_ms=200)
    for _ in range(4):
        await kill_a_sender(catalog, stripe, after_s=0.15 + draw.random() * 0.15)
    await stripe.faults()
    unsent = "SELECT count(*) FROM catalog.meter_event WHERE sent_at IS NULL"
    assert await fetchval(catalog, f"{unsent} AND tried_at IS NOT NULL") != 0, f"seed {seed}"
    await execute(catalog, "UPDATE catalog.meter_event SET not_before = now()")
    reporter = Reporter(catalog, provider, metered_plans(), pace=AT_ONCE)
    assert (await reporter.send()).failed == 0
    assert {each: await counted(stripe, each) for each in owed} == owed, f"seed {seed}"
    assert await fetchval(catalog, unsent) == 0


async def kill_a_sender(catalog: Catalog, stripe: StandIn, *, after_s: float) -> None:
    """Run a worker of its own process, and kill it a moment after it began to send."""
    argv = ["-m", "tests.billing.metering.sender", catalog.address.dsn(), stripe.url]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, stripe.api_key, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        await asyncio.sleep(after_s)
    finally:
        process.kill()
        await process.wait()
