"""How subscriptions end."""

from __future__ import annotations

import msgspec

from deploy.stand_in.books import Books
from deploy.stand_in.subscription_objects import CancellationDetails, Invoice, Subscription


def end(books: Books, subscription: Subscription, *, reason: str) -> Subscription:
    """Cancel now. Drafts of its invoices are never finalized; what is open stays open."""
    now = books.now(subscription.test_clock)
    canceled = books.keep(
        msgspec.structs.replace(
            subscription,
            canceled_at=subscription.canceled_at or now,
            cancellation_details=msgspec.structs.replace(
                subscription.cancellation_details, reason=reason
            ),
            ended_at=now,
            pause_collection=None,
            pending_update=None,
            status="canceled",
        )
    )
    for invoice in list(books.store.newest(Invoice, owner=subscription.customer)):
        if is_waiting(invoice, subscription):
            books.keep(
                msgspec.structs.replace(
                    invoice,
                    auto_advance=False,
                    automatically_finalizes_at=None,
                    next_payment_attempt=None,
                )
            )
    books.tell("customer.subscription.deleted", canceled)
    return canceled


def is_waiting(invoice: Invoice, subscription: Subscription) -> bool:
    """Say whether an invoice of this subscription is still to be finalized or paid."""
    return (
        invoice.status in {"draft", "open"}
        and invoice.parent is not None
        and invoice.parent.subscription_details.subscription == subscription.id
    )


def expire(books: Books, subscription: Subscription) -> Subscription:
    """End a subscription whose first invoice was never paid."""
    now = books.now(subscription.test_clock)
    expired = books.keep(
        msgspec.structs.replace(subscription, ended_at=now, status="incomplete_expired")
    )
    books.tell("customer.subscription.updated", expired, before=subscription)
    return expired


def scheduled(
    subscription: Subscription, *, at: int | None, is_at_period_end: bool, now: int
) -> Subscription:
    """Return the subscription with another end in sight, or with none."""
    return msgspec.structs.replace(
        subscription,
        cancel_at=at,
        cancel_at_period_end=is_at_period_end,
        canceled_at=None if at is None else now,
        cancellation_details=CancellationDetails(
            comment=subscription.cancellation_details.comment,
            feedback=subscription.cancellation_details.feedback,
            reason=None if at is None else "cancellation_requested",
        ),
    )
