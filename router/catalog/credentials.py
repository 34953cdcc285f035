"""Credentials: what a session or an API key allows, read in one question each."""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import roles, tokens
from router.catalog.roles import Permission, Role
from router.sealing import hash_token
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from router.connect import Connection

_SQL = load("router.catalog", "credentials.sql")
#: What staff may in a tenant: its rows, and nothing of its people, keys or payments.
_READING = Role(name="staff (reads)", permissions=frozenset({Permission.ROWS_READ}))
_WRITING = Role(
    name="staff (writes)", permissions=frozenset({Permission.ROWS_READ, Permission.ROWS_WRITE})
)


class StaffRole(StrEnum):
    """What a person of ours may do in the console: look, bring in customers, or everything."""

    OBSERVER = "observer"
    SALES = "sales"
    OPERATOR = "operator"


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    """A person of ours, as the audit names one."""

    email: str
    role: StaffRole


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, and what it may do where. Exactly one of the three ids is there.

    ``tenant_id`` is the tenant that the credential itself names: a key's own, the one that a
    session was switched to, or the one that staff have access to; ``access_by`` is who of them.
    ``is_confined``: that tenant's own identity provider said who it is, so it is nobody outside of
    it.
    """

    token_hash: bytes
    account_id: UUID | None = None
    api_key_id: str | None = None
    access_id: UUID | None = None
    access_by: str | None = None
    tenant_id: TenantId | None = None
    memberships: dict[TenantId, Role]
    expires_s: float | None = None
    staff: Staff | None = None
    is_confined: bool = False

    @property
    def actor(self) -> str:
        """How the audit names the caller."""
        if self.access_id is not None:
            return f"staff:{self.access_by}"
        return f"account:{self.account_id}" if self.account_id else f"key:{self.api_key_id}"

    def role_in(self, tenant_id: TenantId) -> Role | None:
        """Return the caller's role in a tenant; None when it is no member."""
        return self.memberships.get(tenant_id)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A token that a caller showed, well formed, not yet believed. Never holds the token itself."""

    token_hash: bytes
    api_key_id: str | None = None
    is_access: bool = False


class _Row(msgspec.Struct, frozen=True):
    tenant_id: UUID
    role: str
    permissions: list[str] | None


def read_token(token: str) -> Shown | None:
    """Return what a text shows, None when it can't be a token of ours."""
    if tokens.is_session(token):
        return Shown(token_hash=hash_token(token))
    if tokens.is_access(token):
        return Shown(token_hash=hash_token(token), is_access=True)
    key_id = tokens.key_id_of(token)
    return None if key_id is None else Shown(token_hash=hash_token(token), api_key_id=key_id)


async def find(connection: Connection, shown: Shown) -> Credential | None:
    """Return what the token allows; None when it is unknown, ended, revoked or shut out."""
    return next(iter(await find_many(connection, [shown])), None)


async def find_many(connection: Connection, shown: Iterable[Shown]) -> list[Credential]:
    """Return what those of the tokens allow that still allow anything, in no order."""
    shown = [*shown]
    accesses = [one.token_hash for one in shown if one.is_access]
    sessions = [one.token_hash for one in shown if one.api_key_id is None and not one.is_access]
    keys = {one.api_key_id: one.token_hash for one in shown if one.api_key_id is not None}
    found: list[Credential] = []
    if sessions:
        rows = await connection.fetch(_SQL["sessions"], sessions)
        found += [_session(row) for row in rows]
    if accesses:
        rows = await connection.fetch(_SQL["accesses"], accesses)
        found += [_access(row) for row in rows]
    if keys:
        rows = await connection.fetch(_SQL["keys"], [*keys])
        found += [
            _key(row) for row in rows if hmac.compare_digest(row["secret_hash"], keys[row["id"]])
        ]
    return found


def _session(row: asyncpg.Record) -> Credential:
    rows = msgspec.json.decode(row["memberships"], type=list[_Row])
    return Credential(
        token_hash=row["token_hash"],
        account_id=row["account_id"],
        tenant_id=row["tenant_id"],
        memberships={one.tenant_id: roles.made(one.role, one.permissions) for one in rows},
        expires_s=row["expires_at"].timestamp(),
        staff=_staff(row),
        is_confined=row["is_confined"],
    )


def _staff(row: asyncpg.Record) -> Staff | None:
    role = row["staff_role"]
    return None if role is None else Staff(email=row["email"], role=StaffRole(role))


def _access(row: asyncpg.Record) -> Credential:
    tenant_id: UUID = row["tenant_id"]
    return Credential(
        token_hash=row["token_hash"],
        access_id=row["id"],
        access_by=row["requested_by"],
        tenant_id=tenant_id,
        memberships={tenant_id: _WRITING if row["mode"] == "write" else _READING},
        expires_s=row["ends_at"].timestamp(),
    )


def _key(row: asyncpg.Record) -> Credential:
    tenant_id: UUID = row["tenant_id"]
    return Credential(
        token_hash=row["secret_hash"],
        api_key_id=row["id"],
        tenant_id=tenant_id,
        memberships={tenant_id: roles.made(row["role"], row["permissions"])},
    )
