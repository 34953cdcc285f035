"""Rounds until the target has caught up, and the proof that both ends hold the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from promotion import capture, homes
from promotion.changes import WATERMARK_PART, Brought, bring
from promotion.pace import at_once
from promotion.proof import View, compare, digests, find_difference
from promotion.shape import assert_equal_tables, fingerprint
from promotion.side import Bounds
from router.catalog.move_words import TableProof
from router.errors import PlatformError
from router.words import Consistency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.leg import Ends, Leg
    from promotion.terms import MoveLimits
    from router.connect import Connection
    from router.words import Digest

#: A round, or a proof, reads whole rows; what bounds it is their number.
_BOUNDS = Bounds(statement_ms=0, idle_ms=600_000)
_DELAY_MS_MIN = 2
#: Transactions of REPEATABLE READ hold the row in which the delay stands.
_DELAY_BOUNDS = Bounds(statement_ms=1_000, lock_ms=250)


class ProofDiffers(PlatformError):
    """The target isn't what the source is: the move stops, and the source is as it was."""

    code = "proof_differs"
    title = "Source and target hold different rows"


class NotConverging(PlatformError):
    """The tenant writes faster than its rows can be brought over, however long its writers wait."""

    code = "not_converging"
    title = "The move can't catch up with the tenant"


async def watermark(leg: Leg, ends: Ends) -> str | None:
    """Return the snapshot up to which the target is the source; None before the first round."""
    async with leg.target.transaction(ends.target, bounds=_BOUNDS):
        data = await leg.mover.hold(ends.target)
    found = data.get(WATERMARK_PART)
    return None if found is None else msgspec.json.decode(found, type=str)


async def follow(leg: Leg, ends: Ends, *, is_bare: bool = False) -> Brought:
    """Make one round."""
    since = await watermark(leg, ends)
    async with leg.source.transaction(
        ends.source, Consistency.REPEATABLE_READ, bounds=_BOUNDS, is_read_only=True
    ):
        brought = await bring(
            ends.source, ends.target, ends.stream(leg), since=since, is_bare=is_bare
        )
    # Only now is what the round has read of no more use.
    await capture.prune(ends.source, leg.source.tenant_id, brought.watermark)
    return brought


async def catch_up(
    leg: Leg,
    ends: Ends,
    limits: MoveLimits,
    *,
    after_round: Callable[[Brought, int], Awaitable[None]],
    is_bare: bool = False,
) -> Brought:
    """Make rounds until little is left; one that writes too fast is slowed down at its gate."""
    delay_ms, keys_before = 0, limits.settled_keys + 1
    for number in range(1, limits.rounds_end + 1):
        began = time.perf_counter()
        brought = await follow(leg, ends, is_bare=is_bare)
        await after_round(brought, delay_ms)
        took_ms = (time.perf_counter() - began) * 1_000
        # Where rounds are slow and don't shrink any more, it is the machine that takes its time.
        is_shrinking = 0 < brought.keys < keys_before
        if brought.keys <= limits.settled_keys and (
            took_ms <= limits.settled_ms or not is_shrinking
        ):
            return brought
        keys_before = brought.keys
        if number >= limits.rounds_max:
            longer_ms = min(max(delay_ms * 2, _DELAY_MS_MIN), limits.delay_ms_max)
            if await delay_writers(leg, ends.source, longer_ms):
                delay_ms = longer_ms
    raise NotConverging(
        f"after {limits.rounds_end} rounds tenant {leg.source.tenant_id} still changes more than "
        f"{limits.settled_keys} rows a round: try again when it is quieter"
    )


async def delay_writers(leg: Leg, source: Connection, delay_ms: int) -> bool:
    """Let the tenant's writers wait at their gate; False when somebody holds it right now."""
    try:
        async with leg.source.transaction(source, bounds=_DELAY_BOUNDS):
            await leg.mover.hold(source)
            await homes.delay(source, leg.source.tenant_id, delay_ms)
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def verify(
    leg: Leg, ends: Ends, *, after_slice: Callable[[], Awaitable[None]] = at_once
) -> tuple[TableProof, ...]:
    """Compare every row of both ends as of one snapshot, while writers go on.

    ``after_slice`` is awaited after each piece of that work, and slows it down by taking its time.
    Raises ProofDiffers with the table and the stretch of keys where they differ first, and
    ShapeDiffers when there is more in the tables than what is compared.
    """
    since = await watermark(leg, ends)
    async with leg.source.transaction(
        ends.source, Consistency.REPEATABLE_READ, bounds=_BOUNDS, is_read_only=True
    ):
        brought = await bring(ends.source, ends.target, ends.stream(leg), since=since)
        async with leg.target.transaction(ends.target, bounds=_BOUNDS, is_read_only=True):
            assert_equal_tables(
                await fingerprint(ends.source, leg.source.schema, leg.shape),
                await fingerprint(ends.target, leg.target.schema, leg.shape),
                leg.source.schema,
                leg.target.schema,
            )
            here, there = await digests(
                View(side=leg.source, connection=ends.source),
                View(side=leg.target, connection=ends.target),
                leg.shape,
                after_slice=after_slice,
            )
            if different := compare(here, there):
                raise ProofDiffers(await _told(leg, ends, different))
    await capture.prune(ends.source, leg.source.tenant_id, brought.watermark)
    return _proof(here, there)


async def _told(leg: Leg, ends: Ends, different: list[str]) -> str:
    found = await find_difference(
        View(side=leg.source, connection=ends.source),
        View(side=leg.target, connection=ends.target),
        leg.shape.table(different[0]),
    )
    return (
        f"tenant {leg.source.tenant_id} stays where it is: {found}; tables that differ: "
        f"{', '.join(different)}"
    )


def _proof(here: list[Digest], there: list[Digest]) -> tuple[TableProof, ...]:
    return tuple(
        TableProof(
            table=one.table, rows=one.rows, source_digest=one.digest, target_digest=other.digest
        )
        for one, other in zip(here, there, strict=True)
    )
