"""Turning back: a move is given up before its decision, and leaves nothing behind.

The tenant goes on at the source, which never knew; only its capture is put to sleep. What was made
at the target is taken away, which is safe because nobody but the mover was ever there.

That a move turns back is recorded before anything is taken away: a successor that went on with it
would miss what was written while the capture slept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion import homes
from promotion.erasing import database_is_there, erase_place, forget_log
from promotion.leg import is_left
from promotion.side import Bounds
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.leg import Leg
    from promotion.terms import Terms

_BOUNDS = Bounds(statement_ms=60_000, lock_ms=1_000)


class AlreadyDecided(Exception):
    """An older mover's decision came before this one took over: the only way is forward."""


async def turn_back(
    terms: Terms,
    leg: Leg,
    *,
    landing_schema: str,
    check_ours: Callable[[], Awaitable[object]],
) -> None:
    """Undo every trace of a move that is recorded as turning back; safe to repeat.

    ``check_ours`` raises Superseded when the operation isn't this process's any more. Raises
    AlreadyDecided.
    """
    reach, name = terms.faults.reach, str(leg.mover.move_id)
    tenant_id = leg.source.tenant_id
    reach("turn_back.before")
    async with leg.source.connection(name) as source:
        # From here on no older mover can decide; so whether one has is certain.
        await homes.take_over_as_ours(source, leg.mover, tenant_id, check_ours=check_ours)
        if await is_left(leg, source):
            raise AlreadyDecided
        async with leg.source.transaction(source, bounds=_BOUNDS):
            await leg.mover.hold(source)
            await homes.put_to_sleep(source, tenant_id)
        await forget_log(leg.source, source, leg.mover)
    reach("turn_back.asleep")
    await _close_target(terms, leg, check_ours)
    reach("turn_back.closed")
    await erase_place(
        terms,
        leg.target,
        leg.mover,
        landing_schema=landing_schema if leg.target.placement.tier is Tier.ROWS else None,
        beside=leg.source,
        check_ours=check_ours,
    )
    reach("turn_back.erased")
    async with leg.source.connection(name) as source:
        await homes.dismiss(source, leg.mover)
    reach("turn_back.after")


async def _close_target(
    terms: Terms, leg: Leg, check_ours: Callable[[], Awaitable[object]]
) -> None:
    """Take back what an attempt at the fence may have opened there, for nobody."""
    if leg.is_one_database or not await database_is_there(terms, leg.target):
        return
    async with leg.target.connection(str(leg.mover.move_id)) as target:
        # Whoever slept until the next move came would take away what that one opened.
        await homes.take_over_as_ours(
            target, leg.mover, leg.source.tenant_id, check_ours=check_ours
        )
        async with leg.target.transaction(target, bounds=_BOUNDS):
            await leg.mover.hold(target)
            await homes.forget_never_home(target, leg.target)
