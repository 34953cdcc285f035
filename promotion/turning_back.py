"""Turning back: a move is given up before its decision, and leaves nothing behind.

The tenant goes on at the source, which never knew; only its capture is put to sleep. What was made
at the target is taken away, which is safe because nobody but the mover was ever there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion import capture, homes
from promotion.erasing import database_is_there, erase_place
from router.words import Tier

if TYPE_CHECKING:
    from promotion.leg import Leg
    from promotion.terms import Terms


async def turn_back(terms: Terms, leg: Leg, *, landing_schema: str) -> None:
    """Undo every trace of a move; safe to repeat. The caller knows that it wasn't decided."""
    reach, name = terms.faults.reach, str(leg.mover.move_id)
    tenant_id = leg.source.tenant_id
    reach("turn_back.before")
    async with leg.source.connection(name) as source:
        spared = [source.get_server_pid()]
        # From here on no older mover can decide.
        await homes.take_over(source, leg.mover, tenant_id, spared=spared)
        await capture.sleep(source, tenant_id, wait_s_max=terms.limits.wait_s_max)
        await homes.delay(source, tenant_id, 0)
        await capture.forget(source, tenant_id)
    reach("turn_back.asleep")
    await _close_target(terms, leg)
    await erase_place(
        terms,
        leg.target,
        landing_schema=landing_schema if leg.target.placement.tier is Tier.ROWS else None,
        beside=leg.source,
    )
    async with leg.source.connection(name) as source:
        await homes.dismiss(source, leg.mover)
    reach("turn_back.after")


async def _close_target(terms: Terms, leg: Leg) -> None:
    """Take back what an attempt at the fence may have opened there, for nobody."""
    if leg.is_one_database or not await database_is_there(terms, leg.target):
        return
    async with leg.target.connection(str(leg.mover.move_id)) as target:
        spared = [target.get_server_pid()]
        await homes.take_over(target, leg.mover, leg.source.tenant_id, spared=spared)
        await homes.forget_never_home(target, leg.target)
