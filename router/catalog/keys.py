"""API keys: a program's credential, for one tenant, in one role."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import moves, roles, tokens
from router.catalog.tenants import check_name
from router.errors import Conflict, NotFound
from router.sealing import hash_token
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from router.connect import Connection

KEYS_MAX = 100
_SQL = load("router.catalog", "keys.sql")


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret; ``last_used_at`` is right to the minute."""

    id: str
    tenant_id: TenantId
    name: str
    role: str
    created_by: UUID | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its secret, which is what callers send and can't be shown again."""

    key: ApiKey
    secret: str


async def issue(
    connection: Connection,
    tenant_id: TenantId,
    *,
    name: str,
    role: str,
    created_by: UUID | None = None,
) -> IssuedKey:
    """Make a key, and have those who see to the tenant told of it; needs a transaction."""
    await roles.get(connection, tenant_id, role)
    if await connection.fetchval(_SQL["count"], tenant_id) >= KEYS_MAX:
        raise Conflict(f"a tenant may have {KEYS_MAX} keys: revoke those that nobody uses")
    key_id, secret = tokens.draw_key()
    row = await connection.fetchrow(
        _SQL["issue"],
        key_id,
        tenant_id,
        check_name(name),
        role,
        hash_token(secret),
        created_by,
    )
    assert row is not None, "an insert returns its row"
    told: dict[str, object] = {"name": row["name"], "role": role, "by": row["made_by"]}
    await moves.put_out(connection, "key.create", tenant_id, told)
    return IssuedKey(key=_key(row), secret=secret)


async def list_all(connection: Connection, tenant_id: TenantId) -> list[ApiKey]:
    """Return the tenant's keys, the revoked ones too."""
    return [_key(row) for row in await connection.fetch(_SQL["list"], tenant_id)]


async def revoke(connection: Connection, tenant_id: TenantId, key_id: str) -> None:
    """End a key for good; one that is revoked stays so."""
    if await connection.fetchval(_SQL["revoke"], tenant_id, key_id) is None:
        raise NotFound(f"the tenant has no key {key_id[:40]!r}")


async def note_used(connection: Connection, key_ids: Iterable[str]) -> None:
    """Remember that keys were used, at most once a minute each."""
    await connection.execute(_SQL["note_used"], sorted(key_ids))


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        tenant_id=row["tenant_id"],
        name=row["name"],
        role=row["role"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
