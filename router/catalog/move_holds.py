"""What operators say of a move's pace before its decision: stand still, wait for the word, now.

Each is safe to say twice: the first one stands, with its reason. All need a transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from router.catalog import moves
from router.catalog.move_words import Stage
from router.errors import Conflict
from router.sql import load

if TYPE_CHECKING:
    from uuid import UUID

    from router.catalog.move_words import Move
    from router.catalog.moves import By
    from router.connect import Connection

_SQL = load("router.catalog", "moves.sql")
_WAYS_OUT: Final = {
    Stage.MOVING: "ask for the move again, and it goes on",
    Stage.DECIDED: "undo it instead",
}


async def pause(connection: Connection, move_id: UUID, by: By) -> Move:
    """Have a move stand still where it is; what changes meanwhile is written down."""
    move = await _undecided(connection, move_id, "paused")
    said = await connection.fetchval(_SQL["pause"], move.id, by.actor, by.reason)
    return await _heard(connection, move, by, "move.pause", is_new=said is not None)


async def resume(connection: Connection, move_id: UUID, by: By) -> Move:
    """Have a paused move go on where it stopped; one that is held still waits before its switch."""
    move = await _undecided(connection, move_id, "resumed")
    said = await connection.fetchval(_SQL["resume"], move.id)
    return await _heard(connection, move, by, "move.resume", is_new=said is not None)


async def hold(connection: Connection, move_id: UUID, by: By) -> Move:
    """Have a move do all but the switch, and follow until somebody says the word."""
    move = await _undecided(connection, move_id, "held")
    said = await connection.fetchval(_SQL["hold_back"], move.id, by.actor, by.reason)
    return await _heard(connection, move, by, "move.hold", is_new=said is not None)


async def release(connection: Connection, move_id: UUID, by: By) -> Move:
    """Have a held move switch by itself when it is ready, as one that was never held."""
    move = await _undecided(connection, move_id, "released")
    said = await connection.fetchval(_SQL["release"], move.id)
    return await _heard(connection, move, by, "move.release", is_new=said is not None)


async def cut_over(connection: Connection, move_id: UUID, by: By) -> Move:
    """Have a move switch as soon as it is proved: no pause, no hold, and nobody is spared."""
    move = await _undecided(connection, move_id, "cut over")
    said = await connection.fetchval(_SQL["hurry"], move.id)
    return await _heard(connection, move, by, "move.cut_over", is_new=said is not None)


async def _undecided(connection: Connection, move_id: UUID, wish: str) -> Move:
    move = await moves.locked(connection, move_id)
    if move.stage is Stage.MOVING and not move.operation.state.is_ended:
        return move
    how = move.operation.state.value if move.stage is Stage.MOVING else moves.spelled(move)
    way_out = _WAYS_OUT.get(move.stage, "it is too late for that")
    raise Conflict(f"the move {move.told()} is {how} and can't be {wish}: {way_out}")


async def _heard(connection: Connection, move: Move, by: By, action: str, *, is_new: bool) -> Move:
    """Have the runner hear of it now, also where it looks again in a while only."""
    if is_new:
        await moves.note(connection, move, action, by)
        await connection.execute(_SQL["wake"], move.operation.id)
    return await moves.get(connection, move.id)
