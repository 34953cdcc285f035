"""A tenant's life: its deeds, moves, letters of billing and operations, in one order."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from router.catalog.catalog import Page
from router.errors import BadRequest
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection
    from router.words import TenantId

#: Kinds of deeds that change what a tenant is, may or pays; what its people do among themselves
#: stands in the audit alone.
KINDS: Final = (
    "tenant",
    "move",
    "plan",
    "standing",
    "limits",
    "billing",
    "deletion",
    "promotion",
    "onboarding",
)
DEEDS: Final = (
    "access.begin",
    "access.end",
    "domain.verify",
    "domain.off",
    "sso.put",
    "sso.remove",
)
_CURSOR: Final = re.compile(
    r"(\d{1,16})\.(audit|move|notice|operation)\.([0-9a-f-]{1,40})", re.ASCII
)
_SQL = load("router.catalog", "timeline.sql")


class LifeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened, and who did it. ``move`` is the move that it was a part of."""

    at: datetime
    what: str
    by: str
    said: str
    reason: str | None
    move: UUID | None


async def page(
    connection: Connection, tenant_id: TenantId, *, after: str | None = None, items_max: int = 50
) -> Page[LifeEvent]:
    """Read from the newest event; ``after`` is the cursor that the last page gave."""
    moment, source, event_id = _read_cursor(after)
    rows = await connection.fetch(
        _SQL["page"], tenant_id, KINDS, DEEDS, moment, source, event_id, items_max + 1
    )
    shown = rows[:items_max]
    items = tuple(
        LifeEvent(
            at=row["at"],
            what=row["what"],
            by=row["by"],
            said=row["said"],
            reason=row["reason"],
            move=row["move"],
        )
        for row in shown
    )
    if len(rows) <= items_max:
        return Page(items=items, next=None)
    last = shown[-1]
    return Page(items=items, next=f"{last['moment']}.{last['source']}.{last['id']}")


def _read_cursor(text: str | None) -> tuple[int | None, str | None, str | None]:
    if text is None:
        return None, None, None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise BadRequest("`after` is no cursor: send the `next` of the page before")
    return int(found[1]), found[2], found[3]
