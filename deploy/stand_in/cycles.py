"""How time passes for a subscription: renewals, the ends of trials, what was announced."""

from __future__ import annotations

import msgspec

from deploy.stand_in import cards, changes, collecting, ending, invoicing, readings
from deploy.stand_in.alarms import period_end
from deploy.stand_in.books import Books
from deploy.stand_in.subscription_objects import Invoice, Subscription, SubscriptionItem


def turn(books: Books, subscription: Subscription) -> None:
    """Come to the end of a period: end, leave the trial, or begin the next one."""
    now = books.now(subscription.test_clock)
    if subscription.cancel_at is not None and subscription.cancel_at <= now:
        end(books, subscription)
    elif subscription.status == "trialing":
        _leave_trial(books, subscription)
    else:
        _renew(books, subscription, start=period_end(subscription))


def end(books: Books, subscription: Subscription) -> None:
    """End what was to end now; what the meters counted is still to be paid."""
    usage = changes.for_usage(subscription.items.data, _counted(books, subscription))
    ended = ending.end(books, subscription, reason="cancellation_requested")
    if sum(draft.amount for draft in usage) > 0 and subscription.status != "trialing":
        id = books.store.fresh_id("in_")  # noqa: A001 - the field's name
        last = books.keep(msgspec.structs.replace(ended, latest_invoice=id))
        invoice = invoicing.write(books, last, usage, reason="subscription_cycle", id=id)
        collecting.settle(books, invoice)


def _leave_trial(books: Books, subscription: Subscription) -> None:
    missing = subscription.trial_settings.end_behavior.missing_payment_method
    is_charged = subscription.collection_method == "charge_automatically"
    if is_charged and cards.card_of(books, subscription.customer, subscription) is None:
        if missing == "cancel":
            ending.end(books, subscription, reason="payment_failed")
            return
        if missing == "pause":
            paused = books.keep(msgspec.structs.replace(subscription, status="paused"))
            books.tell("customer.subscription.updated", paused, before=subscription)
            books.tell("customer.subscription.paused", paused)
            return
    start = period_end(subscription)
    began = msgspec.structs.replace(
        subscription, billing_cycle_anchor=start, status="active", trial_end=start
    )
    _renew(books, began, start=start, before=subscription)


def _renew(
    books: Books, subscription: Subscription, *, start: int, before: Subscription | None = None
) -> None:
    usage = changes.for_usage(subscription.items.data, _counted(books, subscription))
    end = changes.period_from(
        subscription.items.data, anchor=subscription.billing_cycle_anchor, start=start
    )
    items = changes.with_period(subscription.items.data, start, end)
    id = books.store.fresh_id("in_")  # noqa: A001 - the field's name
    renewed = books.keep(
        msgspec.structs.replace(
            subscription,
            items=msgspec.structs.replace(subscription.items, data=items),
            latest_invoice=id,
        )
    )
    books.tell("customer.subscription.updated", renewed, before=before or subscription)
    is_left_alone = renewed.status == "unpaid"
    invoice = invoicing.write(
        books,
        renewed,
        (*usage, *changes.for_period(items)),
        reason="subscription_cycle",
        id=id,
        finalizes_at=None if is_left_alone else books.now(renewed.test_clock) + invoicing.DRAFT_S,
    )
    if is_left_alone:
        books.keep(msgspec.structs.replace(invoice, auto_advance=False))


def _counted(books: Books, subscription: Subscription) -> dict[str, int]:
    return {
        item.id: _count(books, subscription, item)
        for item in subscription.items.data
        if changes.is_metered(item)
    }


def _count(books: Books, subscription: Subscription, item: SubscriptionItem) -> int:
    meter = changes.recurring(item.price).meter
    assert meter is not None, "a metered price names its meter"
    return readings.counted(
        books,
        meter,
        subscription.customer,
        start=item.current_period_start,
        end=item.current_period_end,
    )


# Invoices ---------------------------------------------------------------------------------------


def finalize(books: Books, invoice: Invoice) -> None:
    """Finalize a renewal's draft, unless collection is paused."""
    subscription = invoicing.subscription_of(books, invoice)
    pause = None if subscription is None else subscription.pause_collection
    if pause is None:
        collecting.settle(books, invoice)
    elif pause.behavior == "keep_as_draft":
        books.keep(
            msgspec.structs.replace(invoice, auto_advance=False, automatically_finalizes_at=None)
        )
    elif pause.behavior == "void":
        collecting.void(books, invoicing.finalize(books, invoice))
    else:
        collecting.write_off(books, invoicing.finalize(books, invoice))


# Announcements ----------------------------------------------------------------------------------


def tell_trial_end(books: Books, subscription: Subscription) -> None:
    """Say that a trial will end soon."""
    books.tell("customer.subscription.trial_will_end", subscription)


def tell_renewal(books: Books, subscription: Subscription) -> None:
    """Say what the next invoice will be."""
    books.tell("invoice.upcoming", _upcoming(books, subscription))


def next_drafts(books: Books, subscription: Subscription) -> tuple[changes.Draft, ...]:
    """Say what the next period costs, with what the meters have counted so far in this one."""
    start = period_end(subscription)
    items = subscription.items.data
    end = changes.period_from(items, anchor=subscription.billing_cycle_anchor, start=start)
    return (
        *changes.for_usage(items, _counted(books, subscription)),
        *changes.for_period(changes.with_period(items, start, end)),
    )


def _upcoming(books: Books, subscription: Subscription) -> Invoice:
    id = f"upcoming_in_{subscription.id}"  # noqa: A001 - the field's name
    waiting = invoicing.pending_items(books, subscription)
    lines = (
        *(invoicing.line_of_item(item, id) for item in waiting),
        *invoicing.lines(books, next_drafts(books, subscription), id),
    )
    return invoicing.composed(books, subscription, lines, reason="upcoming", id=id)


def collect_again(books: Books, subscription: Subscription) -> None:
    """Let a pause of collection end at its date."""
    after = msgspec.structs.replace(subscription, pause_collection=None)
    books.tell_change("customer.subscription.updated", subscription, after)


def drop_update(books: Books, subscription: Subscription) -> None:
    """Give up a change that nobody paid for."""
    after = msgspec.structs.replace(subscription, pending_update=None)
    books.tell_change("customer.subscription.updated", subscription, after)
    books.tell("customer.subscription.pending_update_expired", after)
    void_latest(books, after)


def expire(books: Books, subscription: Subscription) -> None:
    """Give up a subscription whose first invoice nobody paid."""
    void_latest(books, ending.expire(books, subscription))


def void_latest(books: Books, subscription: Subscription) -> None:
    """Void the latest invoice, if it is still open."""
    latest = subscription.latest_invoice
    invoice = None if latest is None else books.store.find(Invoice, latest)
    if invoice is not None and invoice.status == "open":
        collecting.void(books, invoice)
