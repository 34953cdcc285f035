"""What the runner of a move records: each write names its fencing token and commits with its step.

The operations of a move, of its keeping, undoing and settling lead to the same row; ``move_of``
says which. Every function here that takes a connection belongs into the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import audit, moves, operations, placements, waves
from router.catalog.audit import Deed
from router.catalog.move_words import KEEP, MOVE, PROVED, SETTLE, Receipt, place_told
from router.catalog.moves import AboutMove, encoded
from router.catalog.operations import NewOperation, Superseded
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.catalog.move_words import Move
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress
    from router.connect import Connection
    from router.words import Placement

ACTOR = "worker"
KEEP_AFTER = timedelta(minutes=1)
_SQL = load("router.catalog", "moves.sql")


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """How far a move is; what is None stays as it was."""

    rows_total: int | None = None
    rows_copied: int | None = None
    lag_rows: int | None = None


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a move, as its runner heard it at ``heard_at``, by the catalog's clock."""

    heard_at: datetime
    cancel_requested_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    held_at: datetime | None = None
    hurried_at: datetime | None = None


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The step that is recorded together with a decision; ``data`` None: they stay."""

    step: str
    note: str = ""
    data: object | None = None


def move_of(operation: Operation) -> UUID:
    """Return the id of the move that an operation of one of its four kinds works on."""
    return operation.id if operation.kind == MOVE else operation.read(AboutMove).move


def way_back(move: Move) -> Placement:
    """Return the placement that undoing a move leads to: its source, one epoch later."""
    return msgspec.structs.replace(move.source, epoch=move.target.epoch + 1)


async def note_progress(connection: Connection, operation: Operation, noted: Noted) -> Wishes:
    """Write down how far it is, and hear what is wanted of it. Raises Superseded."""
    row = await connection.fetchrow(
        _SQL["note"],
        move_of(operation),
        operation.id,
        operation.fencing_token,
        noted.rows_total,
        noted.rows_copied,
        noted.lag_rows,
    )
    if row is None:
        raise _superseded(operation)
    return Wishes(
        heard_at=row["heard_at"],
        cancel_requested_at=row["cancel_requested_at"],
        paused_at=row["paused_at"],
        paused_by=row["paused_by"],
        held_at=row["held_at"],
        hurried_at=row["hurried_at"],
    )


async def note_log(connection: Connection, operation: Operation, log_bytes: int) -> None:
    """Write down how much room the changes take that a paused move will have to bring."""
    await connection.execute(_SQL["note_log"], move_of(operation), log_bytes)


async def assert_held(connection: Connection, operation: Operation) -> None:
    """Raise Superseded when the operation isn't this runner's any more.

    Unlike note_progress() it locks nothing and tells nobody: a keeper asks often, and whoever stops
    it holds the move's row while it takes the operation's.
    """
    if await connection.fetchval(_SQL["held"], operation.id, operation.fencing_token) is None:
        raise _superseded(operation)


async def open_moves_on(
    connection: Connection, cluster: str, *, ahead_of: UUID | None = None
) -> int:
    """Count the undecided moves that a cluster is an end of; or those recorded before one of them.

    One that is paused, or waits for the word to switch, isn't counted: nobody waits for what may
    take days. A move that begins only when fewer than the limit are ahead of it never waits in a
    circle.
    """
    count: int = await connection.fetchval(_SQL["open_on"], cluster, ahead_of, PROVED)
    return count


async def decided(  # noqa: PLR0913 - what is known, and what is to follow
    connection: Connection,
    progress: Progress,
    receipt: Receipt,
    reached: Reached,
    *,
    settle_after: timedelta,
    keep_after: timedelta = KEEP_AFTER,
) -> None:
    """Let the catalog know where the tenant lives now, with the receipt, and when to settle.

    Until then the way back is kept short, from ``keep_after`` on. Recorded twice, the first one
    stands.
    """
    move = await moves.get(connection, progress.operation.id)
    await progress.advance_in(connection, reached.step, reached.note, data=reached.data)
    if move.decided_at is not None:
        return
    await placements.record(connection, move.tenant_id, move.target)
    settling = await _begin(connection, move, SETTLE, settle_after)
    keeping = await _begin(connection, move, KEEP, keep_after)
    await connection.execute(
        _SQL["decide"],
        move.id,
        receipt.pause_ms,
        encoded(receipt.durations_ms),
        encoded(receipt.proof),
        settling.id,
        settle_after,
        keeping.id,
    )
    await _tell(connection, move, "move.decide", {"pause_ms": receipt.pause_ms})


async def undone(
    connection: Connection, progress: Progress, receipt: Receipt, reached: Reached
) -> None:
    """Let the catalog know that the tenant lives at its source again; recorded twice, as once."""
    move = await moves.get(connection, move_of(progress.operation))
    await progress.advance_in(connection, reached.step, reached.note, data=reached.data)
    if move.undone_at is not None:
        return
    await placements.record(connection, move.tenant_id, way_back(move))
    await connection.execute(_SQL["undone"], move.id, encoded(receipt))
    await _tell(connection, move, "move.undone", {"pause_ms": receipt.pause_ms})


async def finish_undo(connection: Connection, progress: Progress) -> None:
    """Record that nothing is left at the place that the undoing left, and end the move."""
    move = await moves.get(connection, move_of(progress.operation))
    await connection.execute(_SQL["ended"], move.id)
    await waves.left(connection, move.target)
    await progress.finish_in(connection)


async def give_up_undo(
    connection: Connection,
    progress: Progress,
    reason: str,
    *,
    settle_after: timedelta,
    keep_after: timedelta = KEEP_AFTER,
) -> None:
    """Record that an undoing ended before its decision: the move stands, and is settled in time.

    Until then its way back is kept short by a keeper of its own: the first one can't write again.
    """
    move = await moves.get(connection, move_of(progress.operation))
    await progress.give_up_in(connection, reason)
    settling = await _begin(connection, move, SETTLE, settle_after)
    keeping = await _begin(connection, move, KEEP, keep_after)
    await connection.execute(_SQL["settle_again"], move.id, settling.id, settle_after, keeping.id)
    await _tell(connection, move, "move.undo_given_up", {"reason": reason})


async def begin_settling(connection: Connection, operation: Operation) -> None:
    """Record that the way back ends here: nobody keeps it any more. Raises Superseded."""
    await note_progress(connection, operation, Noted())
    await moves.stop_keeping(connection, move_of(operation))


async def settled(
    connection: Connection, progress: Progress, rows_erased: Mapping[str, int]
) -> None:
    """Record that the source is gone, and end the move."""
    move = await moves.get(connection, move_of(progress.operation))
    await connection.execute(_SQL["settled"], move.id)
    await waves.left(connection, move.source)
    await _tell(connection, move, "move.settled", {"rows_erased": dict(rows_erased)})
    await progress.finish_in(connection)


async def cancelled(connection: Connection, progress: Progress) -> None:
    """Record that a move was turned back because somebody asked for that, and end it."""
    move = await moves.get(connection, progress.operation.id)
    await connection.execute(_SQL["ended"], move.id)
    await _tell(connection, move, "move.cancelled", {})
    await progress.give_up_in(connection, "cancelled and turned back")


async def failed(connection: Connection, progress: Progress, error: str) -> None:
    """Record that a move failed and was turned back, and end it: another one may begin.

    One that is still paused isn't begun again by itself.
    """
    move = await moves.get(connection, progress.operation.id)
    await connection.execute(_SQL["take_back_paused"], move.id)
    await connection.execute(_SQL["ended"], move.id)
    await _tell(connection, move, "move.failed", {"error": error})
    await progress.fail_in(connection, error)


async def _begin(connection: Connection, move: Move, kind: str, head_start: timedelta) -> Operation:
    return await operations.begin(
        connection,
        NewOperation(
            kind=kind,
            tenant_id=move.tenant_id,
            data=AboutMove(move=move.id),
            head_start=head_start,
        ),
    )


def _superseded(operation: Operation) -> Superseded:
    return Superseded(
        f"operation {operation.id} isn't held by fencing token {operation.fencing_token} now"
    )


async def _tell(connection: Connection, move: Move, action: str, detail: dict[str, object]) -> None:
    """Write the audit and the outbox."""
    told: dict[str, object] = {
        "from": place_told(move.source),
        "to": place_told(move.target),
        **detail,
    }
    deed = Deed(
        actor=ACTOR,
        action=action,
        target=str(move.id),
        tenant_id=move.tenant_id,
        reason=move.reason,
        detail=told,
    )
    await audit.write(connection, deed)
    await moves.put_out(connection, action, move.tenant_id, {"move": str(move.id), **told})
