"""The life of a subscription: what follows from what a provider says. Pure; verdicts.py does it.

Nobody is locked out without a date that was told ``notice_s`` before; a plan rises only when it is
paid for; what doesn't fit into a smaller plan is named, and nothing is deleted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from billing.life_words import Basis, Cause, Ending, Held, Misfit, Offer, Verdict
from billing.seen import Seen, SeenSubscription, SubscriptionStatus
from billing.telling import tell
from router.words import Standing

if TYPE_CHECKING:
    from billing.life_words import Account, Used
    from billing.policy import BillingPolicy
    from router.words import Limits

_LIVE = {
    SubscriptionStatus.TRIALING: 3,
    SubscriptionStatus.ACTIVE: 3,
    SubscriptionStatus.PAST_DUE: 2,
    SubscriptionStatus.UNPAID: 1,
    SubscriptionStatus.PAUSED: 1,
}
_NEVER_BEGUN = {SubscriptionStatus.INCOMPLETE, SubscriptionStatus.INCOMPLETE_EXPIRED}
#: A period's invoice may be made a little before the period begins.
_INVOICE_EARLY = timedelta(hours=1)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that a tenant has a right to. ``until`` is when that right ends by itself."""

    plan: str
    basis: Basis
    subscription: SeenSubscription | None = None
    until: datetime | None = None
    problem: str | None = None


def judge(
    held: Held, seen: Seen | None, offer: Offer, *, now: datetime, policy: BillingPolicy
) -> Verdict:
    """Say what a tenant may have and do. Judging again with what came of it changes nothing."""
    claim = claim_of(held, seen, offer, now=now, policy=policy)
    misfits = () if claim.basis is Basis.CONTRACT else fit(held.used, offer.limits(claim.plan))
    cause = _cause(held, claim, misfits)
    standing, until = standing_of(held.account, cause, now=now, policy=policy)
    verdict = Verdict(
        plan=claim.plan,
        basis=claim.basis,
        standing=standing,
        standing_until=until,
        cause=cause,
        subscription_id=claim.subscription.id if claim.subscription else None,
        misfits=misfits,
        ending=_ending(held, seen, offer, now=now, policy=policy),
        problem=claim.problem,
        has_bought=has_bought(held, seen),
    )
    is_lower = offer.rank(claim.plan) < offer.rank(held.plan)
    notices = tell(verdict, plan_before=held.plan, is_lower=is_lower, now=now)
    return replace(
        verdict,
        notices=tuple(notices),
        judge_at=_judge_at(verdict, claim, now=now, policy=policy),
    )


def doubt(account: Account, seen: Seen | None) -> str | None:
    """Say why an answer of the provider can't be about this tenant: then nothing is changed.

    A key of another account at the provider would otherwise take everybody's plan away.
    """
    if seen is None:
        return (
            f"the provider {account.provider} knows no customer {account.customer_id}: is the key "
            "the one of the account in which it was made?"
        )
    if seen.tenant_id is not None and seen.tenant_id != account.tenant_id:
        return f"customer {seen.customer_id} was made for another tenant, {seen.tenant_id}"
    return None


def governing(seen: Seen | None, offer: Offer | None = None) -> SeenSubscription | None:
    """Return the live subscription that counts: of a known plan, best paid, then the largest.

    Without an offer no plan is known, and the newest of the best paid counts.
    """

    def worth(subscription: SeenSubscription) -> tuple[bool, int, int, datetime, str]:
        plan = None if offer is None else offer.plan_of(subscription)
        return (
            plan is not None,
            _LIVE[subscription.status],
            -1 if plan is None or offer is None else offer.rank(plan),
            subscription.created_at,
            subscription.id,
        )

    if seen is None or seen.is_deleted:
        return None
    live = [each for each in seen.subscriptions if each.status in _LIVE]
    return max(live, key=worth, default=None)


def claim_of(
    held: Held, seen: Seen | None, offer: Offer, *, now: datetime, policy: BillingPolicy
) -> Claim:
    """Find what the tenant's plan rests on: a contract, a subscription, what is paid, nothing."""
    contract, subscription = held.account.contract, governing(seen, offer)
    if contract is not None and contract.holds(now):
        return Claim(
            plan=contract.plan,
            basis=Basis.CONTRACT,
            subscription=subscription,
            until=contract.until,
        )
    if subscription is not None:
        return _bought(held, subscription, offer)
    if (paid := _still_paid(seen, offer, now=now)) is not None:
        return paid
    if not has_bought(held, seen):
        return Claim(plan=held.plan, basis=Basis.NOTHING)
    if not offer.has(policy.plan_without):
        problem = f"the plan {policy.plan_without!r} for who leaves isn't in the price list"
        return Claim(plan=held.plan, basis=Basis.NOTHING, problem=problem)
    return Claim(plan=policy.plan_without, basis=Basis.NOTHING)


def standing_of(
    account: Account, cause: Cause | None, *, now: datetime, policy: BillingPolicy
) -> tuple[Standing, datetime | None]:
    """Say what may be done, and until when. A date that was told is never put off.

    A first warning always leaves its time; a debt that grows worse may bring the date forward,
    to no less than another warning.
    """
    if cause is None:
        return Standing.GOOD, None
    until = now + (policy.notice if cause is Cause.STOPPED else policy.grace)
    before, told = account.cause, account.standing_until
    is_same = before is not None and before.is_debt == cause.is_debt
    if not is_same or told is None:
        return Standing.GRACE, until
    if account.standing is Standing.READ_ONLY:
        return Standing.READ_ONLY, told
    until = told if before is cause else min(told, until)
    return (Standing.READ_ONLY if now >= until else Standing.GRACE), until


def fit(used: Used, limits: Limits) -> tuple[Misfit, ...]:
    """Name what a tenant has and a plan has no room for."""
    misfits: list[Misfit] = []
    if limits.seats is not None and used.seats > limits.seats:
        misfits.append(Misfit(metric="seats", said=f"{used.seats} seats of {limits.seats}"))
    if limits.storage_bytes is not None and used.storage_bytes > limits.storage_bytes:
        said = f"{used.storage_bytes:,} bytes of {limits.storage_bytes:,}"
        misfits.append(Misfit(metric="storage_bytes", said=said))
    misfits += [
        Misfit(metric=feature, said=feature.replace("_", " "))
        for feature in used.features
        if feature not in limits.features
    ]
    return tuple(misfits)


def _bought(held: Held, subscription: SeenSubscription, offer: Offer) -> Claim:
    plan = offer.plan_of(subscription)
    if plan is None:
        names = ", ".join(item.price_id for item in subscription.items) or "none at all"
        problem = f"subscription {subscription.id} has a price that is in no price list: {names}"
        return Claim(
            plan=held.plan,
            basis=Basis.SUBSCRIPTION,
            subscription=subscription,
            problem=problem,
        )
    if debt_of(subscription) is not None:
        # What isn't paid for is never more than what the tenant has already.
        plan = min(plan, held.plan, key=offer.rank)
    return Claim(plan=plan, basis=Basis.SUBSCRIPTION, subscription=subscription)


def debt_of(subscription: SeenSubscription) -> Cause | None:
    """Say what of a subscription isn't paid."""
    match subscription.status:
        case SubscriptionStatus.PAST_DUE:
            return Cause.STOPPED if subscription.is_collection_paused else Cause.OVERDUE
        case SubscriptionStatus.UNPAID | SubscriptionStatus.PAUSED:
            return Cause.STOPPED
        case _:
            return None


def _still_paid(seen: Seen | None, offer: Offer, *, now: datetime) -> Claim | None:
    """Find what was paid for beyond the end of its subscription."""
    if seen is None or seen.is_deleted:
        return None
    found = [
        Claim(plan=plan, basis=Basis.PAID, subscription=each, until=until)
        for each in seen.subscriptions
        if each.status is SubscriptionStatus.CANCELED
        and (until := _paid_until(each)) is not None
        and now < until
        and _is_paid(each, seen)
        and (plan := offer.plan_of(each)) is not None
    ]
    return max(found, key=lambda claim: offer.rank(claim.plan), default=None)


def _paid_until(ended: SeenSubscription) -> datetime | None:
    """Return the end of the period, or the day on which it was to end by agreement."""
    if ended.period_end is None or ended.cancel_at is None:
        return ended.period_end
    return min(ended.period_end, ended.cancel_at)


def _is_paid(subscription: SeenSubscription, seen: Seen) -> bool:
    """Whether the money for the period came; a trial that was ended is no paid period."""
    start = (subscription.period_start or subscription.created_at) - _INVOICE_EARLY
    bills = [bill for bill in seen.invoices if bill.created_at >= start]
    is_owed = any(bill.status in {"open", "uncollectible"} for bill in bills)
    return not is_owed and any(bill.status == "paid" and bill.amount_paid > 0 for bill in bills)


def has_bought(held: Held, seen: Seen | None) -> bool:
    """Whether the tenant ever had more than its sign-up gave it."""
    begun = (each.status not in _NEVER_BEGUN for each in (seen.subscriptions if seen else ()))
    return held.account.has_bought or held.account.contract is not None or any(begun)


def _cause(held: Held, claim: Claim, misfits: tuple[Misfit, ...]) -> Cause | None:
    if claim.basis is Basis.SUBSCRIPTION and claim.subscription is not None and not claim.problem:
        debt = debt_of(claim.subscription)
        if debt is not None:
            return debt
    # Who only grows meets the quota instead: nothing was left that the rows could have fitted.
    has_left = claim.plan != held.plan or held.account.cause is Cause.STORAGE
    is_over = any(misfit.metric == "storage_bytes" for misfit in misfits)
    return Cause.STORAGE if has_left and is_over else None


def _ending(
    held: Held, seen: Seen | None, offer: Offer, *, now: datetime, policy: BillingPolicy
) -> Ending | None:
    """Find out on which day the plan ends and what comes then, by judging that day."""
    claim = claim_of(held, seen, offer, now=now, policy=policy)
    at = claim.until
    if claim.basis is Basis.SUBSCRIPTION and claim.subscription is not None:
        at = claim.subscription.cancel_at
        seen = None if seen is None else _without(seen, claim.subscription)
    if at is None or at <= now or (claim.basis is Basis.CONTRACT and not _is_near(at, now, policy)):
        return None
    then = replace(held, plan=claim.plan)
    plan = claim_of(then, seen, offer, now=at, policy=policy).plan
    if plan == claim.plan:
        return None
    return Ending(plan=plan, at=at, misfits=fit(held.used, offer.limits(plan)))


def _without(seen: Seen, ended: SeenSubscription) -> Seen:
    canceled = replace(ended, status=SubscriptionStatus.CANCELED, period_end=None)
    others = tuple(canceled if each.id == ended.id else each for each in seen.subscriptions)
    return replace(seen, subscriptions=others)


def _is_near(at: datetime, now: datetime, policy: BillingPolicy) -> bool:
    return at - now <= timedelta(seconds=policy.contract_notice_s)


def _judge_at(
    verdict: Verdict, claim: Claim, *, now: datetime, policy: BillingPolicy
) -> datetime | None:
    dates: list[datetime | None] = [claim.until]
    if verdict.standing is Standing.GRACE:
        dates.append(verdict.standing_until)
    if verdict.cause is Cause.STORAGE:
        dates.append(now + timedelta(seconds=policy.storage_s))
    if claim.basis is Basis.CONTRACT and claim.until is not None:
        dates.append(claim.until - timedelta(seconds=policy.contract_notice_s))
    return min((date for date in dates if date is not None and date > now), default=None)
