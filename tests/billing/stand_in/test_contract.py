"""Everything that the stand-in says, Stripe's own SDK has a name for."""

from __future__ import annotations

from typing import cast

import httpx
import pytest
import stripe

from deploy.stand_in.objects import API_VERSION
from tests.billing.stand_in.sdk_shapes import Document, class_of, complaints
from tests.billing.stand_in.shop import DAY_S, START, Shop

LISTED = (
    "customers",
    "products",
    "prices",
    "payment_methods",
    "subscriptions?status=all&expand[]=data.customer&expand[]=data.latest_invoice",
    "invoices",
    "invoiceitems",
    "checkout/sessions?expand[]=data.line_items",
    "webhook_endpoints",
    "billing/meters",
    "test_helpers/test_clocks",
)


async def _lived(shop: Shop) -> str:
    """Let a customer go through as much as there is: returns it."""
    v1, clock = shop.client.v1, await shop.clock()
    customer = await shop.customer(clock=clock)
    session = await shop.checkout(customer)
    assert session.url is not None
    await shop.running.pay(session.url)
    listed = await v1.subscriptions.list_async({"customer": customer})
    held = listed.data[0]
    item = shop.item(held).id
    await v1.subscriptions.update_async(held.id, {"items": [{"id": item, "quantity": 3}]})
    await shop.running.card(customer, "fails")
    await v1.subscriptions.update_async(
        held.id,
        {
            "items": [{"id": item, "price": shop.enterprise}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )
    await v1.subscriptions.update_async(
        held.id, {"pause_collection": {"behavior": "void", "resumes_at": START + 40 * DAY_S}}
    )
    await shop.running.advance(clock, START + 75 * DAY_S)
    await v1.webhook_endpoints.create_async(
        {"url": "http://127.0.0.1:1/", "enabled_events": ["invoiceitem.deleted"]}
    )
    await v1.billing.meters.create_async(
        {
            "display_name": "Calls",
            "event_name": f"calls_of_{customer}",
            "default_aggregation": {"formula": "sum"},
        }
    )
    await v1.subscriptions.cancel_async(held.id)
    return customer


async def test_every_key_and_value_exists_in_the_sdk(shop: Shop) -> None:
    await _lived(shop)
    wrong: set[str] = set()
    seen: set[str] = set()
    headers = {"Authorization": f"Bearer {shop.running.api_key}"}
    async with httpx.AsyncClient(base_url=shop.running.url, headers=headers) as http:
        for path in LISTED:
            answer = await http.get(f"/v1/{path}", params=None)
            for document in cast("list[Document]", answer.json()["data"]):
                name = str(document["object"])
                seen.add(name)
                wrong |= set(complaints(document, class_of(name)))
    assert not wrong
    assert len(seen) == len(LISTED)


async def test_every_event_exists_in_the_sdk(shop: Shop) -> None:
    customer = await _lived(shop)
    wrong: set[str] = set()
    types: set[str] = set()
    for event in await shop.events(customer):
        document = event.to_dict()
        thing = document["data"]["object"]
        types.add(event.type)
        wrong |= set(complaints(document, stripe.Event))
        wrong |= set(complaints(thing, class_of(thing["object"])))
        before = document["data"].get("previous_attributes")
        wrong |= set(complaints(before or {}, class_of(thing["object"])))
    assert not wrong
    assert types >= {
        "customer.created",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.updated",
        "checkout.session.completed",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.upcoming",
        "invoice.voided",
        "invoiceitem.created",
    }


async def test_pages_previews_and_meters_exist_in_the_sdk(shop: Shop) -> None:
    v1, customer = shop.client.v1, await shop.customer(card="pm_card_visa")
    held = await shop.subscribe(customer)
    preview = await v1.invoices.create_preview_async({"subscription": held.id})
    portal = await v1.billing_portal.sessions.create_async({"customer": customer})
    meter = await v1.billing.meters.create_async(
        {
            "display_name": "Rows",
            "event_name": "rows_of_contract",
            "default_aggregation": {"formula": "sum"},
        }
    )
    told = await v1.billing.meter_events.create_async(
        {
            "event_name": "rows_of_contract",
            "payload": {"stripe_customer_id": customer, "value": "7"},
        }
    )
    summaries = await v1.billing.meters.event_summaries.list_async(
        meter.id, {"customer": customer, "start_time": 0, "end_time": 4_000_000_000}
    )
    things: list[stripe.StripeObject] = [preview, portal, told, *summaries.data]
    for thing in things:
        assert not list(complaints(thing.to_dict(), type(thing)))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"id": "sub_1", "current_period_end": 1}, "Subscription.current_period_end isn't known"),
        ({"status": "alive"}, "Subscription.status is 'alive'"),
        ({"created": "today"}, "Subscription.created is 'today'"),
        ({"items": {"object": "list", "data": [{"seats": 1}]}}, "items.data[].seats isn't known"),
        ({"pause_collection": {"behavior": "wait"}}, "pause_collection.behavior is 'wait'"),
    ],
)
def test_a_key_or_a_value_of_our_own_invention_is_found(document: Document, said: str) -> None:
    assert any(said in found for found in complaints(document, stripe.Subscription))


def test_the_version_is_the_sdks_own() -> None:
    assert stripe.api_version == API_VERSION
