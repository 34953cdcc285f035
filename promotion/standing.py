"""Standing still: what a paused move does now and then, which is next to nothing.

It lets the tenant's writers go at their own speed and tells how much waits for it. Capture stays
awake, so nothing has to be done again when it goes on; that is why the log grows meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion import capture, homes
from promotion.following import delay_writers
from promotion.leg import is_left
from promotion.turning_back import AlreadyDecided

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.capture import Waiting
    from promotion.leg import Leg


async def stand_still(leg: Leg, *, check_ours: Callable[[], Awaitable[object]]) -> Waiting:
    """See that nobody is slowed down for a move that doesn't go on; return what waits for it.

    ``check_ours`` raises Superseded. Raises AlreadyDecided: a predecessor may have died between the
    decision and its record, and the catalog is told in any case.
    """
    tenant_id = leg.source.tenant_id
    async with leg.source.connection(str(leg.mover.move_id)) as source:
        if await is_left(leg, source):
            raise AlreadyDecided
        waiting = await capture.waiting(source, tenant_id)
        if waiting.delay_ms:
            await homes.take_over_as_ours(source, leg.mover, tenant_id, check_ours=check_ours)
            await delay_writers(leg, source, 0)
    return waiting
