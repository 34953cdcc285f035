"""Notices: what a tenant's people are told, once each, and until when it holds."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from router.catalog import moves
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing.life_words import Notice
    from router.connect import Connection

ITEMS_MAX = 100
_SQL = load("billing", "notices.sql")


class GivenNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as it was given. ``ended_at`` is since when it doesn't hold any more."""

    id: UUID
    kind: str
    topic: str
    said: str
    detail: dict[str, object]
    due_at: datetime | None
    at: datetime
    ended_at: datetime | None


async def give(connection: Connection, tenant_id: TenantId, notice: Notice) -> bool:
    """Tell a tenant's people, with a message for whoever sends it on; false if they know."""
    given = await connection.fetchval(
        _SQL["give"],
        uuid4(),
        tenant_id,
        notice.kind,
        notice.topic,
        notice.said,
        msgspec.json.encode(notice.detail).decode(),
        notice.due_at,
    )
    if given is None:
        return False
    payload: dict[str, object] = {"notice": str(given), "kind": notice.kind, "said": notice.said}
    await moves.put_out(connection, "notice.given", tenant_id, payload)
    return True


async def end(connection: Connection, tenant_id: TenantId, kind: str) -> None:
    """Record that what notices of a kind said doesn't hold any more."""
    await connection.execute(_SQL["end"], tenant_id, kind)


async def end_others(
    connection: Connection,
    tenant_id: TenantId,
    kinds: Sequence[str],
    *,
    holding: Sequence[Notice],
) -> None:
    """End the notices of these kinds, but not those that hold."""
    await connection.execute(
        _SQL["end_others"],
        tenant_id,
        list(kinds),
        [notice.kind for notice in holding],
        [notice.topic for notice in holding],
    )


async def list_all(
    connection: Connection, tenant_id: TenantId, *, is_ended_too: bool = False
) -> list[GivenNotice]:
    """Return what a tenant was told and still holds, the newest first."""
    rows = await connection.fetch(_SQL["list"], tenant_id, is_ended_too, ITEMS_MAX)
    return [
        GivenNotice(
            id=row["id"],
            kind=row["kind"],
            topic=row["topic"],
            said=row["said"],
            detail=msgspec.json.decode(row["detail"], type=dict[str, object]),
            due_at=row["due_at"],
            at=row["at"],
            ended_at=row["ended_at"],
        )
        for row in rows
    ]
