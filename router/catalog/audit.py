"""The audit: who did what to whom, and why. Rows are only ever added; the database sees to it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from router.catalog.catalog import Page
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    import asyncpg

    from router.connect import Connection

_SQL = load("router.catalog", "audit.sql")


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done.

    ``actor`` is ``account:ID``, ``key:ID``, ``operator:NAME``, ``staff:EMAIL`` or ``worker``.
    """

    actor: str
    action: str
    target: str
    tenant_id: TenantId | None = None
    reason: str | None = None
    detail: dict[str, object] = {}
    request_id: str | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A deed with its place in the trail."""

    id: int
    at: datetime
    deed: Deed


async def write(connection: Connection, deed: Deed) -> None:
    """Add to the trail, in the transaction of the deed itself: neither is without the other."""
    await connection.execute(
        _SQL["write"],
        deed.tenant_id,
        deed.actor,
        deed.action,
        deed.target,
        deed.reason,
        msgspec.json.encode(deed.detail).decode(),
        deed.request_id,
    )


async def list_page(
    connection: Connection,
    *,
    tenant_id: TenantId | None = None,
    by_staff: bool = False,
    before: int | None = None,
    items_max: int = 50,
) -> Page[AuditEntry]:
    """List the trail from the newest entry; ``before`` is the cursor that the last page gave."""
    rows = await connection.fetch(_SQL["list"], tenant_id, before, items_max + 1, by_staff)
    items = tuple(_entry(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


def _entry(row: asyncpg.Record) -> AuditEntry:
    deed = Deed(
        actor=row["actor"],
        action=row["action"],
        target=row["target"],
        tenant_id=row["tenant_id"],
        reason=row["reason"],
        detail=msgspec.json.decode(row["detail"], type=dict[str, object]),
        request_id=row["request_id"],
    )
    return AuditEntry(id=row["id"], at=row["at"], deed=deed)
