"""Finding a tenant by what an operator was given of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.sql import load
from router.words import TenantStatus, Tier

if TYPE_CHECKING:
    from router.connect import Connection

_SQL = load("router.catalog", "search.sql")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant, and what of it was looked for: ``way`` says what ``what`` is of the tenant."""

    id: UUID
    slug: str
    name: str
    status: TenantStatus
    plan: str
    tier: Tier | None
    way: str
    what: str


async def find(connection: Connection, word: str, *, items_max: int) -> list[Found]:
    """Return tenants by slug, each of them once, with the most exact way that led to it."""
    lower = word.lower()
    escaped = "".join(f"\\{each}" if each in "%_\\" else each for each in lower)
    rows = await connection.fetch(_SQL["find"], lower, items_max, f"{escaped}%", word)
    return [
        Found(
            id=row["id"],
            slug=row["slug"],
            name=row["name"],
            status=TenantStatus(row["status"]),
            plan=row["plan"],
            tier=row["tier"] and Tier(row["tier"]),
            way=row["way"],
            what=row["what"],
        )
        for row in rows
    ]
