"""The official SDK pointed at a stand-in, with a few things on sale."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import msgspec
import stripe

from tests.billing.stand_in.running import StandIn

#: 14 November 2023, 22:13:20 UTC: a month of thirty days begins.
START = 1_700_000_000
DAY_S = 86_400
HOUR_S = 3_600
PAID = "https://shop.invalid/paid?session={CHECKOUT_SESSION_ID}"
LEFT = "https://shop.invalid/left"


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A client, and the ids of what it sells."""

    running: StandIn
    client: stripe.StripeClient
    pro: str
    pro_yearly: str
    enterprise: str

    async def clock(self, at: int = START) -> str:
        made = await self.client.v1.test_helpers.test_clocks.create_async({"frozen_time": at})
        return made.id

    async def customer(self, *, clock: str | None = None, card: str | None = None) -> str:
        params: stripe.params.CustomerCreateParams = {"name": "Acme", "email": "a@acme.invalid"}
        if clock is not None:
            params["test_clock"] = clock
        if card is not None:
            params["payment_method"] = card
            params["invoice_settings"] = {"default_payment_method": card}
        return (await self.client.v1.customers.create_async(params)).id

    async def subscribe(
        self, customer: str, price: str | None = None, **params: object
    ) -> stripe.Subscription:
        asked: stripe.params.SubscriptionCreateParams = {
            "customer": customer,
            "items": [{"price": price or self.pro}],
        }
        return await self.client.v1.subscriptions.create_async(asked | params)  # type: ignore[arg-type]  # a test's fields are checked by the stand-in

    def item(self, subscription: stripe.Subscription) -> stripe.SubscriptionItem:
        """A subscription's ``items`` are hidden by the SDK's own ``items()``."""
        items: stripe.ListObject[stripe.SubscriptionItem] = subscription["items"]
        return items.data[0]

    async def subscription(self, id: str) -> stripe.Subscription:  # noqa: A002 - the field's name
        return await self.client.v1.subscriptions.retrieve_async(id)

    async def invoices(self, customer: str) -> list[stripe.Invoice]:
        """The newest first."""
        return (await self.client.v1.invoices.list_async({"customer": customer})).data

    async def events(self, customer: str) -> list[stripe.Event]:
        """What was told of one customer, in the order in which it happened."""
        found = await self.client.v1.events.list_async({"limit": 100})
        of_customer = [
            event
            for event in found.data
            if event.data.object.to_dict().get("customer") == customer
            or event.data.object.to_dict().get("id") == customer
        ]
        return of_customer[::-1]

    async def checkout(
        self, customer: str, price: str | None = None, *, trial_days: int | None = None
    ) -> stripe.checkout.Session:
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "subscription",
            "customer": customer,
            "line_items": [{"price": price or self.pro, "quantity": 1}],
            "success_url": PAID,
            "cancel_url": LEFT,
            "client_reference_id": "the tenant",
            "subscription_data": {"metadata": {"tenant": "the tenant"}},
        }
        if trial_days is not None:
            params["subscription_data"] = {"trial_period_days": trial_days}
        return await self.client.v1.checkout.sessions.create_async(params)

    async def portal(self, customer: str) -> str:
        made = await self.client.v1.billing_portal.sessions.create_async(
            {"customer": customer, "return_url": LEFT}
        )
        return made.url


@contextlib.asynccontextmanager
async def sdk(
    key: str, *, base: str = "https://api.stripe.com", repeats: int = 0
) -> AsyncGenerator[stripe.StripeClient]:
    """Lend the SDK's client."""
    http = stripe.HTTPXClient(timeout=30)
    try:
        yield stripe.StripeClient(
            key, base_addresses={"api": base}, http_client=http, max_network_retries=repeats
        )
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]  # the SDK doesn't annotate it


@contextlib.asynccontextmanager
async def connected(running: StandIn, *, repeats: int = 0) -> AsyncGenerator[stripe.StripeClient]:
    """Lend a client of the stand-in; without the SDK's own repeats a test sees each answer."""
    async with sdk(running.api_key, base=running.url, repeats=repeats) as client:
        yield client


@contextlib.asynccontextmanager
async def opened(running: StandIn) -> AsyncGenerator[Shop]:
    """Open a shop that sells pro by the month and by the year, and enterprise."""
    async with connected(running) as client:
        yield Shop(
            running=running,
            client=client,
            pro=await _sold(client, "Pro", 9_900, "month"),
            pro_yearly=await _sold(client, "Pro", 99_000, "year"),
            enterprise=await _sold(client, "Enterprise", 150_000, "month"),
        )


async def _sold(client: stripe.StripeClient, name: str, amount: int, interval: str) -> str:
    product = await client.v1.products.create_async({"name": name})
    price = await client.v1.prices.create_async(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": amount,
            "recurring": {"interval": "year" if interval == "year" else "month"},
        }
    )
    return price.id
