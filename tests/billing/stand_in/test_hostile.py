"""Whatever is sent, the stand-in answers, and never with a 5xx of its own."""

from __future__ import annotations

import random

import httpx
import pytest

from tests.billing.stand_in.running import StandIn
from tests.billing.stand_in.shop import Shop

BODIES = (
    b"a" * 2_000_000,
    b"name=" + b"x" * 6_000,
    b"\xff\xfe=\x00",
    b"name=%ff%fe",
    b"name=%00",
    b"name[a]=1&name=2",
    b"name=1&name[a]=2",
    b"[]=1",
    b"a[[b]]=1",
    b"a]=1&[=2",
    b"metadata" + b"[x]" * 500 + b"=1",
    b"&".join(b"metadata[k%d]=v" % number for number in range(3_000)),
    b"expand[]=" + b"a." * 400 + b"b",
    b"expand=customer",
    b"metadata=x",
    b"%",
    b"=&=&&&",
    b"balance=99999999999999999999999",
    b"balance=1e5",
    b"balance=%D9%A1",
    b"test_clock[]=1",
    b"invoice_settings[default_payment_method][x]=y",
    '{"name": "JSON"}'.encode("utf-16"),
)
PATHS = (
    "customers",
    "subscriptions",
    "prices",
    "products",
    "checkout/sessions",
    "billing_portal/sessions",
    "invoices/create_preview",
    "test_helpers/test_clocks",
    "billing/meters",
    "billing/meter_events",
    "webhook_endpoints",
    "invoiceitems",
    "subscription_items",
    "nothing/of/the/kind",
    "customers//",
    "customers/..%2f..%2fetc",
)


@pytest.mark.parametrize("path", PATHS)
async def test_a_hostile_body_is_refused(running: StandIn, path: str) -> None:
    headers = {"Authorization": f"Bearer {running.api_key}"}
    async with httpx.AsyncClient(
        base_url=running.url, headers=headers, timeout=30, trust_env=False
    ) as http:
        for body in BODIES:
            answer = await http.post(f"/v1/{path}", content=body)
            assert answer.status_code < 500, (body[:60], answer.text)
            if answer.status_code >= 400:
                assert answer.json()["error"]["message"]


async def test_random_fields_and_values_are_answered(shop: Shop) -> None:
    customer = await shop.customer(card="pm_card_visa")
    held = await shop.subscribe(customer)
    chance = random.Random(17)
    names = (
        "items[0][price]", "items[0][id]", "items[0][quantity]", "items[0][deleted]",
        "trial_end", "cancel_at", "cancel_at_period_end", "proration_behavior",
        "proration_date", "payment_behavior", "billing_cycle_anchor", "collection_method",
        "days_until_due", "pause_collection[behavior]", "pause_collection", "metadata[a]",
        "default_payment_method", "trial_period_days", "items[1][price]",
        "items[0][price_data][currency]", "items[0][price_data][unit_amount_decimal]",
    )  # fmt: skip
    values = (
        "", "0", "1", "-1", "now", "true", "false", "4102444800", "999999999999", "always_invoice",
        "none", "pending_if_incomplete", "error_if_incomplete", "send_invoice", "void", "1.5",
        shop.pro, shop.pro_yearly, shop.enterprise, shop.item(held).id, "pm_card_visa",
        "usd", "\U0001f4a5",
        "pm_card_chargeCustomerFail", "2000000000",
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {shop.running.api_key}"}
    async with httpx.AsyncClient(
        base_url=shop.running.url, headers=headers, timeout=30, trust_env=False
    ) as http:
        for _ in range(100):
            fields = {
                chance.choice(names): chance.choice(values) for _ in range(chance.randint(1, 4))
            }
            for path in (f"subscriptions/{held.id}", "subscriptions"):
                data = fields if path != "subscriptions" else {**fields, "customer": customer}
                answer = await http.post(f"/v1/{path}", data=data)
                assert answer.status_code < 500, (fields, answer.text)


async def test_a_page_shows_what_was_written_as_text(shop: Shop) -> None:
    product = await shop.client.v1.products.create_async({"name": "<script>alert(1)</script>"})
    price = await shop.client.v1.prices.create_async(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 1,
            "recurring": {"interval": "month"},
        }
    )
    session = await shop.checkout(await shop.customer(), price.id)
    assert session.url is not None
    async with httpx.AsyncClient(trust_env=False) as http:
        page = await http.get(session.url)
        nobody = await http.get(f"{shop.running.url}/pay/cs_test_nobody")
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert nobody.status_code == 404
