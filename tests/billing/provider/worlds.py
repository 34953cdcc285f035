"""The world around a provider: people who pay, cards that fail, time that passes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import stripe
from msgspec.structs import replace

from billing.price_list import listed_plans
from billing.provider import Provider
from billing.seen import Charge, SeenEvent
from billing.stripe_provider import StripeProvider, StripeSettings, make_stripe_provider
from tests.billing.memory_provider import MemoryProvider
from tests.billing.provider.answering import signature
from tests.billing.stand_in.running import StandIn, stand_in


class World(Protocol):
    """What a test does at the provider without our platform knowing."""

    @property
    def provider(self) -> Provider: ...

    async def pay(self, url: str) -> None:
        """Pay on the page that a checkout led to, with a card that is good."""
        ...

    async def set_card(self, customer_id: str, *, is_good: bool) -> None: ...

    async def delete(self, customer_id: str) -> None: ...

    async def customer_in_time(self) -> tuple[str, UUID]:
        """Make a customer whose time can be made to pass; returns it and its tenant."""
        ...

    async def subscribe(self, customer_id: str, key: str) -> str: ...

    async def pass_time(self, customer_id: str, by: timedelta) -> None: ...

    async def make_meter(self, name: str) -> None: ...

    async def counted(self, meter: str, customer_id: str) -> int: ...

    async def count(self) -> int:
        """Count the products and prices that there are."""
        ...

    async def break_down(self) -> None: ...

    async def mend(self) -> None: ...

    def signed(self, event: SeenEvent) -> tuple[bytes, dict[str, str]]: ...


class MemoryWorld:
    def __init__(self) -> None:
        self._memory = MemoryProvider()

    @property
    def provider(self) -> Provider:
        return self._memory

    async def pay(self, url: str) -> None:
        self._memory.pay(url)

    async def set_card(self, customer_id: str, *, is_good: bool) -> None:
        self._memory.set_card(customer_id, is_good=is_good)

    async def delete(self, customer_id: str) -> None:
        self._memory.delete(customer_id)

    async def customer_in_time(self) -> tuple[str, UUID]:
        tenant_id = uuid4()
        return self._memory.customer_of(tenant_id), tenant_id

    async def subscribe(self, customer_id: str, key: str) -> str:
        return self._memory.buy(customer_id, key)

    async def pass_time(self, customer_id: str, by: timedelta) -> None:
        del customer_id  # there is one time for all of them
        self._memory.pass_time(by)

    async def make_meter(self, name: str) -> None:
        del name  # it counts whatever it is told

    async def counted(self, meter: str, customer_id: str) -> int:
        return sum(
            usage.quantity
            for usage in self._memory.told.values()
            if (usage.meter, usage.customer_id) == (meter, customer_id)
        )

    async def count(self) -> int:
        return self._memory.prices_made

    async def break_down(self) -> None:
        self._memory.fail_next = 1_000

    async def mend(self) -> None:
        self._memory.fail_next = 0

    def signed(self, event: SeenEvent) -> tuple[bytes, dict[str, str]]:
        return self._memory.signed(event)


class StripeWorld:
    """Stripe's stand-in, a process of its own, reached as the people at Stripe's pages reach it."""

    def __init__(
        self, running: StandIn, provider: StripeProvider, http: stripe.HTTPXClient
    ) -> None:
        self._running = running
        self._provider = provider
        self._stripe = stripe.StripeClient(
            running.api_key,
            base_addresses={"api": running.url},
            http_client=http,
        ).v1
        self._clocks: dict[str, str] = {}

    @property
    def provider(self) -> Provider:
        return self._provider

    async def pay(self, url: str) -> None:
        assert "paid" in await self._running.pay(url)

    async def set_card(self, customer_id: str, *, is_good: bool) -> None:
        await self._running.card(customer_id, "good" if is_good else "fails")

    async def delete(self, customer_id: str) -> None:
        await self._stripe.customers.delete_async(customer_id)

    async def customer_in_time(self) -> tuple[str, UUID]:
        tenant_id = uuid4()
        now = int(datetime.now(UTC).timestamp())
        clock = await self._stripe.test_helpers.test_clocks.create_async({"frozen_time": now})
        customer = await self._stripe.customers.create_async(
            {
                "metadata": {"tenant": str(tenant_id)},
                "test_clock": clock.id,
                "payment_method": "pm_card_visa",
            }
        )
        self._clocks[customer.id] = clock.id
        return customer.id, tenant_id

    async def subscribe(self, customer_id: str, key: str) -> str:
        prices = await self._stripe.prices.list_async({"lookup_keys": [key]})
        made = await self._stripe.subscriptions.create_async(
            {"customer": customer_id, "items": [{"price": prices.data[0].id}]}
        )
        return made.id

    async def pass_time(self, customer_id: str, by: timedelta) -> None:
        clock_id = self._clocks[customer_id]
        clock = await self._stripe.test_helpers.test_clocks.retrieve_async(clock_id)
        await self._running.advance(clock_id, clock.frozen_time + int(by.total_seconds()))

    async def make_meter(self, name: str) -> None:
        pro = listed_plans()[1]
        metered = replace(
            pro.price[0], lookup_key=f"pro_{name}", charge=Charge.USAGE, amount=1, metric=name
        )
        await self._provider.list_prices([replace(pro, price=(*pro.price, metered))])

    async def counted(self, meter: str, customer_id: str) -> int:
        meters = await self._stripe.billing.meters.list_async({"limit": 100})
        (meter_id,) = [each.id for each in meters.data if each.event_name == meter]
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        sums = await self._stripe.billing.meters.event_summaries.list_async(
            meter_id,
            {
                "customer": customer_id,
                "start_time": int((today - timedelta(days=1)).timestamp()),
                "end_time": int((today + timedelta(days=1)).timestamp()),
            },
        )
        return round(sum(each.aggregated_value for each in sums.data))

    async def count(self) -> int:
        prices = await self._stripe.prices.list_async({"limit": 100})
        products = await self._stripe.products.list_async({"limit": 100})
        meters = await self._stripe.billing.meters.list_async({"limit": 100})
        return len(prices.data) + len(products.data) + len(meters.data)

    async def break_down(self) -> None:
        await self._running.faults(fail_api=1.0)

    async def mend(self) -> None:
        await self._running.faults()

    def signed(self, event: SeenEvent) -> tuple[bytes, dict[str, str]]:
        return event.payload.encode(), signature(event.payload, self._running.webhook_secret)


@asynccontextmanager
async def stripe_world() -> AsyncGenerator[StripeWorld]:
    async with stand_in() as running:
        http = stripe.HTTPXClient()
        provider = make_stripe_provider(
            StripeSettings(
                api_key=running.api_key,
                webhook_secrets=(running.webhook_secret,),
                api_base=running.url,
            )
        )
        try:
            # A shop is open before anybody comes to buy.
            await provider.list_prices(listed_plans())
            yield StripeWorld(running, provider, http)
        finally:
            await provider.close()
            await http.close_async()  # type: ignore[no-untyped-call]  # the SDK forgot its types
