"""The way back of a decided move: from the tenant's new place to the one that it came from.

Whoever goes there, a keeper or an undo, begins where the decision left a mark in the new home, or
where a keeper has come since. A mark that is too old does no harm: what was taken out of the log
was brought before, and what is in it still is looked at once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from promotion.changes import WATERMARK_PART
from promotion.following import watermark
from promotion.leg import REVERSE_PART, Leg
from promotion.side import Bounds, Mover, Side
from router.catalog import moving
from router.errors import RequestRefused

if TYPE_CHECKING:
    from uuid import UUID

    from promotion.leg import Ends
    from promotion.terms import Terms
    from router.catalog.move_words import Move
    from router.catalog.operations import Operation
    from router.connect import Connection

_BOUNDS = Bounds(statement_ms=10_000)
_PART = "SELECT data -> $2 FROM gate.move WHERE move_id = $1"


def leg_back(terms: Terms, move: Move, operation: Operation) -> Leg:
    """Return the leg on which an operation of a decided move brings rows back."""
    living = Side(fleet=terms.fleet, tenant_id=move.tenant_id, placement=move.target)
    left = msgspec.structs.replace(living, placement=moving.way_back(move))
    return Leg(
        source=living,
        target=left,
        into=left,
        shape=terms.shape,
        mover=Mover(move_id=operation.id, token=operation.fencing_token),
        captures=False,
    )


async def begin(leg: Leg, ends: Ends, move: Move) -> None:
    """Note from which moment on changes are to be brought back, unless that is known.

    Where another mover may have come further, it is to be ousted before.
    """
    if await watermark(leg, ends) is not None:
        return
    mark = None
    if move.keep is not None:
        mark = await _mark(ends.target, move.keep.id, WATERMARK_PART)
    if mark is None:
        mark = await _mark(ends.source, move.id, REVERSE_PART)
    if mark is None:
        raise RequestRefused(
            f"move {move.id} left no mark in database {leg.source.placement.database}: it can't be "
            "undone, only settled"
        )
    async with leg.target.transaction(ends.target, bounds=_BOUNDS):
        await leg.mover.hold(ends.target)
        await leg.mover.note(ends.target, WATERMARK_PART, mark)


async def _mark(connection: Connection, move_id: UUID, part: str) -> str | None:
    found = await connection.fetchval(_PART, move_id, part)
    return None if found is None else msgspec.json.decode(found, type=str)
