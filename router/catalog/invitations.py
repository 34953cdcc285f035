"""Invitations: a token by e-mail that lets one address into one tenant, once, for seven days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from router.catalog import accounts, members, roles, tokens
from router.catalog.accounts import check_email
from router.catalog.roles import OWNER
from router.errors import NotFound
from router.sealing import hash_token
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    import asyncpg

    from router.catalog.accounts import Account
    from router.catalog.members import Membership
    from router.connect import Connection

INVITATION_LIFE = timedelta(days=7)
_SQL = load("router.catalog", "invitations.sql")


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """Who is invited where, in which role. ``invited_by`` is known where its token was shown."""

    id: UUID
    tenant_id: TenantId
    email: str
    role: str
    expires_at: datetime
    invited_by: str | None = None


class IssuedInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation with its tokens.

    Whoever invites may hand ``token`` on; ``mailed_token`` goes by mail to the invited address and
    nowhere else, so whoever brings it reads that address.
    """

    invitation: Invitation
    token: str
    mailed_token: str


async def invite(
    connection: Connection,
    tenant_id: TenantId,
    *,
    email: str,
    role: str,
    invited_by: UUID | None = None,
) -> IssuedInvitation:
    """Invite an address; an earlier open invitation of it ends. Needs a transaction."""
    normal, token, mailed = check_email(email), tokens.draw_invitation(), tokens.draw_invitation()
    await roles.get(connection, tenant_id, role)
    await connection.execute(_SQL["withdraw_open"], tenant_id, normal)
    row = await connection.fetchrow(
        _SQL["create"],
        uuid4(),
        tenant_id,
        normal,
        role,
        hash_token(token),
        hash_token(mailed),
        INVITATION_LIFE,
        invited_by,
    )
    assert row is not None, "an insert returns its row"
    return IssuedInvitation(invitation=_invitation(row), token=token, mailed_token=mailed)


async def make_owner(
    connection: Connection, tenant_id: TenantId, email: str
) -> IssuedInvitation | None:
    """Let the person of an address own a tenant; an invitation where nobody has proved it yet.

    Needs a transaction. Else whoever signed up first with a customer's address would own the
    customer's tenant.
    """
    account = await accounts.find_proved(connection, check_email(email))
    if account is None:
        return await invite(connection, tenant_id, email=email, role=OWNER)
    if await members.find(connection, tenant_id, account.id) is None:
        await members.add(connection, tenant_id, account.id, role=OWNER)
    return None


async def get(connection: Connection, token: str) -> Invitation:
    """Return the open invitation of a token, or raise NotFound: used, expired or never made."""
    row = await connection.fetchrow(_SQL["find_open"], hash_token(token))
    if row is None:
        raise _not_open()
    return _invitation(row)


async def is_mailed(connection: Connection, token: str) -> bool:
    """Tell whether a token is the one that went to the address by mail."""
    found: bool = await connection.fetchval(_SQL["is_mailed"], hash_token(token))
    return found


async def list_open(connection: Connection, tenant_id: TenantId) -> list[Invitation]:
    """Return the invitations that can still be accepted."""
    return [_invitation(row) for row in await connection.fetch(_SQL["list_open"], tenant_id)]


async def accept(connection: Connection, token: str, account: Account) -> Membership:
    """Let the invited account in; needs a transaction. A token that leaked serves nobody else.

    A token that came by mail proves the address on the way.
    """
    row = await connection.fetchrow(_SQL["use"], hash_token(token), account.email)
    if row is None:
        raise _not_open()
    if row["was_mailed"]:
        await accounts.confirm(connection, account.id)
    return await members.add(connection, row["tenant_id"], account.id, role=row["role"])


async def withdraw(connection: Connection, tenant_id: TenantId, invitation_id: UUID) -> None:
    """Take back an invitation that nobody accepted."""
    if await connection.fetchval(_SQL["withdraw"], tenant_id, invitation_id) is None:
        raise NotFound(f"the tenant has no open invitation {invitation_id}")


def _not_open() -> NotFound:
    return NotFound("there is no open invitation with this token for you; ask for a new one")


def _invitation(row: asyncpg.Record) -> Invitation:
    return Invitation(
        id=row["id"],
        tenant_id=row["tenant_id"],
        email=row["email"],
        role=row["role"],
        expires_at=row["expires_at"],
        invited_by=row.get("invited_by"),
    )
