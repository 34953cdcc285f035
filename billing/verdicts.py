"""Makes a verdict hold: what was seen, plan, standing and notices, in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from billing import accounts, inbox, life, notices, prices
from billing.accounts import PlanChange
from billing.life_words import Account, Held, Offer, Used, Verdict
from billing.telling import LASTING, PLAN_LEFT
from router.catalog import tenants
from router.errors import NotFound
from router.sql import load
from router.words import Limits, Plan, TenantStatus, Tier

if TYPE_CHECKING:
    import asyncpg

    from billing.accounts import Claimed
    from billing.policy import BillingPolicy
    from billing.seen import Seen
    from router.connect import Connection
    from router.words import TenantId

_SQL = load("billing", "accounts.sql")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything by which a tenant is judged. ``now`` is ours, the provider's may run ahead."""

    held: Held
    offer: Offer
    now: datetime
    is_erased: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What held of a tenant before, and what holds now."""

    before: Held
    verdict: Verdict


async def apply(
    connection: Connection, claimed: Claimed, seen: Seen | None, *, policy: BillingPolicy
) -> Outcome | None:
    """Make a tenant equal what the provider said; needs a transaction.

    None where somebody looked later and came earlier: what it saw is newer.
    """
    account = await accounts.lock_behind(connection, claimed)
    if account is None:
        return None
    await accounts.set_seen(connection, claimed, seen)
    if claimed.customer_id is not None:
        await inbox.handled(connection, account.provider, claimed.customer_id, claimed.dirty)
    case = await read_case(connection, account)
    return await _settle(connection, case, seen, at=seen.at if seen else case.now, policy=policy)


async def judge_again(
    connection: Connection, account: Account, *, policy: BillingPolicy
) -> Outcome | None:
    """Judge by what was seen last, as time has passed; needs a transaction that holds it."""
    case = await read_case(connection, account)
    return await _settle(connection, case, account.seen, at=account.clock(case.now), policy=policy)


async def read_case(connection: Connection, account: Account) -> Case:
    """Read what a tenant has and uses, and what can be bought."""
    row = await connection.fetchrow(_SQL["facts"], account.tenant_id)
    if row is None:
        raise NotFound(f"there is no tenant {account.tenant_id}")
    return Case(
        held=Held(account=account, plan=row["plan"], used=_used(row)),
        offer=await read_offer(connection, account.provider, account.tenant_id),
        now=row["now"],
        is_erased=row["status"] == TenantStatus.ERASED,
    )


async def read_used(connection: Connection, tenant_id: TenantId) -> Used:
    """Read what a tenant takes up of what a plan may limit."""
    row = await connection.fetchrow(_SQL["facts"], tenant_id)
    if row is None:
        raise NotFound(f"there is no tenant {tenant_id}")
    return _used(row)


async def read_offer(connection: Connection, provider: str, tenant_id: TenantId) -> Offer:
    """Read the plans, with what one tenant was given beyond them, and the provider's prices."""
    rows = await connection.fetch(_SQL["plans"], tenant_id)
    plans = tuple(
        Plan(
            name=row["name"],
            version=row["version"],
            tier=Tier(row["tier"]),
            limits=msgspec.json.decode(row["limits"], type=Limits),
        )
        for row in rows
    )
    return Offer(plans=plans, book=await prices.read_book(connection, provider))


async def _settle(
    connection: Connection,
    case: Case,
    seen: Seen | None,
    *,
    at: datetime,
    policy: BillingPolicy,
) -> Outcome | None:
    account = case.held.account
    if case.is_erased:
        await accounts.put_off(connection, account.tenant_id, None)
        return None
    verdict = life.judge(case.held, seen, case.offer, now=at, policy=policy)
    judge_at = None if verdict.judge_at is None else case.now + (verdict.judge_at - at)
    await accounts.change_standing(connection, account, verdict, judge_at=judge_at)
    if account.contract is not None and not account.contract.holds(at):
        await accounts.forget_contract(connection, account.tenant_id)
    if verdict.plan != case.held.plan:
        tenant = await tenants.get_by_id(connection, account.tenant_id)
        change = PlanChange(
            plan=verdict.plan,
            basis=verdict.basis,
            reason=_reason(account, verdict),
            lacks=tuple(misfit.said for misfit in verdict.misfits),
        )
        await accounts.change_plan(connection, tenant, change)
        await notices.end(connection, account.tenant_id, PLAN_LEFT)
    for notice in verdict.notices:
        await notices.give(connection, account.tenant_id, notice)
    await notices.end_others(connection, account.tenant_id, LASTING, holding=verdict.notices)
    return Outcome(before=case.held, verdict=verdict)


def _used(row: asyncpg.Record) -> Used:
    features = {
        "custom_roles": row["has_custom_roles"],
        "custom_domains": row["has_custom_domains"],
    }
    return Used(
        seats=row["seats"],
        storage_bytes=row["storage_bytes"],
        features=tuple(name for name, is_used in features.items() if is_used),
    )


def _reason(account: Account, verdict: Verdict) -> str:
    if account.contract is not None and verdict.basis == "contract":
        return f"contract: {account.contract.reason}"
    about = f" {verdict.subscription_id}" if verdict.subscription_id else ""
    return f"{verdict.basis.value}{about}"
