"""What a tenant's people see of its billing: what holds, on what it rests, and what is to come."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from billing import accounts, life, notices, verdicts
from billing.life_words import Basis, Contract, Ending, Misfit
from billing.notices import GivenNotice
from billing.policy import BillingPolicy
from billing.seen import SeenInvoice, SubscriptionStatus
from router.words import Standing

if TYPE_CHECKING:
    from billing.life_words import Account, Offer
    from router.connect import Connection
    from router.words import Tenant


class ShownSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """The subscription that counts. ``plan`` is None for a price that no list has."""

    id: str
    status: SubscriptionStatus
    plan: str | None
    quantity: int | None
    period_end: datetime | None
    cancel_at: datetime | None
    trial_end: datetime | None


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one tenant. ``is_behind``: the provider is being asked again."""

    plan: str
    basis: Basis
    standing: Standing
    standing_until: datetime | None = None
    standing_reason: str | None = None
    customer_id: str | None = None
    subscription: ShownSubscription | None = None
    contract: Contract | None = None
    invoices: tuple[SeenInvoice, ...] = ()
    misfits: tuple[Misfit, ...] = ()
    ending: Ending | None = None
    notices: tuple[GivenNotice, ...] = ()
    problem: str | None = None
    error: str | None = None
    seen_at: datetime | None = None
    is_behind: bool = False
    #: False where nobody takes money: operators change plans.
    takes_payments: bool = True


async def current(
    connection: Connection, tenant: Tenant, *, policy: BillingPolicy | None = None
) -> Current:
    """Read what holds of a tenant; nobody at the provider is asked."""
    told = tuple(await notices.list_all(connection, tenant.id))
    account = await accounts.get(connection, tenant.id)
    if account is None:
        return Current(plan=tenant.plan, basis=Basis.NOTHING, standing=Standing.GOOD, notices=told)
    case = await verdicts.read_case(connection, account)
    verdict = life.judge(
        case.held,
        account.seen,
        case.offer,
        now=account.clock(case.now),
        policy=policy or BillingPolicy(),
    )
    return Current(
        plan=case.held.plan,
        basis=verdict.basis,
        standing=account.standing,
        standing_until=account.standing_until,
        standing_reason=account.cause,
        customer_id=account.customer_id,
        subscription=_shown(account, case.offer),
        contract=account.contract,
        invoices=account.seen.invoices if account.seen else (),
        misfits=verdict.misfits,
        ending=verdict.ending,
        notices=told,
        problem=account.problem,
        error=account.error,
        seen_at=account.seen_at,
        is_behind=account.synced < account.dirty,
    )


def _shown(account: Account, offer: Offer) -> ShownSubscription | None:
    found = life.governing(account.seen, offer)
    if found is None:
        return None
    return ShownSubscription(
        id=found.id,
        status=found.status,
        plan=offer.plan_of(found),
        quantity=max((item.quantity or 0 for item in found.items), default=None),
        period_end=found.period_end,
        cancel_at=found.cancel_at,
        trial_end=found.trial_end,
    )
