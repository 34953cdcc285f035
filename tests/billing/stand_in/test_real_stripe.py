"""The same calls against Stripe itself, in test mode, for whoever has a key."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
import stripe

from tests.billing.stand_in.sdk_shapes import complaints
from tests.billing.stand_in.shop import DAY_S, sdk

KEY = os.environ.get("STEPWELL_TEST_STRIPE_KEY", "")
pytestmark = [
    pytest.mark.stripe,
    pytest.mark.skipif(
        not KEY.startswith("sk_test_"),
        reason="STEPWELL_TEST_STRIPE_KEY holds no key of Stripe's test mode",
    ),
]


@pytest_asyncio.fixture(loop_scope="session")
async def client() -> AsyncGenerator[stripe.StripeClient]:
    async with sdk(KEY, repeats=2) as client:
        yield client


def _items(subscription: stripe.Subscription) -> stripe.ListObject[stripe.SubscriptionItem]:
    items: stripe.ListObject[stripe.SubscriptionItem] = subscription["items"]
    return items


async def _price(client: stripe.StripeClient) -> str:
    product = await client.v1.products.create_async({"name": "Stepwell test"})
    price = await client.v1.prices.create_async(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 9_900,
            "recurring": {"interval": "month"},
        }
    )
    return price.id


async def test_a_subscription_is_bought_changed_and_canceled(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async(
        {
            "name": "Stepwell test",
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    price = await _price(client)
    try:
        held = await client.v1.subscriptions.create_async(
            {"customer": customer.id, "items": [{"price": price}]}
        )
        assert held.status == "active"
        assert not list(complaints(held.to_dict(), stripe.Subscription))
        canceling = await client.v1.subscriptions.update_async(
            held.id, {"cancel_at_period_end": True}
        )
        assert canceling.cancel_at == _items(canceling).data[0].current_period_end
    finally:
        await client.v1.customers.delete_async(customer.id)


async def test_a_card_that_fails_leaves_a_subscription_incomplete(
    client: stripe.StripeClient,
) -> None:
    customer = await client.v1.customers.create_async(
        {
            "payment_method": "pm_card_chargeCustomerFail",
            "invoice_settings": {"default_payment_method": "pm_card_chargeCustomerFail"},
        }
    )
    try:
        held = await client.v1.subscriptions.create_async(
            {"customer": customer.id, "items": [{"price": await _price(client)}]}
        )
        assert held.status == "incomplete"
    finally:
        await client.v1.customers.delete_async(customer.id)


async def test_a_trial_is_free(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async({"name": "Stepwell test"})
    try:
        held = await client.v1.subscriptions.create_async(
            {
                "customer": customer.id,
                "items": [{"price": await _price(client)}],
                "trial_period_days": 14,
            }
        )
        assert held.status == "trialing"
        assert held.trial_end == held.created + 14 * DAY_S
    finally:
        await client.v1.customers.delete_async(customer.id)


async def test_a_key_with_other_fields_is_an_idempotency_error(
    client: stripe.StripeClient,
) -> None:
    customer = await client.v1.customers.create_async({"name": "Stepwell test"})
    key = f"stepwell-test-{customer.id}"
    try:
        await client.v1.customers.update_async(customer.id, {"name": "A"}, {"idempotency_key": key})
        with pytest.raises(stripe.IdempotencyError):
            await client.v1.customers.update_async(
                customer.id, {"name": "B"}, {"idempotency_key": key}
            )
    finally:
        await client.v1.customers.delete_async(customer.id)
