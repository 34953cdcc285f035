"""What falls due when: read off a thing's own fields, so that no alarm can be forgotten."""

from __future__ import annotations

from enum import StrEnum

from deploy.stand_in.objects import CheckoutSession, Resource
from deploy.stand_in.subscription_objects import Invoice, Subscription

DAY_S = 86_400
#: Told so long before a trial ends, and before a renewal.
AHEAD_S = 3 * DAY_S
#: A subscription whose first invoice isn't paid, and an update whose invoice isn't, wait so long.
INCOMPLETE_S = 23 * 3_600
#: An invoice that was sent and not paid is given up so long after its due date.
SENT_GIVE_UP_S = 15 * DAY_S


class Deed(StrEnum):
    """What is done when an alarm rings."""

    TURN = "turn"
    END = "end"
    EXPIRE = "expire"
    TELL_TRIAL_END = "tell_trial_end"
    TELL_RENEWAL = "tell_renewal"
    COLLECT_AGAIN = "collect_again"
    DROP_UPDATE = "drop_update"
    FINALIZE = "finalize"
    CHARGE = "charge"
    OVERDUE = "overdue"
    EXPIRE_SESSION = "expire_session"


def alarms(thing: Resource, *, now: int) -> dict[Deed, int]:
    """Return each deed that waits for this thing, with its time."""
    match thing:
        case Subscription():
            return _of_subscription(thing, now)
        case Invoice():
            return _of_invoice(thing, now)
        case CheckoutSession() if thing.status == "open":
            return {Deed.EXPIRE_SESSION: thing.expires_at}
        case _:
            return {}


def is_timed(thing: Resource) -> bool:
    """Say whether a thing of this kind can wait for anything."""
    return isinstance(thing, Subscription | Invoice | CheckoutSession)


def _of_subscription(subscription: Subscription, now: int) -> dict[Deed, int]:
    if subscription.ended_at is not None or subscription.status == "paused":
        return {}
    if subscription.status == "incomplete":
        return {Deed.EXPIRE: subscription.created + INCOMPLETE_S}
    turn = period_end(subscription)
    found = {Deed.TURN: turn}
    if subscription.cancel_at is not None and subscription.cancel_at < turn:
        found = {Deed.END: subscription.cancel_at}
    if turn - AHEAD_S > now and subscription.cancel_at is None:
        is_trial = subscription.status == "trialing"
        found[Deed.TELL_TRIAL_END if is_trial else Deed.TELL_RENEWAL] = turn - AHEAD_S
    pause = subscription.pause_collection
    if pause is not None and pause.resumes_at is not None:
        found[Deed.COLLECT_AGAIN] = pause.resumes_at
    if subscription.pending_update is not None:
        found[Deed.DROP_UPDATE] = subscription.pending_update.expires_at
    return found


def _of_invoice(invoice: Invoice, now: int) -> dict[Deed, int]:
    if invoice.status == "draft" and invoice.automatically_finalizes_at is not None:
        return {Deed.FINALIZE: invoice.automatically_finalizes_at}
    if invoice.status != "open":
        return {}
    if invoice.next_payment_attempt is not None:
        return {Deed.CHARGE: invoice.next_payment_attempt}
    if invoice.collection_method == "send_invoice" and invoice.due_date is not None:
        due = invoice.due_date
        waits = [at for at in (due, due + SENT_GIVE_UP_S) if at > now]
        return {Deed.OVERDUE: waits[0]} if waits else {}
    return {}


def period_end(subscription: Subscription) -> int:
    """Return when the subscription's period ends."""
    return min(item.current_period_end for item in subscription.items.data)
