"""What a tenant notices of its subscription: overdue, read-only, paid again, unknown prices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import Response

from deploy.doctor import examine_catalog
from tests.billing.stand_in.running import StandIn, stand_in
from tests.billing.story import Dashboard
from tests.gateways import Customer, GatewayWorld, expect, ops, sign_up
from tests.http.billed import billed_world
from tests.worlds import Clusters

DAY_S = 86_400
HEARD_S_MAX = 30.0


@pytest.fixture(scope="module")
async def stripe() -> AsyncIterator[StandIn]:
    async with stand_in() as running:
        yield running


@pytest.fixture(scope="module")
async def dashboard(stripe: StandIn) -> AsyncIterator[Dashboard]:
    made = Dashboard(stripe)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def made(clusters: Clusters, stripe: StandIn) -> AsyncIterator[GatewayWorld]:
    async with billed_world(clusters, stripe) as built:
        yield built


async def billing(made: GatewayWorld, customer: Customer) -> dict[str, Any]:
    """Have the provider asked, and return what came of it."""
    expect(await made.client.post("/api/ops/billing/reconcile", headers=ops()), 200)
    return expect(await made.client.get("/api/billing", headers=customer.headers), 200)


async def buyer(made: GatewayWorld, stripe: StandIn) -> Customer:
    customer = await sign_up(made.client)
    answer = await made.client.post(
        "/api/billing/checkout", json={"plan": "pro"}, headers=customer.headers
    )
    await stripe.pay(expect(answer, 200)["url"])
    assert (await billing(made, customer))["plan"] == "pro"
    return customer


async def written(made: GatewayWorld, customer: Customer, status: int) -> Response:
    """Write until the gateway has heard what holds."""
    end = time.monotonic() + HEARD_S_MAX
    while True:
        answer = await made.client.post("/artists", json={"name": "X"}, headers=customer.headers)
        if answer.status_code == status:
            return answer
        assert time.monotonic() < end, answer.text
        await asyncio.sleep(0.05)


async def test_an_overdue_payment_ends_in_reading_alone_and_a_payment_ends_that(
    made: GatewayWorld, stripe: StandIn, dashboard: Dashboard
) -> None:
    await stripe.dunning_ends("past_due")
    clock = await stripe.clock_for_new_customers(int(time.time()))
    assert clock is not None
    shop = await buyer(made, stripe)
    bought = await billing(made, shop)
    end_s = await dashboard.period_end(bought["subscription"]["id"])
    await stripe.card(bought["customer_id"], "fails")
    await stripe.advance(clock, end_s + 2 * 3_600)
    shown = await billing(made, shop)
    assert (shown["plan"], shown["standing"]) == ("pro", "grace")
    assert shown["standing_reason"] == "payment_overdue"
    assert shown["notices"][0]["due_at"] == shown["standing_until"]
    await written(made, shop, 201)
    await stripe.advance(clock, end_s + 20 * DAY_S)
    shown = await billing(made, shop)
    assert (shown["plan"], shown["standing"]) == ("pro", "read_only")
    refused = expect(await written(made, shop, 402), 402)
    assert refused["code"] == "payment_required"
    expect(await made.client.get("/artists", headers=shop.headers), 200)
    own = expect(await made.client.get("/api/tenant", headers=shop.headers), 200)
    assert own["standing"] == "read_only"
    await stripe.card(bought["customer_id"], "good")
    answer = await made.client.post("/api/billing/portal", headers=shop.headers)
    invoice = next(each for each in shown["invoices"] if each["status"] == "open")
    paid = await stripe.press(expect(answer, 200)["url"], "pay", invoice=invoice["id"])
    assert paid.status_code < 400, paid.text
    shown = await billing(made, shop)
    assert (shown["standing"], shown["standing_until"], shown["notices"]) == ("good", None, [])
    await written(made, shop, 201)
    await stripe.clock_for_new_customers(None)


async def test_a_price_that_is_in_no_list_keeps_the_plan_and_is_named(
    made: GatewayWorld, stripe: StandIn, dashboard: Dashboard
) -> None:
    shop = await buyer(made, stripe)
    subscription = (await billing(made, shop))["subscription"]["id"]
    price = await dashboard.sell("Gold", "gold_monthly", amount=500)
    await dashboard.swap(subscription, "gold_monthly")
    shown = await billing(made, shop)
    assert (shown["plan"], shown["standing"]) == ("pro", "good")
    assert price in shown["problem"]
    async with made.platform.catalog.connection() as connection:
        found = await examine_catalog(connection)
    assert (shop.slug, "account-problem") in [(each.object, each.rule) for each in found]
    await dashboard.swap(subscription, "pro_monthly")
    assert (await billing(made, shop))["problem"] is None


async def test_a_deleted_customer_is_made_anew_by_the_next_checkout(
    made: GatewayWorld, stripe: StandIn, dashboard: Dashboard
) -> None:
    shop = await buyer(made, stripe)
    before = (await billing(made, shop))["customer_id"]
    await dashboard.delete(f"customers/{before}")
    shown = await billing(made, shop)
    assert shown["subscription"] is None
    answer = await made.client.post(
        "/api/billing/checkout", json={"plan": "pro"}, headers=shop.headers
    )
    await stripe.pay(expect(answer, 200)["url"])
    shown = await billing(made, shop)
    assert (shown["plan"], shown["subscription"]["status"]) == ("pro", "active")
    assert shown["customer_id"] != before
