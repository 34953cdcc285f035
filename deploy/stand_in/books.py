"""One call's view of the store: find, keep, tell. Whatever it does is one transaction."""

from __future__ import annotations

import time
from typing import TypeVar

import msgspec
from msgspec import Struct

from deploy.stand_in import faults
from deploy.stand_in.alarms import alarms, is_timed
from deploy.stand_in.objects import (
    CheckoutSession,
    Customer,
    Event,
    EventData,
    EventRequest,
    MeterReading,
    PaymentMethod,
    PortalSession,
    Price,
    Resource,
    TestClock,
    WebhookEndpoint,
)
from deploy.stand_in.problems import missing
from deploy.stand_in.store import Store
from deploy.stand_in.subscription_objects import Invoice, InvoiceItem, Subscription

R = TypeVar("R", bound=Resource)

NOBODY = EventRequest(id=None, idempotency_key=None)


class Books:
    """The store, a clock, and who asks."""

    def __init__(self, store: Store, *, url: str, request: EventRequest = NOBODY) -> None:
        self.store = store
        self.url = url
        self.request = request

    # Time ---------------------------------------------------------------------------------------

    def now(self, clock: str | None) -> int:
        """Return a test clock's time, or the real one."""
        if clock is None:
            return int(time.time())
        return self.get(TestClock, clock).frozen_time

    def clock_of(self, customer: str | None) -> str | None:
        """Return the test clock that a customer lives by."""
        if customer is None:
            return None
        found = self.store.find(Customer, customer)
        return None if found is None else found.test_clock

    # Things -------------------------------------------------------------------------------------

    def get(self, kind: type[R], id: str, *, param: str = "id") -> R:  # noqa: A002 - its name
        """Return a thing that must be there; raises Refused where it isn't."""
        found = self.store.find(kind, id)
        if found is None:
            raise missing(kind.__name__.lower(), id, param=param)
        return found

    def keep(self, thing: R) -> R:
        """Write a thing, filed under whom it belongs to."""
        self.store.keep(thing, owner=owner(thing))
        if is_timed(thing):
            clock = self._clock_of(thing)
            self.store.let_sleep(thing.id)
            for deed, at in alarms(thing, now=self.now(clock)).items():
                self.store.wake(thing.id, deed, at=at, clock=clock)
        return thing

    # Events -------------------------------------------------------------------------------------

    def tell(self, type: str, thing: Resource, *, before: Resource | None = None) -> Event:  # noqa: A002 - its name
        """Note an event about a thing as it is now, and whom it goes to."""
        document = shown(thing)
        data = EventData(
            object=document,
            previous_attributes=None if before is None else _changes(shown(before), document),
        )
        endpoints = [
            endpoint
            for endpoint in self.store.oldest(WebhookEndpoint)
            if endpoint.status == "enabled"
            and (type in endpoint.enabled_events or "*" in endpoint.enabled_events)
        ]
        event = self.keep(
            Event(
                id=self.store.fresh_id("evt_"),
                created=self.now(self._clock_of(thing)),
                data=data,
                pending_webhooks=len(endpoints),
                request=self.request,
                type=type,
            )
        )
        for endpoint in endpoints:
            for delay_s in faults.deliveries(faults.read(self.store), event.id + endpoint.id):
                self.store.send(event.id, endpoint.id, due_s=time.time() + delay_s)
        return event

    def tell_change(self, type: str, before: R, after: R) -> R:  # noqa: A002 - the word of Stripe
        """Keep a thing and tell of it, unless nothing about it has changed."""
        if before != after:
            self.keep(after)
            self.tell(type, after, before=before)
        return after

    def _clock_of(self, thing: Resource) -> str | None:
        match thing:
            case Customer() | Subscription() | Invoice() | InvoiceItem():
                return thing.test_clock
            case CheckoutSession() | PaymentMethod():
                return self.clock_of(thing.customer)
            case _:
                return None


def owner(thing: Resource) -> str:
    """Say under whom a thing is filed."""
    match thing:
        case Customer():
            return thing.test_clock or ""
        case Price():
            return thing.product
        case Subscription() | Invoice() | InvoiceItem() | MeterReading() | PortalSession():
            return thing.customer
        case CheckoutSession() | PaymentMethod():
            return thing.customer or ""
        case _:
            return ""


def shown(thing: Struct) -> dict[str, object]:
    """Return a thing as its document."""
    return msgspec.json.decode(msgspec.json.encode(thing), type=dict[str, object])


def _changes(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in before.items() if after.get(name) != value}
