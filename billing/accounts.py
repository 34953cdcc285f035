"""Tenants' accounts with the provider: one customer for each tenant, and what was agreed over it.

Functions that take a connection and say so belong into the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from billing import inbox
from billing.life_words import Account, Basis, Cause, Contract, Verdict
from billing.provider import NewCustomer
from billing.seen import Seen
from router.catalog import audit, moves, plans, tenants
from router.errors import Conflict, NotFound, Unprocessable
from router.sql import load
from router.words import Standing, TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from billing.provider import Provider
    from router.catalog import Catalog
    from router.connect import Connection
    from router.words import Tenant

ACTOR = "billing"
#: Where an account is filed that no provider has heard of.
NO_PROVIDER = "none"
_ERROR_LENGTH_MAX = 2_000
_SQL = load("billing", "accounts.sql")


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """An account that is behind; ``dirty`` is from before the provider is asked."""

    tenant_id: TenantId
    customer_id: str | None
    dirty: int
    attempts: int


class PlanChange(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that a tenant is to have. ``lacks``: what it has no room for of what is there."""

    plan: str
    basis: Basis
    reason: str
    lacks: tuple[str, ...] = ()


async def get(connection: Connection, tenant_id: TenantId) -> Account | None:
    """Return a tenant's account; None where nothing was ever bought or agreed."""
    return _account_or_none(await connection.fetchrow(_SQL["find"], tenant_id))


async def lock(connection: Connection, tenant_id: TenantId) -> Account | None:
    """Return a tenant's account and hold it for the transaction."""
    return _account_or_none(await connection.fetchrow(_SQL["lock"], tenant_id))


async def lock_behind(connection: Connection, claimed: Claimed) -> Account | None:
    """Hold the account if what was looked at is newer than what it holds: the compare and set."""
    row = await connection.fetchrow(
        _SQL["lock_behind"], claimed.tenant_id, claimed.dirty, claimed.customer_id
    )
    return _account_or_none(row)


async def ensure_customer(catalog: Catalog, provider: Provider, tenant: Tenant, email: str) -> str:
    """Return the tenant's customer at the provider, and make it first where there is none.

    Two at once make one: the key is the tenant's, and so is the one row that takes the answer.
    """
    async with catalog.transaction() as connection:
        await connection.execute(_SQL["open"], tenant.id, provider.name)
        account = await _found(connection, tenant.id)
    is_usable = account.seen is None or not account.seen.is_deleted
    if account.customer_id is not None and account.provider == provider.name and is_usable:
        return account.customer_id
    customer_id = await provider.make_customer(
        NewCustomer(tenant_id=tenant.id, name=tenant.name, email=email),
        key=f"customer {tenant.id} {account.customer_id or 'first'}",
    )
    async with catalog.transaction() as connection:
        await take_customer(
            connection, tenant.id, provider.name, customer_id, instead_of=account.customer_id
        )
        account = await _found(connection, tenant.id)
    assert account.customer_id is not None, "somebody's customer was recorded, if not ours"
    return account.customer_id


async def take_customer(
    connection: Connection,
    tenant_id: TenantId,
    provider: str,
    customer_id: str,
    *,
    instead_of: str | None = None,
) -> bool:
    """Record whose customer it is, in a transaction; false where the tenant has another one."""
    await connection.execute(_SQL["open"], tenant_id, provider)
    taken = await connection.fetchval(
        _SQL["set_customer"], tenant_id, provider, customer_id, instead_of
    )
    if taken is not None:
        await inbox.attach(connection, provider, customer_id)
    return taken is not None


async def find_by_customer(
    connection: Connection, provider: str, customer_id: str
) -> TenantId | None:
    """Return whose customer it is."""
    found: TenantId | None = await connection.fetchval(_SQL["find_customer"], provider, customer_id)
    return found


async def unknown_customers(
    connection: Connection, provider: str, customer_ids: Sequence[str]
) -> list[str]:
    """Pick the customers that are nobody's."""
    rows = await connection.fetch(_SQL["known_customers"], provider, list(customer_ids))
    known = {row["customer_id"] for row in rows}
    return [customer_id for customer_id in customer_ids if customer_id not in known]


async def payer_email(catalog: Catalog, tenant_id: TenantId) -> str:
    """Return the address of the tenant's first owner: to whom the provider sends its bills."""
    async with catalog.connection() as connection:
        email: str | None = await connection.fetchval(_SQL["payer_email"], tenant_id)
    if email is None:
        raise Conflict(f"tenant {tenant_id} has no owner who could be sent a bill: invite one")
    return email


async def mark_dirty(connection: Connection, tenant_id: TenantId) -> bool:
    """Have the provider asked again about a tenant; false where it has no account."""
    return await connection.fetchval(_SQL["mark_dirty"], tenant_id) is not None


async def ask_again(connection: Connection, tenant: Tenant) -> None:
    """Have the provider asked again because somebody doubts; raises Conflict without an account."""
    if not await mark_dirty(connection, tenant.id):
        raise Conflict(f"tenant {tenant.slug} has bought nothing, so nobody can be asked about it")


async def set_contract(
    connection: Connection,
    tenant_id: TenantId,
    *,
    plan: str,
    reason: str,
    until: datetime | None = None,
) -> Tenant:
    """Give a tenant a plan by contract, at once, over whatever it buys; needs a transaction."""
    if not reason.strip():
        raise Unprocessable("a contract needs a reason: say who agreed it and where it is filed")
    if until is not None and until <= await connection.fetchval("SELECT now()"):
        raise Unprocessable(f"a contract can't have ended already, on {until.isoformat()}")
    tenant = await tenants.get_by_id(connection, tenant_id)
    await connection.execute(_SQL["open"], tenant_id, NO_PROVIDER)
    account = await _found(connection, tenant_id)
    change = PlanChange(plan=plan, basis=Basis.CONTRACT, reason=f"contract: {reason}")
    await change_plan(connection, tenant, change)
    await connection.execute(_SQL["set_contract"], tenant_id, plan, reason, until)
    # What else follows, the syncer finds out; but nobody waits for it with a signed contract.
    good = Verdict(plan=plan, basis=Basis.CONTRACT, standing=Standing.GOOD, has_bought=True)
    await change_standing(connection, account, good, judge_at=until)
    return await tenants.get_by_id(connection, tenant_id)


async def release_contract(connection: Connection, tenant_id: TenantId) -> None:
    """Give the plan back to what the tenant buys; a syncer judges it within a second.

    Raises Conflict where there is no contract.
    """
    tenant = await tenants.get_by_id(connection, tenant_id)
    if await connection.fetchval(_SQL["end_contract"], tenant_id) is None:
        raise Conflict(f"tenant {tenant.slug} has no contract that could be released")


async def change_plan(connection: Connection, tenant: Tenant, change: PlanChange) -> None:
    """Set a tenant's plan, with its place in the audit and the message to others, where it differs.

    The plan stays at the version that was bought as long as it is the same plan.
    """
    if tenant.plan == change.plan:
        return
    changed = await tenants.set_plan(connection, tenant.id, change.plan)
    wanted = changed.pinned_tier or (await plans.get(connection, change.plan)).tier
    detail: dict[str, object] = {"from": tenant.plan, "to": change.plan}
    await _record(connection, tenant, "plan.changed", reason=change.reason, detail=detail)
    told: dict[str, object] = {
        **detail,
        "reason": change.reason,
        "basis": change.basis,
        "limits": changed.limits,
        "limits_before": tenant.limits,
        "lacks": change.lacks,
        "moves_to": None if tenant.tier in {None, wanted} else wanted,
    }
    await moves.put_out(connection, "plan.changed", tenant.id, told)


async def change_standing(
    connection: Connection, account: Account, verdict: Verdict, *, judge_at: datetime | None
) -> None:
    """Write a verdict's standing down; needs a transaction that holds the account."""
    await connection.execute(
        _SQL["set_verdict"],
        account.tenant_id,
        verdict.standing,
        verdict.standing_until,
        verdict.cause,
        verdict.problem,
        verdict.has_bought,
        judge_at,
    )
    if (account.standing, account.standing_until) == (verdict.standing, verdict.standing_until):
        return
    tenant = await tenants.get_by_id(connection, account.tenant_id)
    until = verdict.standing_until
    detail: dict[str, object] = {
        "from": account.standing.value,
        "to": verdict.standing.value,
        "until": None if until is None else until.isoformat(),
    }
    reason = verdict.cause.value if verdict.cause else "nothing is owed"
    await _record(connection, tenant, "standing.changed", reason=reason, detail=detail)
    await moves.put_out(connection, "standing.changed", tenant.id, {"reason": reason, **detail})


async def set_seen(connection: Connection, claimed: Claimed, seen: Seen | None) -> None:
    """Write down what the provider said, which answers everything until ``claimed.dirty``."""
    text = None if seen is None else msgspec.json.encode(seen).decode()
    await connection.execute(_SQL["set_seen"], claimed.tenant_id, text, claimed.dirty)


async def forget_contract(connection: Connection, tenant_id: TenantId) -> None:
    """Drop a contract that has ended; needs a transaction that holds the account."""
    await connection.execute(_SQL["forget_contract"], tenant_id)


async def claim(connection: Connection, provider: str, lease: timedelta) -> Claimed | None:
    """Take an account that is behind and that nobody is at."""
    return _claimed(await connection.fetchrow(_SQL["claim"], provider, lease))


async def claim_this(
    connection: Connection, provider: str, lease: timedelta, tenant_id: TenantId
) -> Claimed | None:
    """Take one tenant's account, whoever else is at it; None where it isn't behind."""
    return _claimed(await connection.fetchrow(_SQL["claim_this"], provider, lease, tenant_id))


async def claim_due(connection: Connection, provider: str) -> Account | None:
    """Hold an account that time alone has changed; needs a transaction."""
    tenant_id = await connection.fetchval(_SQL["claim_due"], provider)
    return None if tenant_id is None else await lock(connection, tenant_id)


async def put_off(connection: Connection, tenant_id: TenantId, wait: timedelta | None) -> None:
    """Judge an account again only later, as it can't be judged now; None: never by itself."""
    await connection.execute(_SQL["put_off"], tenant_id, wait)


async def fail(
    connection: Connection,
    claimed: Claimed,
    *,
    error: str,
    retry_after: timedelta,
    problem: str | None = None,
) -> None:
    """Record why an account couldn't be synced; it is tried again."""
    await connection.execute(
        _SQL["fail"],
        claimed.tenant_id,
        claimed.dirty,
        retry_after,
        error.replace("\0", "")[:_ERROR_LENGTH_MAX],
        problem,
    )


async def page(
    connection: Connection, provider: str, *, after: TenantId | None, items_max: int
) -> list[TenantId]:
    """Read whose accounts there are in pieces, in the order of their ids."""
    rows = await connection.fetch(_SQL["page"], provider, after, items_max)
    return [row["tenant_id"] for row in rows]


async def _found(connection: Connection, tenant_id: TenantId) -> Account:
    account = await lock(connection, tenant_id)
    if account is None:
        raise NotFound(f"tenant {tenant_id} has no account")
    return account


async def _record(
    connection: Connection,
    tenant: Tenant,
    action: str,
    *,
    reason: str,
    detail: dict[str, object],
) -> None:
    """Write the audit."""
    deed = audit.Deed(
        actor=ACTOR,
        action=action,
        target=tenant.slug,
        tenant_id=tenant.id,
        reason=reason,
        detail=detail,
    )
    await audit.write(connection, deed)


def _claimed(row: asyncpg.Record | None) -> Claimed | None:
    if row is None:
        return None
    return Claimed(
        tenant_id=row["tenant_id"],
        customer_id=row["customer_id"],
        dirty=row["dirty"],
        attempts=row["attempts"],
    )


def _account_or_none(row: asyncpg.Record | None) -> Account | None:
    return None if row is None else _account(row)


def _account(row: asyncpg.Record) -> Account:
    contract = None
    if row["contract_plan"] is not None:
        contract = Contract(
            plan=row["contract_plan"],
            reason=row["contract_reason"],
            until=row["contract_until"],
        )
    return Account(
        tenant_id=row["tenant_id"],
        provider=row["provider"],
        customer_id=row["customer_id"],
        dirty=row["dirty"],
        synced=row["synced"],
        seen=None if row["seen"] is None else msgspec.json.decode(row["seen"], type=Seen),
        seen_at=row["seen_at"],
        contract=contract,
        has_bought=row["has_bought"],
        standing=Standing(row["standing"]),
        standing_since=row["standing_since"],
        standing_until=row["standing_until"],
        cause=Cause(row["standing_reason"]) if row["standing_reason"] else None,
        problem=row["problem"],
        attempts=row["attempts"],
        error=row["error"],
    )
