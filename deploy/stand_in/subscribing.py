"""How subscriptions begin and change: the API, the checkout page and the portal all come here."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from deploy.stand_in import cards, changes, collecting, cycles, invoicing
from deploy.stand_in.alarms import AHEAD_S, INCOMPLETE_S
from deploy.stand_in.books import Books
from deploy.stand_in.changes import Change, Wanted
from deploy.stand_in.objects import Customer, Price
from deploy.stand_in.problems import Refused, declined, invalid, missing
from deploy.stand_in.subscription_objects import (
    Items,
    PendingUpdate,
    Subscription,
    SubscriptionItem,
    TrialSettings,
)

PAYMENT_BEHAVIORS = (
    "allow_incomplete",
    "default_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
)
PRORATION_BEHAVIORS = ("create_prorations", "always_invoice", "none")


class Wish(Struct, frozen=True, kw_only=True):
    """A subscription that is to begin."""

    customer: Customer
    lines: tuple[tuple[Price, int | None], ...]
    trial_end: int | None = None
    trial_settings: TrialSettings = TrialSettings()
    collection_method: str = "charge_automatically"
    days_until_due: int | None = None
    payment_behavior: str = "allow_incomplete"
    default_payment_method: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}


class How(Struct, frozen=True, kw_only=True):
    """How a change is charged. ``at`` is the moment that prorations count from."""

    payment_behavior: str = "allow_incomplete"
    proration_behavior: str = "create_prorations"
    at: int
    is_reset: bool = False
    ends_trial: bool = False
    trial_end: int | None = None


# Beginning --------------------------------------------------------------------------------------


def begin(books: Books, wish: Wish) -> Subscription:
    """Begin a subscription, with its first invoice."""
    now = books.now(wish.customer.test_clock)
    subscription, drafts = first(books, wish)
    due = sum(draft.amount for draft in drafts) + wish.customer.balance
    if due > 0 and not _pays_at_once(books, wish, subscription):
        subscription = msgspec.structs.replace(subscription, status="incomplete")
    _start(books, subscription, now)
    _charge_first(books, subscription, drafts, is_tried=wish.payment_behavior != _LATER)
    return books.get(Subscription, subscription.id)


def first(books: Books, wish: Wish) -> tuple[Subscription, tuple[changes.Draft, ...]]:
    """Compose a subscription and what is due for its first period, without writing them down."""
    now = books.now(wish.customer.test_clock)
    id = books.store.fresh_id("sub_")  # noqa: A001 - the field's name
    items = _first_items(books, wish, subscription=id, now=now)
    subscription = Subscription(
        id=id,
        billing_cycle_anchor=wish.trial_end or now,
        collection_method=wish.collection_method,
        created=now,
        currency=items[0].price.currency,
        customer=wish.customer.id,
        days_until_due=wish.days_until_due,
        default_payment_method=wish.default_payment_method,
        description=wish.description,
        items=Items(data=items, url=f"/v1/subscription_items?subscription={id}"),
        latest_invoice=books.store.fresh_id("in_"),
        metadata=wish.metadata,
        start_date=now,
        status="trialing" if wish.trial_end else "active",
        test_clock=wish.customer.test_clock,
        trial_end=wish.trial_end,
        trial_settings=wish.trial_settings,
        trial_start=now if wish.trial_end else None,
    )
    return subscription, () if wish.trial_end else changes.for_period(items)


_LATER = "default_incomplete"


def _pays_at_once(books: Books, wish: Wish, subscription: Subscription) -> bool:
    """Say whether the first invoice can be paid, or need not be; raise where that is a must."""
    if wish.collection_method == "send_invoice":
        return True
    if wish.payment_behavior == _LATER:
        return False
    card = cards.card_of(books, wish.customer.id, subscription)
    if card is None:
        raise Refused(
            "This customer has no attached payment source or default payment method. Please "
            "consider adding a default payment method.",
            code="resource_missing",
        )
    if not cards.is_good(card) and wish.payment_behavior == "error_if_incomplete":
        raise declined()
    return cards.is_good(card)


def _first_items(
    books: Books, wish: Wish, *, subscription: str, now: int
) -> tuple[SubscriptionItem, ...]:
    items = tuple(
        SubscriptionItem(
            id=books.store.fresh_id("si_"),
            created=now,
            current_period_end=now,
            current_period_start=now,
            price=price,
            quantity=_quantity(price, quantity),
            subscription=subscription,
        )
        for price, quantity in wish.lines
    )
    changes.check_together(items)
    end = wish.trial_end or changes.period_from(items, anchor=now, start=now)
    return changes.with_period(items, now, end)


def _quantity(price: Price, quantity: int | None) -> int | None:
    if changes.recurring(price).usage_type == "metered":
        if quantity is not None:
            raise invalid("quantity", "A metered price takes no quantity: its meter counts.")
        return None
    return 1 if quantity is None else quantity


def _start(books: Books, subscription: Subscription, now: int) -> None:
    books.keep(subscription)
    books.tell("customer.subscription.created", subscription)
    if subscription.trial_end is not None and subscription.trial_end - AHEAD_S <= now:
        books.tell("customer.subscription.trial_will_end", subscription)


def _charge_first(
    books: Books, subscription: Subscription, first: tuple[changes.Draft, ...], *, is_tried: bool
) -> None:
    assert subscription.latest_invoice is not None, "a subscription begins with its invoice's id"
    is_sent = subscription.collection_method == "send_invoice"
    now = books.now(subscription.test_clock)
    invoice = invoicing.write(
        books,
        subscription,
        first,
        reason="subscription_create",
        id=subscription.latest_invoice,
        finalizes_at=now + invoicing.DRAFT_S if is_sent else None,
    )
    if is_sent:
        return
    if is_tried:
        collecting.settle(books, invoice)
        return
    invoice = invoicing.finalize(books, invoice)
    if invoice.amount_due == 0:
        collecting.pay(books, invoice)


# Changing ---------------------------------------------------------------------------------------


def planned(
    books: Books, subscription: Subscription, wanted: tuple[Wanted, ...], how: How
) -> Change:
    """Say what a change would make of the items, and what it costs."""
    before = subscription.items.data
    after = tuple(_item(item, wanted) for item in before)
    added = (_added(books, subscription, one) for one in wanted if one.id is None)
    items = (*(item for item in after if item is not None), *added)
    _check_named(before, wanted)
    changes.check_together(items)
    if how.trial_end is not None:
        moved = changes.with_period(items, before[0].current_period_start, how.trial_end)
        return Change(items=moved, drafts=(), is_reset=False)
    if subscription.status == "trialing" and not how.ends_trial:
        return Change(items=items, drafts=(), is_reset=False)
    is_reset = how.is_reset or how.ends_trial or changes.is_other_interval(before, items)
    charged = _charged(subscription, items, how)
    if not is_reset:
        return Change(items=items, drafts=charged, is_reset=False)
    unused = tuple(draft for draft in charged if draft.cause is changes.Cause.UNUSED)
    items = changes.reset(items, now=how.at)
    return Change(items=items, drafts=(*unused, *changes.for_period(items)), is_reset=True)


def _charged(
    subscription: Subscription, items: tuple[SubscriptionItem, ...], how: How
) -> tuple[changes.Draft, ...]:
    if how.proration_behavior == "none" or subscription.status == "trialing":
        return ()
    before = subscription.items.data
    if how.is_reset or changes.is_other_interval(before, items):
        return changes.prorations(before, (), now=how.at)
    return changes.prorations(before, items, now=how.at)


def _check_named(before: tuple[SubscriptionItem, ...], wanted: tuple[Wanted, ...]) -> None:
    known = {item.id for item in before}
    for one in wanted:
        if one.id is not None and one.id not in known:
            raise missing("subscription item", one.id, param="items")


def _item(item: SubscriptionItem, wanted: tuple[Wanted, ...]) -> SubscriptionItem | None:
    for one in wanted:
        if one.id == item.id:
            return None if one.is_deleted else _changed(item, one)
    return item


def _changed(item: SubscriptionItem, wanted: Wanted) -> SubscriptionItem:
    price = wanted.price or item.price
    if changes.recurring(price).usage_type == "metered":
        return msgspec.structs.replace(item, price=price, quantity=None)
    quantity = item.quantity if wanted.quantity is None else wanted.quantity
    return msgspec.structs.replace(item, price=price, quantity=1 if quantity is None else quantity)


def _added(books: Books, subscription: Subscription, wanted: Wanted) -> SubscriptionItem:
    if wanted.price is None:
        raise Refused("Missing required param: items[0][price].", code="parameter_missing")
    like = subscription.items.data[0]
    return SubscriptionItem(
        id=books.store.fresh_id("si_"),
        created=books.now(subscription.test_clock),
        current_period_end=like.current_period_end,
        current_period_start=like.current_period_start,
        price=wanted.price,
        quantity=_quantity(wanted.price, wanted.quantity),
        subscription=subscription.id,
    )


def change(books: Books, subscription: Subscription, planned: Change, how: How) -> Subscription:
    """Do what was planned: at once, with an invoice, or once that is paid."""
    if subscription.pending_update is not None:
        # Whoever changes his mind doesn't owe what he wanted before.
        cycles.void_latest(books, subscription)
        subscription = books.keep(msgspec.structs.replace(subscription, pending_update=None))
    after = _with(subscription, planned, how)
    is_invoiced = planned.is_reset or how.proration_behavior == "always_invoice"
    if not is_invoiced or not planned.drafts:
        invoicing.pend(books, subscription, planned.drafts)
        return books.tell_change("customer.subscription.updated", subscription, after)
    id = books.store.fresh_id("in_")  # noqa: A001 - the field's name
    after = msgspec.structs.replace(after, latest_invoice=id)
    total = sum(draft.amount for draft in planned.drafts)
    is_paid = total <= 0 or _can_pay(books, subscription, how)
    if not is_paid and how.payment_behavior == "pending_if_incomplete":
        after = _pending(books, subscription, after)
    books.tell_change("customer.subscription.updated", subscription, after)
    invoice = invoicing.write(books, after, planned.drafts, reason="subscription_update", id=id)
    collecting.settle(books, invoice)
    return books.get(Subscription, subscription.id)


def _can_pay(books: Books, subscription: Subscription, how: How) -> bool:
    if subscription.collection_method == "send_invoice":
        return True
    is_good = cards.is_good(cards.card_of(books, subscription.customer, subscription))
    if not is_good and how.payment_behavior == "error_if_incomplete":
        raise declined()
    return is_good


def _with(subscription: Subscription, planned: Change, how: How) -> Subscription:
    """Return the subscription as it is once the change holds."""
    after = msgspec.structs.replace(
        subscription, items=msgspec.structs.replace(subscription.items, data=planned.items)
    )
    if planned.is_reset:
        after = msgspec.structs.replace(after, billing_cycle_anchor=how.at)
    if how.trial_end is not None:
        after = msgspec.structs.replace(
            after,
            billing_cycle_anchor=how.trial_end,
            status="trialing",
            trial_end=how.trial_end,
            trial_start=after.trial_start or how.at,
        )
    if how.ends_trial:
        after = msgspec.structs.replace(after, status="active", trial_end=how.at)
    if after.cancel_at_period_end:
        after = msgspec.structs.replace(after, cancel_at=planned.items[0].current_period_end)
    return after


def _pending(books: Books, before: Subscription, after: Subscription) -> Subscription:
    """Return the subscription as it was, with what is to come once it is paid."""
    now = books.now(before.test_clock)
    is_moved = after.billing_cycle_anchor != before.billing_cycle_anchor
    update = PendingUpdate(
        billing_cycle_anchor=after.billing_cycle_anchor if is_moved else None,
        expires_at=now + INCOMPLETE_S,
        subscription_items=after.items.data,
        trial_end=after.trial_end if after.trial_end != before.trial_end else None,
    )
    return msgspec.structs.replace(
        before, latest_invoice=after.latest_invoice, pending_update=update
    )
