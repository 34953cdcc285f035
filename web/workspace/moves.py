"""Moves of the workspace: the strip on every page while one runs, and each one with its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import ServerSentEvent, Template

from router.api.onmoves import OwnMove
from web.live import Live, part_of, stream_parts
from web.visitor import Visitor, Workspace

if TYPE_CHECKING:
    from web.live import Part

STRIP = "parts/move.html"
WHOLE = "workspace/parts/move.html"


@get("/w/{slug:str}/moves/{move_id:uuid}", include_in_schema=False)
async def show(
    visitor: NamedDependency[Visitor], slug: FromPath[str], move_id: FromPath[UUID]
) -> Template:
    """While it runs, as it stands; then the receipt, which stays."""
    room = await visitor.workspace(slug)
    move = await room.api.get(f"/api/moves/{move_id}", OwnMove)
    return room.page("workspace/move.html", {"move": move, "root": room.root})


@get("/w/{slug:str}/moves/{move_id:uuid}/live", include_in_schema=False)
async def watch(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    move_id: FromPath[UUID],
    request: Request[Any, Any, Any],
) -> ServerSentEvent:
    """The middle of its page; at the end the page is asked for once more."""
    room = await visitor.workspace(slug)
    return _stream(room, move_id, part_of(request, WHOLE), page=f"{room.root}/moves/{move_id}")


@get("/w/{slug:str}/moves/{move_id:uuid}/strip", include_in_schema=False)
async def watch_strip(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    move_id: FromPath[UUID],
    request: Request[Any, Any, Any],
) -> ServerSentEvent:
    """The strip of every page; at the end it stays with its receipt, whatever is being typed."""
    room = await visitor.workspace(slug)
    return _stream(room, move_id, part_of(request, STRIP))


def _stream(room: Workspace, move_id: UUID, part: Part, *, page: str = "") -> ServerSentEvent:
    return ServerSentEvent(
        stream_parts(
            room.api,
            Live(events=f"/api/moves/{move_id}/events", page=page),
            OwnMove,
            lambda move: part.render({"move": move, "root": room.root}),
            lambda move: move.state.is_ended,
        )
    )
