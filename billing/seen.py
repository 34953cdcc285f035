"""What a payment provider says, in our words: nothing here is one provider's own."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from router.words import TenantId


class Charge(StrEnum):
    """What a price is charged for."""

    PLAN = "plan"
    SEAT = "seat"
    USAGE = "usage"


class Interval(StrEnum):
    """How often a price is charged."""

    MONTH = "month"
    YEAR = "year"


class SubscriptionStatus(StrEnum):
    """How a subscription stands, as Stripe spells it; other providers are translated to it."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    CANCELED = "canceled"


class SeenItem(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a subscription. ``quantity`` is None where the provider counts usage."""

    id: str
    price_id: str
    product_id: str
    lookup_key: str | None
    quantity: int | None


class SeenSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as the provider holds it now. ``period_end`` is when it is charged next."""

    id: str
    status: SubscriptionStatus
    items: tuple[SeenItem, ...]
    created_at: datetime
    period_start: datetime | None
    period_end: datetime | None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    trial_end: datetime | None = None
    is_collection_paused: bool = False
    is_invoiced: bool = False  # net terms: an invoice is sent instead of a card being charged


class SeenInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice. Amounts are in the currency's minor unit."""

    id: str
    status: str
    amount_due: int
    amount_paid: int
    currency: str
    created_at: datetime
    due_at: datetime | None
    #: Where its payer can look at it and pay.
    url: str | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the provider says of one customer and that we judge by."""

    customer_id: str
    is_deleted: bool
    tenant_id: TenantId | None  # whom we made this customer for, as its metadata say
    subscriptions: tuple[SeenSubscription, ...]
    #: The newest ones, newest first.
    invoices: tuple[SeenInvoice, ...]
    #: The provider's own now: it may run on a test clock.
    at: datetime


class SeenPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price as the provider holds it."""

    id: str
    product_id: str
    lookup_key: str


class SeenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event whose signature was found good. ``customer_id`` is None where it names none."""

    id: str
    type: str
    api_version: str | None
    created_at: datetime
    customer_id: str | None
    payload: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One price that is to be bought."""

    price_id: str
    quantity: int | None = 1


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a change would cost. Amounts are in minor units; a negative one is credited."""

    currency: str
    due_now: int
    next_invoice: int
    next_invoice_at: datetime | None
    lines: tuple[PreviewLine, ...]


class PreviewLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a preview, in the provider's words."""

    said: str
    amount: int
    is_proration: bool
