"""The provider border: everything that the platform asks of whoever takes the money.

An implementation knows one provider and nothing of tenants' rows; what it raises is ProviderFailed
(try again), ProviderRefused (the request is wrong) or, for a webhook, BadRequest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from billing.price_list import ListedPlan
from billing.seen import Line, Preview, Seen, SeenEvent, SeenInvoice, SeenPrice
from router.words import TenantId


class NewCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a customer is made for."""

    tenant_id: TenantId
    name: str
    email: str


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer is led to buy, and where the customer comes back to."""

    customer_id: str
    tenant_id: TenantId
    lines: tuple[Line, ...]
    success_url: str
    cancel_url: str
    trial_days: int | None = None


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A contract: an amount of its own for a product of the list, invoiced with net terms."""

    customer_id: str
    tenant_id: TenantId
    product_id: str
    currency: str
    amount: int
    interval: str
    net_days: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter is told, once counted however often it is told."""

    meter: str
    customer_id: str
    quantity: int
    identifier: str
    at: datetime


class Provider(Protocol):
    """One payment provider. Each ``key`` makes a repeated call the same call."""

    @property
    def name(self) -> str:
        """What its customers, prices and events are filed under."""
        ...

    async def make_customer(self, customer: NewCustomer, *, key: str) -> str:
        """Make a customer that bears its tenant's id; returns its id."""
        ...

    async def look(self, customer_id: str) -> Seen | None:
        """Ask for everything about a customer; None where there is no such customer."""
        ...

    def customers_since(self, at: datetime | None) -> AsyncIterator[str]:
        """Go through the customers that have a subscription of any status, or got one since."""
        ...

    def events_since(self, at: datetime) -> AsyncIterator[SeenEvent]:
        """Go through the events of late, oldest first."""
        ...

    def verify(self, body: bytes, headers: Mapping[str, str]) -> SeenEvent:
        """Read a webhook's body; raises BadRequest for what the provider didn't sign."""
        ...

    async def list_prices(self, plans: Sequence[ListedPlan]) -> tuple[SeenPrice, ...]:
        """Make the provider's products, prices and meters what the price list says."""
        ...

    async def checkout(self, purchase: Purchase, *, key: str) -> str:
        """Return the address of a page where the customer buys; earlier pages end by that."""
        ...

    async def portal(self, customer_id: str, *, return_url: str) -> str:
        """Return the address of a page where the customer changes, pays and cancels."""
        ...

    async def preview(
        self, subscription_id: str, lines: Sequence[Line], *, ends_trial: bool = False
    ) -> Preview:
        """Say what it would cost to have these lines instead."""
        ...

    async def change(self, subscription_id: str, lines: Sequence[Line], *, key: str) -> None:
        """Have these lines instead, once what is due for them is paid."""
        ...

    async def cancel(self, subscription_id: str, *, key: str) -> None:
        """End the subscription when what is paid for ends."""
        ...

    async def resume(self, subscription_id: str, *, key: str) -> None:
        """Take back a cancellation that is still to come."""
        ...

    async def agree(self, agreement: Agreement, *, key: str) -> SeenInvoice | None:
        """Begin a contract's subscription; returns its first invoice, when there is one already."""
        ...

    async def report(self, usage: Usage) -> None:
        """Tell a meter what was used."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
