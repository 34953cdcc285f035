"""The fence: the moment in which a tenant's writers wait, and the decision at its end.

The source's transaction T takes the tenant's lock exclusively. What changed since the last round
is brought over while T holds it, the target is opened under an epoch that nobody knows yet, and
T's own COMMIT, which shuts the source and tells where the tenant went, is the decision. Whoever
dies before it leaves a source that goes on as if nothing had been; whoever dies after it leaves a
source that sends everybody on. No third state exists, and no second server has to agree.

Before T waits for that lock it locks the tables as any reader does, and looks whether they are
still those of the target: nobody can alter them from then until the decision.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from promotion import capture, homes
from promotion.applying import RowsDiffer
from promotion.changes import apply, gather, spell_delta
from promotion.leg import REVERSE_PART
from promotion.reading import TooManyChanges
from promotion.shape import assert_equal_tables, fingerprint, spell_table_lock
from promotion.side import Bounds, roll_back
from router.database import lock_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from promotion.leg import Ends, Leg
    from promotion.shape import Shape
    from promotion.side import Side
    from router.connect import Connection

#: How long one attempt may hold the tenant's writers, by the wait for the lock and by each
#: statement behind it. A mover that is stopped here loses its transaction as soon.
HOLD_MS_MAX = 250
#: What the source's progress calls the pause, written where nobody can lose it.
PAUSE_PART = "pause_ms"
#: So much is brought over while writers wait; more belongs into a round.
_KEYS_MAX = 2_000
_SOURCE_BOUNDS = Bounds(statement_ms=HOLD_MS_MAX, lock_ms=HOLD_MS_MAX, idle_ms=HOLD_MS_MAX)
_TARGET_BOUNDS = Bounds(statement_ms=4 * HOLD_MS_MAX, lock_ms=HOLD_MS_MAX, idle_ms=8 * HOLD_MS_MAX)
_LOCK = "SELECT pg_advisory_xact_lock({})"
_SNAPSHOT = "SELECT pg_current_snapshot()::text"
#: What an attempt may meet that says nothing about the next one; rows that are entangled are
#: brought by a round, which knows how, and so is more than fits between two blinks.
_PASSING = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IntegrityConstraintViolationError,
    RowsDiffer,
    TooManyChanges,
)


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A decision: how long writers were held for it, and how many keys were brought over."""

    pause_ms: float
    keys: int
    attempts: int = 1


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that came to nothing; the source's writers went on after ``held_ms``."""

    reason: str
    held_ms: float


async def attempt(leg: Leg, ends: Ends, since: str, reach: Callable[[str], None]) -> Cut | Missed:
    """Make one attempt at the decision; ``since`` is the snapshot up to which both ends are equal.

    ``reach`` is told each fault point. What is raised leaves it open whether the decision was
    made: the source's gate knows.
    """
    began = time.perf_counter()
    try:
        await ends.target.execute(leg.target.opening(bounds=_TARGET_BOUNDS))
        await leg.mover.hold(ends.target)
        there = await _keep_tables(leg.target, ends.target, leg.shape)
        await ends.source.execute(leg.source.opening(bounds=_SOURCE_BOUNDS))
        here = await _keep_tables(leg.source, ends.source, leg.shape)
        assert_equal_tables(here, there, leg.source.schema, leg.target.schema)
        await capture.check(ends.source, leg.source.schema, leg.shape)
        await _prepare(leg, ends)
        began = time.perf_counter()
        await ends.source.execute(_LOCK.format(lock_key(leg.source.tenant_id)))
        reach("fence.locked")
        keys = await _bring_the_rest(leg, ends, since, reach)
        pause_ms = await _decide(leg, ends, began)
        reach("fence.decided")
    except _PASSING as error:
        await _let_go(ends)
        return Missed(reason=str(error), held_ms=(time.perf_counter() - began) * 1_000)
    except BaseException:
        await _let_go(ends)
        raise
    return Cut(pause_ms=pause_ms, keys=keys)


async def _prepare(leg: Leg, ends: Ends) -> None:
    """Do in both transactions what needn't wait for the writers' end; nobody sees it before."""
    # Asked once before, so that the driver needn't prepare it while writers wait.
    await ends.target.fetchval(_SNAPSHOT)
    if not leg.is_one_database:
        await homes.open_at(ends.target, leg.source, leg.target, captured=leg.captures)
        await leg.mover.hold(ends.source)
        await leg.mover.note(ends.source, PAUSE_PART, 0.0)


async def _keep_tables(side: Side, connection: Connection, shape: Shape) -> str:
    """Keep one end's tables from being altered, and return what they are.

    This comes before writers are held, and costs the pause nothing. At the target it ends with that
    transaction: whoever alters the tables after it does so to the tenant's new ones.
    """
    await connection.execute(spell_table_lock(side.schema, shape))
    return await fingerprint(connection, side.schema, shape)


async def _bring_the_rest(leg: Leg, ends: Ends, since: str, reach: Callable[[str], None]) -> int:
    """Make the target what the source is now, and open it."""
    stream = ends.stream(leg)
    delta = await gather(ends.source, stream, since=since, keys_max=_KEYS_MAX)
    text = spell_delta(stream, delta)
    if text:
        await apply(ends.target, text)
    reach("fence.applied")
    if leg.captures:
        # Every writer of the tenant has ended, so this snapshot sees all that they wrote down.
        await leg.mover.note(ends.target, REVERSE_PART, await ends.target.fetchval(_SNAPSHOT))
    await ends.target.execute("COMMIT")
    reach("fence.target_committed")
    return delta.changes.count


async def _decide(leg: Leg, ends: Ends, began: float) -> float:
    if leg.is_one_database:
        # Not before: both ends share this row, and the target's transaction had it.
        await leg.mover.hold(ends.source)
        await homes.turn(ends.source, leg.source, leg.target, captured=leg.captures)
    else:
        await homes.leave(ends.source, leg.source, leg.target)
    await leg.mover.note(ends.source, PAUSE_PART, (time.perf_counter() - began) * 1_000)
    ended = await ends.source.execute("COMMIT")
    assert ended == "COMMIT", "an error inside of the fence was kept from its end"
    return (time.perf_counter() - began) * 1_000


async def _let_go(ends: Ends) -> None:
    # The source first: its writers wait.
    await roll_back(ends.source)
    await roll_back(ends.target)
