"""What is known lately of tenants: how busy and how large they are, and their tables' revision."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.connect import Connection
    from router.words import TenantId

_SQL = load("router.catalog", "latest.sql")


class Lately(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted and measured of a tenant; null is what nobody counted or measured yet.

    ``requests`` are those of the last hour. ``active_at`` is the hour of its last call, within the
    last hour the minute. ``is_behind``: its tables lack the product's newest revision.
    """

    requests: int = 0
    active_at: datetime | None = None
    stored_bytes: int | None = None
    revision: str | None = None
    is_behind: bool | None = None


async def of(
    connection: Connection, tenant_ids: Sequence[TenantId], *, revisions: Sequence[str] = ()
) -> dict[TenantId, Lately]:
    """Look at all of them at once; ``revisions`` are the product's, the oldest first."""
    rows = await connection.fetch(_SQL["of"], tenant_ids)
    return {
        row["id"]: Lately(
            requests=row["requests"],
            active_at=row["active_at"],
            stored_bytes=row["stored_bytes"],
            revision=row["revision"],
            is_behind=is_behind(row["revision"], revisions),
        )
        for row in rows
    }


def is_behind(revision: str | None, revisions: Sequence[str]) -> bool | None:
    """Tell whether a place lacks the newest revision; None where that isn't known."""
    return revision != revisions[-1] if revision in revisions else None
