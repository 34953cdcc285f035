"""Who pays an invoice, what happens when nobody does, and what that means for the subscription."""

from __future__ import annotations

import msgspec

from deploy.stand_in import cards, ending, invoicing
from deploy.stand_in.alarms import DAY_S, SENT_GIVE_UP_S
from deploy.stand_in.books import Books
from deploy.stand_in.objects import Customer
from deploy.stand_in.subscription_objects import Invoice, Subscription

#: After each failed attempt, so many days until the next; after the last of them dunning is over.
RETRY_DAYS = (3, 5, 7)
DUNNING_ENDS = ("unpaid", "canceled", "past_due")

_WAITS_FOR_MONEY = {"past_due", "unpaid", "incomplete"}


def settle(books: Books, invoice: Invoice) -> Invoice:
    """Finalize a draft, and take the money at once where a card is charged."""
    invoice = invoicing.finalize(books, invoice)
    if invoice.amount_due == 0:
        return pay(books, invoice)
    if invoice.collection_method == "charge_automatically":
        return collect(books, invoice)
    return invoice


def collect(books: Books, invoice: Invoice) -> Invoice:
    """Charge the card: the invoice is paid, or one attempt nearer to being given up."""
    if can_pay(books, invoice):
        return pay(books, invoice)
    return fail(books, invoice)


def can_pay(books: Books, invoice: Invoice) -> bool:
    """Say whether the card that would be charged is good."""
    subscription = invoicing.subscription_of(books, invoice)
    return cards.is_good(cards.card_of(books, invoice.customer, subscription))


# Paid -------------------------------------------------------------------------------------------


def pay(books: Books, invoice: Invoice) -> Invoice:
    """Mark an invoice as paid, and give what was bought."""
    now = books.now(invoice.test_clock)
    is_charged = invoice.amount_due > 0
    paid = books.keep(
        msgspec.structs.replace(
            invoice,
            amount_paid=invoice.amount_due,
            amount_remaining=0,
            attempt_count=invoice.attempt_count + (1 if is_charged else 0),
            attempted=True,
            next_payment_attempt=None,
            status="paid",
            status_transitions=msgspec.structs.replace(invoice.status_transitions, paid_at=now),
        )
    )
    books.tell("invoice.paid", paid)
    books.tell("invoice.payment_succeeded", paid)
    _owe(books, paid, is_delinquent=False)
    subscription = invoicing.subscription_of(books, paid)
    if subscription is not None and subscription.latest_invoice == paid.id:
        _give(books, subscription)
    return paid


def _give(books: Books, subscription: Subscription) -> None:
    after = subscription
    if subscription.status in _WAITS_FOR_MONEY:
        after = msgspec.structs.replace(after, status="active")
    update = subscription.pending_update
    if update is not None:
        after = msgspec.structs.replace(
            after,
            billing_cycle_anchor=update.billing_cycle_anchor or after.billing_cycle_anchor,
            items=msgspec.structs.replace(after.items, data=update.subscription_items),
            pending_update=None,
            status="active" if update.trial_end else after.status,
            trial_end=update.trial_end or after.trial_end,
        )
    books.tell_change("customer.subscription.updated", subscription, after)
    if update is not None:
        books.tell("customer.subscription.pending_update_applied", after)


# Not paid ---------------------------------------------------------------------------------------


def fail(books: Books, invoice: Invoice) -> Invoice:
    """Note a failed attempt, and when the next one is, if there is one."""
    now = books.now(invoice.test_clock)
    attempts = invoice.attempt_count + 1
    subscription = invoicing.subscription_of(books, invoice)
    is_waited_for = subscription is not None and subscription.pending_update is not None
    is_dunned = invoice.billing_reason == "subscription_cycle" or (
        invoice.billing_reason == "subscription_update" and not is_waited_for
    )
    again = RETRY_DAYS[attempts - 1] * DAY_S if attempts <= len(RETRY_DAYS) else None
    failed = books.keep(
        msgspec.structs.replace(
            invoice,
            attempt_count=attempts,
            attempted=True,
            auto_advance=is_dunned and again is not None,
            next_payment_attempt=now + again if is_dunned and again is not None else None,
        )
    )
    books.tell("invoice.payment_failed", failed)
    _owe(books, failed, is_delinquent=True)
    if subscription is not None and subscription.latest_invoice == failed.id and is_dunned:
        is_last = again is None
        _take_away(books, subscription, status=dunning_ends(books) if is_last else "past_due")
    return failed


def overdue(books: Books, invoice: Invoice) -> None:
    """Note that an invoice that was sent isn't paid, and give it up when that lasts."""
    subscription = invoicing.subscription_of(books, invoice)
    now = books.now(invoice.test_clock)
    is_given_up = now >= (invoice.due_date or now) + SENT_GIVE_UP_S
    if not is_given_up:
        books.tell("invoice.overdue", invoice)
    if subscription is not None and subscription.latest_invoice == invoice.id:
        status = dunning_ends(books) if is_given_up else "past_due"
        _take_away(books, subscription, status=status)


def _take_away(books: Books, subscription: Subscription, *, status: str) -> None:
    if subscription.ended_at is not None:
        return
    if status == "canceled":
        ending.end(books, subscription, reason="payment_failed")
        return
    after = msgspec.structs.replace(subscription, status=status)
    books.tell_change("customer.subscription.updated", subscription, after)


def dunning_ends(books: Books) -> str:
    """Say what becomes of a subscription when its last attempt has failed."""
    return books.store.setting("dunning_ends") or DUNNING_ENDS[0]


def _owe(books: Books, invoice: Invoice, *, is_delinquent: bool) -> None:
    if invoice.amount_due == 0:
        return
    customer = books.get(Customer, invoice.customer)
    after = msgspec.structs.replace(customer, delinquent=is_delinquent)
    books.tell_change("customer.updated", customer, after)


# Given up ---------------------------------------------------------------------------------------


def void(books: Books, invoice: Invoice) -> Invoice:
    """Take an invoice back: nobody has to pay it."""
    now = books.now(invoice.test_clock)
    moved = msgspec.structs.replace(invoice.status_transitions, voided_at=now)
    voided = books.keep(
        msgspec.structs.replace(
            invoice,
            auto_advance=False,
            automatically_finalizes_at=None,
            next_payment_attempt=None,
            status="void",
            status_transitions=moved,
        )
    )
    books.tell("invoice.voided", voided)
    return voided


def write_off(books: Books, invoice: Invoice) -> Invoice:
    """Stop expecting that an invoice is paid."""
    now = books.now(invoice.test_clock)
    moved = msgspec.structs.replace(invoice.status_transitions, marked_uncollectible_at=now)
    lost = books.keep(
        msgspec.structs.replace(
            invoice,
            auto_advance=False,
            next_payment_attempt=None,
            status="uncollectible",
            status_transitions=moved,
        )
    )
    books.tell("invoice.marked_uncollectible", lost)
    return lost
