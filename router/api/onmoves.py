"""The tenant's own moves, as its people see them: no server is named, and nobody else's move."""

from __future__ import annotations

import contextlib
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.moves import watch_s_max
from router.api.shapes import Limit, List
from router.catalog import moves
from router.catalog.move_news import follow_move
from router.catalog.move_words import MoveDocument, MoveState, TableProof
from router.catalog.moves import MoveFilter
from router.errors import NotFound
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.catalog.move_words import Move

#: What a move's operation records when the tenant lives in the new place.
_DECIDED: Final = "decided"


class Phase(StrEnum):
    """What is being done; the last five are ends."""

    WAITING = "waiting"
    PREPARING = "preparing"
    COPYING = "copying"
    INDEXING = "indexing"
    CATCHING_UP = "catching_up"
    COMPARING = "comparing"
    RESTING = "resting"
    READY = "ready"
    SWITCHING = "switching"
    FINISHING = "finishing"
    GOING_BACK = "going_back"
    MOVED = "moved"
    MOVED_BACK = "moved_back"
    CANCELLED = "cancelled"
    FAILED = "failed"


SAID: Final = {
    Phase.WAITING: "Waiting for its turn.",
    Phase.PREPARING: "The new place is being made.",
    Phase.COPYING: "Your rows are being copied, while you work.",
    Phase.INDEXING: "The new place builds its indexes.",
    Phase.CATCHING_UP: "What was written meanwhile is being brought over.",
    Phase.COMPARING: "Both places are being compared, row by row.",
    Phase.RESTING: "The move rests for a while; you work where you are.",
    Phase.READY: "All is ready: the switch waits for the moment agreed.",
    Phase.SWITCHING: "All is equal: the switch comes now.",
    Phase.FINISHING: "You work in the new place.",
    Phase.GOING_BACK: "Your rows stay, or go back, where they were.",
    Phase.MOVED: "Your rows are in their new place.",
    Phase.MOVED_BACK: "Your rows are back where they were, with all that was written since.",
    Phase.CANCELLED: "The move was taken back: your rows are where they were.",
    Phase.FAILED: "The move didn't come to its end. Nothing is lost, and our operators know.",
}
#: What follows on the last step that is done (promotion's Step; a test compares them).
AFTER: Final = {
    None: Phase.PREPARING,
    "prepared": Phase.COPYING,
    "captured": Phase.COPYING,
    "copied": Phase.INDEXING,
    "indexed": Phase.CATCHING_UP,
    "followed": Phase.COMPARING,
    "merged": Phase.COMPARING,
    "verified": Phase.SWITCHING,
    _DECIDED: Phase.FINISHING,
    "turning back": Phase.GOING_BACK,
}
_ENDS: Final = {
    MoveState.DONE: Phase.MOVED,
    MoveState.UNDONE: Phase.MOVED_BACK,
    MoveState.CANCELLED: Phase.CANCELLED,
    MoveState.FAILED: Phase.FAILED,
}


class OwnMove(msgspec.Struct, frozen=True, kw_only=True):
    """A move of the tenant. ``phase`` is for programs, ``said`` for people.

    ``pause_ms`` is how long its writes waited; that and ``proof``, what each table had on both
    sides, are there once it is decided.
    """

    id: UUID
    source: Tier
    target: Tier
    state: MoveState
    phase: Phase
    said: str
    rows_copied: int
    rows_total: int | None
    tables_verified: int
    pause_ms: float | None
    proof: tuple[TableProof, ...]
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, move: MoveDocument) -> OwnMove:
        """Leave out what only operators know: servers, errors, reasons."""
        phase = phase_of(move)
        return cls(
            id=move.id,
            source=move.source.tier,
            target=move.target.tier,
            state=move.state,
            phase=phase,
            said=SAID[phase],
            rows_copied=move.rows_copied,
            rows_total=move.rows_total,
            tables_verified=sum(each.source_digest == each.target_digest for each in move.proof),
            pause_ms=move.pause_ms,
            proof=move.proof,
            started_at=move.started_at,
            finished_at=move.finished_at,
        )


def phase_of(move: MoveDocument) -> Phase:
    """Say what is being done now; a step that we don't know is part of a way back."""
    if move.state.is_ended:
        return _ENDS[move.state]
    if move.paused_at is not None:
        return Phase.RESTING
    if move.awaits_cut_over:
        return Phase.READY
    if move.started_at is None:
        return Phase.WAITING
    if move.pause_ms is not None and move.step != _DECIDED:
        return Phase.GOING_BACK
    return AFTER.get(move.step, Phase.GOING_BACK)


@get("/moves", tags=["tenant"], summary="The tenant's own moves", opt={NEEDS: None})
async def list_own_moves(
    errand: NamedDependency[MemberErrand],
    *,
    limit: Limit = 50,
    after: Annotated[
        UUID | None, QueryParameter(description="The `next` of the page before.")
    ] = None,
) -> List[OwnMove]:
    """From tier to tier, the newest first."""
    chosen = MoveFilter(tenant_id=errand.tenant.id)
    if after is not None:
        await _own(errand, after)
    async with errand.parts.catalog.connection() as connection:
        page = await moves.list_page(connection, chosen, before=after, items_max=limit)
    return List(items=[OwnMove.of(MoveDocument.of(move)) for move in page.items], next=page.next)


@get(
    "/moves/{move_id:uuid}",
    tags=["tenant"],
    summary="One of the tenant's moves, with its proof",
    opt={NEEDS: None},
)
async def show_own_move(errand: NamedDependency[MemberErrand], move_id: FromPath[UUID]) -> OwnMove:
    """It is the receipt once the move is done."""
    return OwnMove.of(MoveDocument.of(await _own(errand, move_id)))


@get(
    "/moves/{move_id:uuid}/events",
    tags=["tenant"],
    summary="The progress of one of the tenant's moves, as it happens",
    opt={NEEDS: None},
)
async def watch_own_move(
    errand: NamedDependency[MemberErrand], move_id: FromPath[UUID]
) -> ServerSentEvent:
    """Server-sent events named `move`, each the whole document; ends when the state isn't running.

    It ends before the request's deadline too: whoever wants to go on watching asks again.
    """
    move = await _own(errand, move_id)
    return ServerSentEvent(_events(errand, move.id))


async def _own(errand: MemberErrand, move_id: UUID) -> Move:
    async with errand.parts.catalog.connection() as connection:
        move = await moves.get(connection, move_id)
    if move.tenant_id != errand.tenant.id:
        # In the words in which one that isn't there is told.
        raise NotFound(f"there is no move {move_id}")
    return move


async def _events(errand: MemberErrand, move_id: UUID) -> AsyncGenerator[ServerSentEventMessage]:
    parts, seen = errand.parts, None
    following = follow_move(
        parts.move_news, parts.catalog, move_id, s_max=watch_s_max(parts.request_deadline_s)
    )
    async with contextlib.aclosing(following):
        async for document in following:
            shown = None if document is None else OwnMove.of(document)
            if shown is None or shown == seen:
                yield ServerSentEventMessage(data=None, comment="nothing new")
                continue
            seen = shown
            yield ServerSentEventMessage(event="move", data=msgspec.json.encode(shown))
