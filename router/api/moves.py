"""The operators' calls about moves: begin one, watch it, take it back, make it final."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from router.api.errand import Errand
from router.api.shapes import Limit, List, OperationShown, Word
from router.catalog import move_holds, moves, tenants
from router.catalog.move_news import follow_move
from router.catalog.move_words import MoveDocument, Rehearsal
from router.catalog.moves import By, Goal, MoveFilter
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

#: The stream ends by itself before the gateway would break it off.
_MARGIN_S = 5.0


class WantedTier(StrEnum):
    """Where a tenant is wanted: in a tier, or wherever its plan wants it."""

    ROWS = "rows"
    SCHEMA = "schema"
    DATABASE = "database"
    PLAN = "plan"


class NewMove(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to go where. A tier or a cluster is pinned; `plan` takes the pins away.

    With `hold` it does all but the switch, and then follows until somebody calls `cut-over`.
    """

    tenant: Word
    tier: WantedTier
    cluster: Word | None = None
    hold: bool = False


class MoveBegun(msgspec.Struct, frozen=True, kw_only=True):
    """The operation that works on it; null where `plan` finds the tenant where it ought to be."""

    operation: OperationShown | None


@post(
    "/moves",
    status_code=202,
    tags=["operators"],
    summary="Move a tenant to another tier or cluster",
)
async def promote(errand: NamedDependency[Errand], data: JSONBody[NewMove]) -> MoveBegun:
    """The tenant works on; its rows follow behind the answer.

    A tenant that is wanted where it came from, and whose move isn't settled yet, goes back without
    copying: the operation is then an undo. One that is wanted at a third place has its earlier move
    settled first, and the answer waits for that. Asked again, it answers with the same operation.
    """
    promoting, goal, by = errand.parts.promoting, _goal(data), _by(errand)
    cluster = await promoting.check(goal, by)
    begun = await promoting.record(await errand.connection(), goal, by, cluster=cluster)
    if begun.is_settling:
        await errand.commit()
        begun = await promoting.after_settling(begun)
    return MoveBegun(operation=OperationShown.of(begun.operation) if begun.operation else None)


@post(
    "/moves/dry-run",
    status_code=200,
    tags=["operators"],
    summary="What a move would do, and what it may take",
)
async def foresee_move(errand: NamedDependency[Errand], data: JSONBody[NewMove]) -> Rehearsal:
    """Refuses what would be refused, and does nothing. Counts the tenant's rows one by one."""
    return await errand.parts.promoting.foresee(_goal(data), _by(errand))


@get("/moves", tags=["operators"], summary="Moves, of all tenants or of one")
async def list_moves(
    errand: NamedDependency[Errand],
    *,
    tenant: Annotated[
        str | None, QueryParameter(max_length=200, description="A slug or an id.")
    ] = None,
    limit: Limit = 50,
    after: Annotated[
        UUID | None, QueryParameter(description="The `next` of the page before.")
    ] = None,
) -> List[MoveDocument]:
    """The newest first."""
    async with errand.parts.catalog.connection() as connection:
        tenant_id = None
        if tenant is not None:
            tenant_id = (await tenants.get(connection, tenant)).tenant.id
        page = await moves.list_page(
            connection, MoveFilter(tenant_id=tenant_id), before=after, items_max=limit
        )
    return List(items=[MoveDocument.of(move) for move in page.items], next=page.next)


@get("/moves/{move_id:uuid}", tags=["operators"], summary="One move, with its proof")
async def show_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveDocument:
    """By its id, or by that of the operation that undoes or settles it."""
    async with errand.parts.catalog.connection() as connection:
        return MoveDocument.of(await moves.get(connection, move_id))


@get("/moves/{move_id:uuid}/events", tags=["operators"], summary="A move's progress, as it happens")
async def watch_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> ServerSentEvent:
    """Server-sent events named `move`, each the whole document; ends when the state isn't running.

    It ends before the request's deadline too: whoever wants to go on watching asks again.
    """
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        move = await moves.get(connection, move_id)
    return ServerSentEvent(_events(errand, move.id))


@post("/moves/{move_id:uuid}/cancel", status_code=200, tags=["operators"], summary="Cancel a move")
async def cancel_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveDocument:
    """Before its decision: the tenant stays where it is. Afterwards, undo it."""
    connection = await errand.connection()
    return MoveDocument.of(await moves.request_cancel(connection, move_id, _by(errand)))


@post("/moves/{move_id:uuid}/pause", status_code=200, tags=["operators"], summary="Pause a move")
async def pause_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveDocument:
    """Nothing is copied or followed until it is resumed; the tenant works where it is.

    What the tenant changes is written down meanwhile. A switch that is being tried at that very
    moment may still come through; the move is then undone instead.
    """
    connection = await errand.connection()
    return MoveDocument.of(await move_holds.pause(connection, move_id, _by(errand)))


@post("/moves/{move_id:uuid}/resume", status_code=200, tags=["operators"], summary="Resume a move")
async def resume_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveDocument:
    """It goes on where it stopped."""
    connection = await errand.connection()
    return MoveDocument.of(await move_holds.resume(connection, move_id, _by(errand)))


@post(
    "/moves/{move_id:uuid}/hold",
    status_code=200,
    tags=["operators"],
    summary="Hold a move before its switch",
)
async def hold_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveDocument:
    """It does all but the switch, and follows until it is released, or cut over."""
    connection = await errand.connection()
    return MoveDocument.of(await move_holds.hold(connection, move_id, _by(errand)))


@post(
    "/moves/{move_id:uuid}/release", status_code=200, tags=["operators"], summary="Release a move"
)
async def release_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveDocument:
    """It switches when it is ready, as if it had never been held."""
    connection = await errand.connection()
    return MoveDocument.of(await move_holds.release(connection, move_id, _by(errand)))


@post(
    "/moves/{move_id:uuid}/cut-over", status_code=200, tags=["operators"], summary="Cut a move over"
)
async def cut_over_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveDocument:
    """Lifts its pause and its hold, and spares no neighbour until it has switched.

    Every proof is made as ever; what is left out is only what waits for others' comfort.
    """
    connection = await errand.connection()
    return MoveDocument.of(await move_holds.cut_over(connection, move_id, _by(errand)))


@post("/moves/{move_id:uuid}/undo", status_code=202, tags=["operators"], summary="Undo a move")
async def undo_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveBegun:
    """Until it is settled, without copying; what was written since goes back with the tenant."""
    connection = await errand.connection()
    operation = await moves.record_undo(connection, move_id, _by(errand))
    return MoveBegun(operation=OperationShown.of(operation))


@post("/moves/{move_id:uuid}/settle", status_code=202, tags=["operators"], summary="Settle a move")
async def settle_move(errand: NamedDependency[Errand], move_id: FromPath[UUID]) -> MoveBegun:
    """Erases the source now and not later; after that nothing is undone."""
    connection = await errand.connection()
    operation = await moves.settle_now(connection, move_id, _by(errand))
    return MoveBegun(operation=OperationShown.of(operation))


def watch_s_max(deadline_s: float) -> float:
    """Return for how long a stream may go on."""
    return max(deadline_s - _MARGIN_S, deadline_s / 2)


async def _events(errand: Errand, move_id: UUID) -> AsyncGenerator[ServerSentEventMessage]:
    parts = errand.parts
    following = follow_move(
        parts.move_news, parts.catalog, move_id, s_max=watch_s_max(parts.request_deadline_s)
    )
    async with contextlib.aclosing(following):
        async for document in following:
            if document is None:
                yield ServerSentEventMessage(data=None, comment="nothing new")
            else:
                yield ServerSentEventMessage(event="move", data=msgspec.json.encode(document))


def _goal(data: NewMove) -> Goal:
    tier = None if data.tier is WantedTier.PLAN else Tier(data.tier.value)
    return Goal(tenant=data.tenant, tier=tier, cluster=data.cluster, holds=data.hold)


def _by(errand: Errand) -> By:
    assert errand.reason is not None, "the door lets no change in without a reason"
    return By(actor=errand.actor, reason=errand.reason, request_id=errand.request_id)
