"""Stripe's objects, read into our words: pure, and proof against whatever Stripe may answer.

Each shape names only what we read of an object; what doesn't fit one is nonsense, and nonsense is
ProviderFailed: the tenant keeps what it has, and Stripe is asked again later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from billing.price_list import ListedPrice
from billing.seen import (
    Charge,
    Preview,
    PreviewLine,
    SeenEvent,
    SeenInvoice,
    SeenItem,
    SeenPrice,
    SeenSubscription,
    SubscriptionStatus,
)
from router.errors import BadRequest, ProviderFailed
from router.words import TenantId

#: What the metadata of a customer, and of what it buys, call our tenant.
TENANT_KEY = "tenant"

_Read = TypeVar("_Read")
# Printable, so that the catalog can hold it: PostgreSQL takes no NUL and no half of a surrogate.
Id: TypeAlias = Annotated[str, Meta(pattern=r"^[!-~]{1,255}\Z")]
_Time: TypeAlias = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # until the year 9999
_Amount: TypeAlias = Annotated[int, Meta(ge=-(2**53), le=2**53)]
_Currency: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z]{3}\Z")]


class _Named(msgspec.Struct, kw_only=True):
    """An object that is there whole, of which we only want the name."""

    id: Id


_Reference: TypeAlias = Id | _Named  # Stripe gives an id, or the object where it was expanded


class CustomerShape(msgspec.Struct, kw_only=True):
    """A customer, or what is left of a deleted one."""

    id: Id
    deleted: bool = False
    metadata: dict[str, str] | None = None
    test_clock: _Reference | None = None

    @property
    def tenant_id(self) -> TenantId | None:
        """The tenant that the customer was made for; None where somebody else made it."""
        try:
            return UUID((self.metadata or {}).get(TENANT_KEY, ""))
        except ValueError:
            return None

    @property
    def clock_id(self) -> str | None:
        """The test clock that the customer lives by."""
        return None if self.test_clock is None else _name(self.test_clock)


class ClockShape(msgspec.Struct, kw_only=True):
    """A test clock."""

    frozen_time: _Time

    @property
    def at(self) -> datetime:
        """What it shows."""
        return _time(self.frozen_time)


class PageShape(msgspec.Struct, kw_only=True):
    """One page of a list, its objects unread."""

    data: list[dict[str, object]]
    has_more: bool = False

    def last_id(self) -> str:
        """Return where the next page begins."""
        return read(self.data[-1], _Named).id if self.data else ""


class _Recurring(msgspec.Struct, kw_only=True):
    interval: str
    interval_count: int = 1
    usage_type: str = "licensed"
    meter: str | None = None


class WantedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a price of the list is to be. Stripe's prices never change: another one is made."""

    product_id: str
    currency: str
    amount: int
    interval: str
    usage_type: str
    meter_id: str | None

    def name(self) -> str:
        """Name everything that makes it this price and no other."""
        parts = (self.product_id, self.currency, self.amount, self.interval, self.usage_type)
        return "-".join([*(str(part) for part in parts), self.meter_id or "unmetered"])


def wanted(price: ListedPrice, product_id: str, meter_id: str | None) -> WantedPrice:
    """Say in Stripe's terms what a price of the list is to be."""
    is_metered = price.charge is Charge.USAGE
    return WantedPrice(
        product_id=product_id,
        currency=price.currency,
        amount=price.amount,
        interval=price.interval.value,
        usage_type="metered" if is_metered else "licensed",
        meter_id=meter_id if is_metered else None,
    )


class PriceShape(msgspec.Struct, kw_only=True):
    """A price."""

    id: Id
    product: _Reference
    lookup_key: Id | None = None
    currency: _Currency = "usd"
    unit_amount: _Amount | None = None
    recurring: _Recurring | None = None
    active: bool = True

    def is_as(self, wanted: WantedPrice) -> bool:
        """Whether it is on sale as the list says."""
        recurring = self.recurring
        if recurring is None or recurring.interval_count != 1 or not self.active:
            return False
        held = WantedPrice(
            product_id=self.product_id,
            currency=self.currency,
            amount=-1 if self.unit_amount is None else self.unit_amount,
            interval=recurring.interval,
            usage_type=recurring.usage_type,
            meter_id=recurring.meter,
        )
        return held == wanted

    @property
    def product_id(self) -> str:
        """What it is a price of."""
        return _name(self.product)

    def seen(self, lookup_key: str) -> SeenPrice:
        """Return it in our words."""
        return SeenPrice(id=self.id, product_id=self.product_id, lookup_key=lookup_key)


class ProductShape(msgspec.Struct, kw_only=True):
    """A product."""

    id: Id
    name: str = ""
    active: bool = True


class MeterShape(msgspec.Struct, kw_only=True):
    """A meter; ``event_name`` is what its events are filed under."""

    id: Id
    event_name: str


class AddressShape(msgspec.Struct, kw_only=True):
    """A checkout's or a portal's page."""

    url: Annotated[str, Meta(pattern=r"^https?://[!-~]{1,4000}\Z")]


class CheckoutShape(AddressShape, kw_only=True):
    """A checkout's page, with the session that it shows."""

    id: Id


class _Item(msgspec.Struct, kw_only=True):
    id: Id
    price: PriceShape
    quantity: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    current_period_start: _Time | None = None
    current_period_end: _Time | None = None

    def seen(self) -> SeenItem:
        return SeenItem(
            id=self.id,
            price_id=self.price.id,
            product_id=self.price.product_id,
            lookup_key=self.price.lookup_key,
            quantity=self.quantity,
        )


class ItemsShape(msgspec.Struct, kw_only=True):
    """A subscription's items, or the first of many."""

    data: list[_Item]
    has_more: bool = False


class SubscriptionShape(msgspec.Struct, kw_only=True):
    """A subscription. Its periods are its items'; older API versions kept one for all of them."""

    id: Id
    customer: _Reference
    status: SubscriptionStatus
    items: ItemsShape
    created: _Time
    currency: _Currency = "usd"
    collection_method: str | None = None
    cancel_at_period_end: bool = False
    cancel_at: _Time | None = None
    ended_at: _Time | None = None
    trial_end: _Time | None = None
    current_period_start: _Time | None = None
    current_period_end: _Time | None = None
    pause_collection: dict[str, object] | None = None
    latest_invoice: Id | InvoiceShape | None = None

    @property
    def customer_id(self) -> str:
        """Whose it is."""
        return _name(self.customer)

    @property
    def is_invoiced(self) -> bool:
        """Whether an invoice is sent instead of a card being charged."""
        return self.collection_method == "send_invoice"

    def period(self) -> tuple[datetime | None, datetime | None]:
        """Return the period that ends first: items may be charged by the month and by the year."""
        ends = [
            (item.current_period_end, item.current_period_start)
            for item in self.items.data
            if item.current_period_end is not None
        ]
        if ends:
            end, start = min(ends, key=lambda both: both[0])
            return _time_or_none(start), _time(end)
        return _time_or_none(self.current_period_start), _time_or_none(self.current_period_end)

    def seen(self) -> SeenSubscription:
        """Return it in our words."""
        start, end = self.period()
        cancel_at = _time_or_none(self.cancel_at)
        return SeenSubscription(
            id=self.id,
            status=self.status,
            items=tuple(item.seen() for item in self.items.data),
            created_at=_time(self.created),
            period_start=start,
            period_end=end,
            cancel_at=cancel_at or (end if self.cancel_at_period_end else None),
            ended_at=_time_or_none(self.ended_at),
            trial_end=_time_or_none(self.trial_end),
            is_collection_paused=self.pause_collection is not None,
            is_invoiced=self.is_invoiced,
        )


class InvoiceShape(msgspec.Struct, kw_only=True):
    """An invoice that exists."""

    id: Id
    currency: _Currency
    amount_due: _Amount
    created: _Time
    status: str | None = None
    amount_paid: _Amount = 0
    due_date: _Time | None = None
    hosted_invoice_url: str | None = None

    def seen(self) -> SeenInvoice:
        """Return it in our words."""
        return SeenInvoice(
            id=self.id,
            status=_printable(self.status or "draft"),
            amount_due=self.amount_due,
            amount_paid=self.amount_paid,
            currency=self.currency,
            created_at=_time(self.created),
            due_at=_time_or_none(self.due_date),
            url=None if self.hosted_invoice_url is None else _printable(self.hosted_invoice_url),
        )


class _Proration(msgspec.Struct, kw_only=True):
    proration: bool = False


class _LineParent(msgspec.Struct, kw_only=True):
    subscription_item_details: _Proration | None = None
    invoice_item_details: _Proration | None = None


class _Period(msgspec.Struct, kw_only=True):
    end: _Time


class _InvoiceLine(msgspec.Struct, kw_only=True):
    amount: _Amount
    description: str | None = None
    parent: _LineParent | None = None
    period: _Period | None = None

    def seen(self) -> PreviewLine:
        parent = self.parent or _LineParent()
        details = (parent.subscription_item_details, parent.invoice_item_details)
        return PreviewLine(
            said=_printable(self.description or ""),
            amount=self.amount,
            is_proration=any(detail is not None and detail.proration for detail in details),
        )


class _InvoiceLines(msgspec.Struct, kw_only=True):
    data: list[_InvoiceLine]


class PreviewShape(msgspec.Struct, kw_only=True):
    """An invoice that doesn't exist and never will."""

    currency: _Currency
    total: _Amount
    amount_due: _Amount
    lines: _InvoiceLines

    def seen(
        self, *, regular: PreviewShape, is_trial_over: bool, period_end: datetime | None
    ) -> Preview:
        """Return it in our words, beside the invoice that comes without proration.

        Where a change brings no invoice at once, Stripe previews the next one: nothing is due now.
        """
        lines = tuple(line.seen() for line in self.lines.data)
        if not is_trial_over and not any(line.is_proration for line in lines):
            return Preview(
                currency=self.currency,
                due_now=0,
                next_invoice=regular.total,
                next_invoice_at=period_end,
                lines=(),
            )
        # The last period that is charged now ends when the next invoice is due.
        ends = [line.period.end for line in self.lines.data if line.period is not None]
        return Preview(
            currency=self.currency,
            # What is owed to the customer isn't paid out: it is credited against what comes.
            due_now=min(self.total, 0) or self.amount_due,
            next_invoice=regular.total,
            next_invoice_at=_time(max(ends)) if ends else period_end,
            lines=lines,
        )


class _EventData(msgspec.Struct, kw_only=True):
    thing: dict[str, object] | None = msgspec.field(name="object", default=None)


class _Event(msgspec.Struct, kw_only=True):
    """An event of any type and version; a thin one says its time as text."""

    id: Id
    type: Id
    created: _Time | Annotated[datetime, Meta(tz=True)]
    api_version: Id | None = None
    data: _EventData | None = None

    def seen(self, payload: str) -> SeenEvent:
        created = self.created
        return SeenEvent(
            id=self.id,
            type=self.type,
            api_version=self.api_version,
            created_at=_time(created) if isinstance(created, int) else created.astimezone(UTC),
            customer_id=_customer_of((self.data and self.data.thing) or {}),
            payload=payload,
        )


def read(answer: object, shape: type[_Read]) -> _Read:
    """Read what Stripe answered as this shape; raises ProviderFailed where it isn't one."""
    try:
        return msgspec.convert(answer, shape)
    except (msgspec.ValidationError, OverflowError, ValueError) as error:
        said = str(error).encode("ascii", "backslashreplace").decode()[:200]
        raise ProviderFailed(
            f"Stripe's answer can't be read, nothing was changed: {said}"
        ) from None


def read_event(event: Mapping[str, object]) -> SeenEvent:
    """Read an event that Stripe listed."""
    try:
        payload = json.dumps(event, ensure_ascii=True, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError):
        raise ProviderFailed(
            "Stripe listed an event that is no JSON, nothing was changed"
        ) from None
    try:
        return read(event, _Event).seen(payload)
    except OverflowError:
        raise ProviderFailed("Stripe listed an event of no year that there is") from None


def read_signed_event(body: bytes) -> SeenEvent:
    """Read a webhook's body whose signature was found good; raises BadRequest for nonsense."""
    try:
        return msgspec.json.decode(body, type=_Event).seen(body.decode())
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        raise BadRequest("the webhook is signed, but it holds no event that can be read") from None


def _customer_of(thing: Mapping[str, object]) -> str | None:
    """Find whom an event is about, in an object of any kind."""
    whom = thing.get("id") if thing.get("object") == "customer" else thing.get("customer")
    try:
        return _name(msgspec.convert(whom, _Reference))
    except msgspec.ValidationError:
        return None


def _name(reference: _Reference) -> str:
    return reference.id if isinstance(reference, _Named) else reference


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time_or_none(seconds: int | None) -> datetime | None:
    return None if seconds is None else _time(seconds)


def _printable(text: str) -> str:
    """Leave out what the catalog can't hold: NUL, and halves of surrogates."""
    return text.encode("utf-8", "ignore").decode().replace("\0", "")
