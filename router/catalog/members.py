"""Memberships: who may enter which tenant, in which role. A tenant always keeps an owner."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import msgspec

from router.catalog import roles
from router.errors import Conflict, NotFound
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Generator

    from router.connect import Connection

_SQL = load("router.catalog", "members.sql")


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """One account in one tenant."""

    id: UUID
    tenant_id: TenantId
    account_id: UUID
    email: str
    name: str
    role: str
    created_at: datetime


class MemberTenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as its member sees it at log-in.

    ``needs_sign_on``: this member enters it by the tenant's own identity provider alone.
    """

    id: TenantId
    slug: str
    name: str
    role: str
    plan: str
    needs_sign_on: bool = False


async def add(
    connection: Connection, tenant_id: TenantId, account_id: UUID, *, role: str
) -> Membership:
    """Let an account into a tenant; raises Conflict when it is in already."""
    await roles.get(connection, tenant_id, role)
    added = await connection.fetchval(_SQL["add"], uuid4(), tenant_id, account_id, role)
    if added is None:
        raise Conflict("this account is a member of the tenant already")
    return await get(connection, tenant_id, added)


async def list_all(connection: Connection, tenant_id: TenantId) -> list[Membership]:
    """Return the tenant's members by e-mail address."""
    return [_membership(row) for row in await connection.fetch(_SQL["list"], tenant_id)]


async def get(connection: Connection, tenant_id: TenantId, membership_id: UUID) -> Membership:
    """Return one membership of this tenant, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], tenant_id, membership_id)
    if row is None:
        raise _no_member(membership_id)
    return _membership(row)


async def hold(connection: Connection, tenant_id: TenantId, membership_id: UUID) -> Membership:
    """Return one membership, whose role stays what it is until this transaction changes it."""
    row = await connection.fetchrow(_SQL["hold"], tenant_id, membership_id)
    if row is None:
        raise _no_member(membership_id)
    return _membership(row)


async def find(connection: Connection, tenant_id: TenantId, account_id: UUID) -> Membership | None:
    """Find an account's membership of this tenant."""
    row = await connection.fetchrow(_SQL["find_by_account"], tenant_id, account_id)
    return None if row is None else _membership(row)


async def hold_seats(connection: Connection, tenant_id: TenantId) -> None:
    """Keep others from taking a seat until this transaction ends: count after it, then add."""
    await connection.execute(_SQL["hold_seats"], tenant_id)


async def count(connection: Connection, tenant_id: TenantId) -> int:
    """Count the seats that are taken."""
    return int(await connection.fetchval(_SQL["count"], tenant_id))


async def tenants_of(connection: Connection, account_id: UUID) -> list[MemberTenant]:
    """Return the tenants that an account may enter."""
    return [
        MemberTenant(
            id=row["id"],
            slug=row["slug"],
            name=row["name"],
            role=row["role"],
            plan=row["plan"],
            needs_sign_on=row["needs_sign_on"],
        )
        for row in await connection.fetch(_SQL["tenants_of"], account_id)
    ]


async def set_role(
    connection: Connection, tenant_id: TenantId, membership_id: UUID, *, role: str
) -> Membership:
    """Change a member's role; raises Conflict when the tenant would have no owner."""
    await roles.get(connection, tenant_id, role)
    with _an_owner_stays():
        await connection.fetchval(_SQL["set_role"], tenant_id, membership_id, role)
    return await get(connection, tenant_id, membership_id)


async def remove(connection: Connection, tenant_id: TenantId, membership_id: UUID) -> None:
    """Take a member out; raises Conflict when the tenant would have no owner."""
    with _an_owner_stays():
        if await connection.fetchval(_SQL["remove"], tenant_id, membership_id) is None:
            raise _no_member(membership_id)


@contextmanager
def _an_owner_stays() -> Generator[None]:
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "tenant_keeps_an_owner":
            raise Conflict("a tenant keeps at least one owner: make another one first") from error
        raise


def _no_member(membership_id: UUID) -> NotFound:
    return NotFound(f"the tenant has no member {membership_id}")


def _membership(row: asyncpg.Record) -> Membership:
    return Membership(
        id=row["id"],
        tenant_id=row["tenant_id"],
        account_id=row["account_id"],
        email=row["email"],
        name=row["name"],
        role=row["role"],
        created_at=row["created_at"],
    )
