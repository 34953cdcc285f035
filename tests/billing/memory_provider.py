"""A whole payment provider in one object: it proves the border, and plays the world in tests."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from billing.price_list import ListedPlan, ListedPrice, listed_plans
from billing.provider import Agreement, NewCustomer, Purchase, Usage
from billing.seen import (
    Charge,
    Interval,
    Line,
    Preview,
    PreviewLine,
    Seen,
    SeenEvent,
    SeenInvoice,
    SeenItem,
    SeenPrice,
    SeenSubscription,
    SubscriptionStatus,
)
from router.errors import BadRequest, ProviderFailed, ProviderRefused
from router.words import TenantId

_LENGTH = {Interval.MONTH: timedelta(days=30), Interval.YEAR: timedelta(days=365)}
_ENDED = {SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED}
_OWED = {SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.INCOMPLETE}


class _Customer(msgspec.Struct, kw_only=True):
    tenant_id: TenantId | None
    is_deleted: bool = False
    is_card_good: bool = True
    subscriptions: list[str] = []
    invoices: list[SeenInvoice] = []


class _Price(NamedTuple):
    seen: SeenPrice
    listed: ListedPrice


class MemoryProvider:
    """``now`` is its clock. The next ``fail_next`` calls fail, and each one takes ``delay_s``."""

    name = "memory"

    def __init__(self, *, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC).replace(microsecond=0)
        self.secret = "memory-secret"
        self.fail_next = 0
        self.delay_s = 0.0
        self.calls = 0
        self.told: dict[str, Usage] = {}
        self._customers: dict[str, _Customer] = {}
        self._subscriptions: dict[str, tuple[str, SeenSubscription]] = {}
        self._prices: list[_Price] = []  # the last one of a lookup key is the current one
        self._made: dict[str, str] = {}  # by idempotency key
        self._carts: dict[str, Purchase] = {}
        self._events: list[SeenEvent] = []
        self._count = 0
        self._list(listed_plans())

    # ── The world: what people do at the provider, and time ──────────────────────────────────────

    def events(self) -> tuple[SeenEvent, ...]:
        """Every event until now, oldest first: a test delivers them as it likes."""
        return tuple(self._events)

    def signed(self, event: SeenEvent) -> tuple[bytes, dict[str, str]]:
        """Return an event's delivery: a body and headers that verify() takes."""
        body = event.payload.encode()
        return body, {"memory-signature": self._signature(body)}

    def price(self, name: str) -> SeenPrice:
        """Find a price by its id, or the current one of a lookup key."""
        return self._price(name).seen

    @property
    def prices_made(self) -> int:
        return len(self._prices)

    def strange_customer(self) -> str:
        """Make a customer that bears no tenant's id."""
        return self._new_customer(None)

    def customer_of(self, tenant_id: TenantId) -> str:
        """Make a customer as somebody else could: no call, no key."""
        return self._new_customer(tenant_id)

    def set_card(self, customer_id: str, *, is_good: bool) -> None:
        self._customers[customer_id].is_card_good = is_good

    def buy(
        self,
        customer_id: str,
        *prices: str,
        status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
        trial_days: int | None = None,
    ) -> str:
        """Begin a subscription to these prices (ids or lookup keys); returns its id."""
        made = SeenSubscription(
            id=self._next("sub"),
            status=SubscriptionStatus.TRIALING if trial_days else status,
            items=self._items(Line(price_id=self.price(name).id) for name in prices),
            created_at=self.now,
            period_start=self.now,
            period_end=self.now + _LENGTH[self._price(prices[0]).listed.interval],
        )
        if trial_days:
            end = self.now + timedelta(days=trial_days)
            made = replace(made, trial_end=end, period_end=end)
        self._customers[customer_id].subscriptions.append(made.id)
        self._bill(customer_id, made)
        return self._put(customer_id, made, "created")

    def swap(self, subscription_id: str, *prices: str) -> None:
        """Have these prices instead, as the provider's own pages would."""
        items = self._items(Line(price_id=self.price(name).id) for name in prices)
        customer_id, found = self._found(subscription_id)
        self._put(customer_id, replace(found, items=items), "updated")

    def set_status(self, subscription_id: str, status: SubscriptionStatus) -> None:
        """Have a payment fail or arrive, a trial end, a subscription pause, end or go on."""
        customer_id, found = self._subscriptions[subscription_id]
        ended_at = self.now if status in _ENDED else None
        changed = replace(found, status=status, ended_at=ended_at)
        self._bill(customer_id, changed)
        self._put(customer_id, changed, "deleted" if ended_at else "updated")

    def cancel_at(self, subscription_id: str, at: datetime | None) -> None:
        customer_id, found = self._found(subscription_id)
        self._put(customer_id, replace(found, cancel_at=at), "updated")

    def pause_collection(self, subscription_id: str, *, is_paused: bool) -> None:
        customer_id, found = self._found(subscription_id)
        self._put(customer_id, replace(found, is_collection_paused=is_paused), "updated")

    def delete(self, customer_id: str) -> None:
        """Delete a customer with all its subscriptions."""
        for key in self._customers[customer_id].subscriptions:
            if self._subscriptions[key][1].status not in _ENDED:
                self.set_status(key, SubscriptionStatus.CANCELED)
        self._customers[customer_id].is_deleted = True
        self._tell("customer.deleted", customer_id)

    def pay(self, url: str) -> str:
        """Buy what a checkout's page offers; returns the subscription."""
        cart = self._carts[url]
        names = [line.price_id for line in cart.lines]
        made = self.buy(cart.customer_id, *names, trial_days=cart.trial_days)
        customer_id, found = self._found(made)
        return self._put(customer_id, replace(found, items=self._items(cart.lines)), "updated")

    def pass_time(self, by: timedelta) -> None:
        """Let time pass: periods and trials end, and what is due is charged."""
        self.now += by
        for key, (customer_id, found) in list(self._subscriptions.items()):
            if found.status in _ENDED:
                continue
            if found.cancel_at is not None and found.cancel_at <= self.now:
                self.set_status(key, SubscriptionStatus.CANCELED)
            elif found.period_end is not None and found.period_end <= self.now:
                self._renew(customer_id, found, found.period_end)

    # ── The border ───────────────────────────────────────────────────────────────────────────────

    async def make_customer(self, customer: NewCustomer, *, key: str) -> str:
        await self._called()
        if key not in self._made:
            self._made[key] = self._new_customer(customer.tenant_id)
        return self._made[key]

    async def look(self, customer_id: str) -> Seen | None:
        await self._called()
        if (found := self._customers.get(customer_id)) is None:
            return None
        return Seen(
            customer_id=customer_id,
            is_deleted=found.is_deleted,
            tenant_id=found.tenant_id,
            subscriptions=tuple(self._subscriptions[key][1] for key in found.subscriptions),
            invoices=tuple(reversed(found.invoices[-10:])),
            at=self.now,
        )

    async def customers_since(self, at: datetime | None) -> AsyncIterator[str]:
        await self._called()
        for customer_id, found in list(self._customers.items()):
            made = [self._subscriptions[key][1].created_at for key in found.subscriptions]
            if any(at is None or when >= at for when in made):
                yield customer_id

    async def events_since(self, at: datetime) -> AsyncIterator[SeenEvent]:
        await self._called()
        for event in self.events():
            if event.created_at >= at:
                yield event

    def verify(self, body: bytes, headers: Mapping[str, str]) -> SeenEvent:
        given = headers.get("memory-signature", "").encode()
        if not hmac.compare_digest(given, self._signature(body).encode()):
            raise BadRequest("the webhook isn't signed with our secret")
        named = msgspec.json.decode(body, type=dict[str, str])
        return next(event for event in self._events if event.id == named["id"])

    async def list_prices(self, plans: Sequence[ListedPlan]) -> tuple[SeenPrice, ...]:
        await self._called()
        return self._list(plans)

    async def checkout(self, purchase: Purchase, *, key: str) -> str:
        await self._called()
        url = self._made.setdefault(key, f"https://memory.invalid/pay/{self._next('cart')}")
        others = {each.customer_id: page for page, each in self._carts.items() if page != url}
        self._carts.pop(others.get(purchase.customer_id, ""), None)
        self._carts[url] = purchase
        return url

    async def portal(self, customer_id: str, *, return_url: str) -> str:
        await self._called()
        if customer_id not in self._customers:
            raise ProviderRefused(f"there is no customer {customer_id}")
        return f"https://memory.invalid/portal/{customer_id}?back={return_url}"

    async def preview(
        self, subscription_id: str, lines: Sequence[Line], *, ends_trial: bool = False
    ) -> Preview:
        await self._called()
        _, found = self._found(subscription_id)
        assert found.period_start is not None
        assert found.period_end is not None
        left = (found.period_end - self.now) / (found.period_end - found.period_start)
        whole = self._sum(self._items(lines))
        amounts = (-round(self._sum(found.items) * left), round(whole * left))
        if found.status is SubscriptionStatus.TRIALING:
            amounts = (0, whole if ends_trial else 0)
        said = ("Unused time", "Remaining time")
        return Preview(
            currency="usd",
            due_now=sum(amounts),
            next_invoice=whole,
            next_invoice_at=found.period_end,
            lines=tuple(
                PreviewLine(said=text, amount=amount, is_proration=True)
                for text, amount in zip(said, amounts, strict=True)
            ),
        )

    async def change(self, subscription_id: str, lines: Sequence[Line], *, key: str) -> None:
        await self._called()
        customer_id, found = self._found(subscription_id)
        items = self._items(lines)
        is_due = self._sum(items) > self._sum(found.items)
        if is_due and not self._customers[customer_id].is_card_good:
            raise ProviderRefused("the card was declined")
        if self._made.setdefault(key, subscription_id) and items != found.items:
            self._put(customer_id, replace(found, items=items), "updated")

    async def cancel(self, subscription_id: str, *, key: str) -> None:
        await self._called()
        _, found = self._found(subscription_id)
        self._made.setdefault(key, subscription_id)
        self.cancel_at(subscription_id, found.period_end)

    async def resume(self, subscription_id: str, *, key: str) -> None:
        await self._called()
        self._found(subscription_id)
        self._made.setdefault(key, subscription_id)
        self.cancel_at(subscription_id, None)

    async def agree(self, agreement: Agreement, *, key: str) -> SeenInvoice | None:
        await self._called()
        if key not in self._made:
            self._made[key] = self._agree(agreement)
        return self._customers[agreement.customer_id].invoices[-1]

    async def report(self, usage: Usage) -> None:
        await self._called()
        self.told.setdefault(usage.identifier, usage)

    async def close(self) -> None:
        """Hold nothing."""

    # ── Its books ────────────────────────────────────────────────────────────────────────────────

    async def _called(self) -> None:
        self.calls += 1
        await asyncio.sleep(self.delay_s)
        if self.fail_next > 0:
            self.fail_next -= 1
            raise ProviderFailed("the provider in memory was told to fail")

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    def _signature(self, body: bytes) -> str:
        return hmac.digest(self.secret.encode(), body, "sha256").hex()

    def _tell(self, kind: str, customer_id: str) -> None:
        key = self._next("evt")
        payload = msgspec.json.encode({"id": key, "type": kind, "customer": customer_id}).decode()
        self._events.append(
            SeenEvent(
                id=key,
                type=kind,
                api_version="1",
                created_at=self.now,
                customer_id=customer_id,
                payload=payload,
            )
        )

    def _new_customer(self, tenant_id: TenantId | None) -> str:
        key = self._next("cus")
        self._customers[key] = _Customer(tenant_id=tenant_id)
        self._tell("customer.created", key)
        return key

    def _found(self, subscription_id: str) -> tuple[str, SeenSubscription]:
        if subscription_id not in self._subscriptions:
            raise ProviderRefused(f"there is no subscription {subscription_id}")
        return self._subscriptions[subscription_id]

    def _put(self, customer_id: str, made: SeenSubscription, happened: str) -> str:
        self._subscriptions[made.id] = (customer_id, made)
        self._tell(f"customer.subscription.{happened}", customer_id)
        return made.id

    def _price(self, name: str) -> _Price:
        for price in reversed(self._prices):
            if name in {price.seen.id, price.seen.lookup_key}:
                return price
        raise ProviderRefused(f"there is no price {name}")

    def _items(self, lines: Iterable[Line]) -> tuple[SeenItem, ...]:
        return tuple(
            SeenItem(
                id=f"item_{number}",
                price_id=line.price_id,
                product_id=price.seen.product_id,
                lookup_key=price.seen.lookup_key or None,
                quantity=line.quantity,
            )
            for number, line in enumerate(lines)
            for price in [self._price(line.price_id)]
        )

    def _sum(self, items: Iterable[SeenItem]) -> int:
        return sum(
            self._price(item.price_id).listed.amount * (item.quantity or 0) for item in items
        )

    def _bill(self, customer_id: str, found: SeenSubscription) -> None:
        """Add an invoice where one is owed or paid; what was owed is paid once all is well."""
        books = self._customers[customer_id]
        if found.status in _OWED or found.is_invoiced:
            books.invoices.append(self._invoice(found, "open"))
        elif found.status is SubscriptionStatus.ACTIVE:
            books.invoices[:] = [
                replace(bill, status="paid", amount_paid=bill.amount_due) for bill in books.invoices
            ]
            books.invoices.append(self._invoice(found, "paid"))

    def _invoice(self, found: SeenSubscription, status: str) -> SeenInvoice:
        key = self._next("in")
        amount = self._sum(found.items)
        return SeenInvoice(
            id=key,
            status=status,
            amount_due=amount,
            amount_paid=amount if status == "paid" else 0,
            currency="usd",
            created_at=self.now,
            due_at=self.now + timedelta(days=30) if found.is_invoiced else None,
            url=f"https://memory.invalid/invoice/{key}",
        )

    def _renew(self, customer_id: str, found: SeenSubscription, start: datetime) -> None:
        """Charge for the period in which now is; one charge, however many periods have passed."""
        length = _LENGTH[self._price(found.items[0].price_id).listed.interval]
        while start + length <= self.now:
            start += length
        is_good = self._customers[customer_id].is_card_good
        charged = replace(
            found,
            status=SubscriptionStatus.ACTIVE if is_good else SubscriptionStatus.PAST_DUE,
            period_start=start,
            period_end=start + length,
        )
        if found.status in {SubscriptionStatus.UNPAID, SubscriptionStatus.PAUSED}:
            charged = replace(charged, status=found.status)
        self._bill(customer_id, charged)
        self._put(customer_id, charged, "updated")

    def _list(self, plans: Sequence[ListedPlan]) -> tuple[SeenPrice, ...]:
        now: list[SeenPrice] = []
        for plan in plans:
            for listed in plan.price:
                known = [p for p in self._prices if p.seen.lookup_key == listed.lookup_key]
                if not known or known[-1].listed != listed:
                    made = SeenPrice(
                        id=self._next("price"),
                        product_id=f"product_{plan.name}",
                        lookup_key=listed.lookup_key,
                    )
                    self._prices.append(_Price(made, listed))
                now.append(self.price(listed.lookup_key))
        return tuple(now)

    def _agree(self, agreement: Agreement) -> str:
        """Begin a contract at a price of its own, which no list has."""
        listed = ListedPrice(
            lookup_key="contract",
            charge=Charge.PLAN,
            currency=agreement.currency,
            amount=agreement.amount,
            interval=Interval(agreement.interval),
        )
        own = SeenPrice(id=self._next("price"), product_id=agreement.product_id, lookup_key="")
        self._prices.append(_Price(own, listed))
        made = self.buy(agreement.customer_id, own.id)
        customer_id, found = self._found(made)
        self._put(customer_id, replace(found, is_invoiced=True), "updated")
        bills = self._customers[agreement.customer_id].invoices
        due_at = self.now + timedelta(days=agreement.net_days)
        bills[-1] = replace(bills[-1], status="open", amount_paid=0, due_at=due_at)
        return made
