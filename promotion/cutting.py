"""Attempts at the fence until one of them is the decision: short ones, and at a good moment."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from promotion import capture, homes
from promotion.fence import Cut, Missed, attempt
from promotion.following import catch_up, watermark
from promotion.side import Bounds
from promotion.terms import HolderPolicy
from router.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from promotion.capture import Holder
    from promotion.changes import Brought
    from promotion.leg import Ends, Leg
    from promotion.terms import MoveLimits

#: A transaction older than this would make the fence wait: it isn't even tried.
HOLDER_MS_MAX = 50
_LOOK_S = 0.02
_REST_S_MIN = 0.05
_REST_S_MAX = 2.0
_PAUSE = "SELECT data -> 'pause_ms' FROM gate.move WHERE move_id = $1"
_BOUNDS = Bounds(statement_ms=10_000)
_END = "SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid"


class WaitedTooLong(PlatformError):
    """The tenant's own transactions didn't let the move pass in its time."""

    code = "waited_too_long"
    title = "The tenant's transactions don't end"


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told how it goes; what it raises ends the work."""

    after_round: Callable[[Brought, int], Awaitable[None]]
    reach: Callable[[str], None]
    while_waiting: Callable[[], Awaitable[object]] = capture.nothing
    is_hurried: Callable[[], bool] = bool


async def cut(leg: Leg, ends: Ends, limits: MoveLimits, listener: Listener) -> Cut:
    """Decide, or raise WaitedTooLong."""
    ends_s = time.monotonic() + limits.wait_s_max
    rest_s, may_end = _REST_S_MIN, limits.holders is HolderPolicy.END
    attempts = 0
    while True:
        waiting_for = await _a_good_moment(leg, ends, ends_s, listener.while_waiting)
        if waiting_for and may_end:
            await end_transactions(ends, waiting_for)
            may_end, ends_s = False, time.monotonic() + limits.wait_s_max
            continue
        if waiting_for:
            raise WaitedTooLong(
                f"tenant {leg.source.tenant_id} has transactions that don't end: "
                f"{', '.join(f'process {each.pid}' for each in waiting_for)}; end them, or set "
                f"STEPWELL_MOVE_HOLDERS={HolderPolicy.END.value}"
            )
        await catch_up(leg, ends, limits, after_round=listener.after_round)
        since = await watermark(leg, ends)
        assert since is not None, "a round has just been made"
        made = await attempt(leg, ends, since, listener.reach)
        attempts += 1
        match made:
            case Cut():
                return msgspec.structs.replace(made, attempts=attempts)
            case Missed():
                # The target may be open by now, under an epoch that nobody was told.
                await shut_target(leg, ends)
        if time.monotonic() > ends_s:
            raise WaitedTooLong(
                f"no attempt to move tenant {leg.source.tenant_id} came through in "
                f"{limits.wait_s_max:g} s: {made.reason}"
            )
        if listener.is_hurried():
            rest_s = _REST_S_MIN
        await asyncio.sleep(rest_s)
        rest_s = min(rest_s * 2, _REST_S_MAX)


async def shut_target(leg: Leg, ends: Ends) -> None:
    """Let nobody into a target that an attempt may have opened, unless another mover has it."""
    if leg.is_one_database:
        return
    async with leg.target.transaction(ends.target, bounds=_BOUNDS):
        await leg.mover.hold(ends.target)
        await homes.receive(ends.target, leg.source, leg.target)


async def end_transactions(ends: Ends, holders: Sequence[Holder]) -> None:
    """End the sessions that hold up a move; their clients meet a closed connection."""
    await ends.source.execute(_END, [each.pid for each in holders])


async def pause_ms(leg: Leg, ends: Ends) -> float:
    """Return how long writers were held, as the decision itself recorded it."""
    found = await ends.source.fetchval(_PAUSE, leg.mover.move_id)
    return 0.0 if found is None else msgspec.json.decode(found, type=float)


async def _a_good_moment(
    leg: Leg, ends: Ends, ends_s: float, while_waiting: Callable[[], Awaitable[object]]
) -> list[Holder]:
    """Wait until no old transaction is in the tenant; name those that stayed until the end."""
    while True:
        old = await capture.long_holders(
            ends.source, leg.source.tenant_id, older_than_ms=HOLDER_MS_MAX
        )
        if not old or time.monotonic() > ends_s:
            return old
        await while_waiting()
        await asyncio.sleep(_LOOK_S)
