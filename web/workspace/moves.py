"""Moves of the workspace: the strip on every page while one runs, and each one with its receipt."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage, Template

from router.api.onmoves import OwnMove
from web.api import Refused
from web.live import documents, nothing_new, over, part_of, shown
from web.visitor import Visitor, Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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
    part = part_of(request, WHOLE)
    return ServerSentEvent(_parts(room, move_id, part, then=f"{room.root}/moves/{move_id}"))


@get("/w/{slug:str}/moves/{move_id:uuid}/strip", include_in_schema=False)
async def watch_strip(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    move_id: FromPath[UUID],
    request: Request[Any, Any, Any],
) -> ServerSentEvent:
    """The strip of every page; at the end it stays with its receipt, whatever is being typed."""
    room = await visitor.workspace(slug)
    return ServerSentEvent(_parts(room, move_id, part_of(request, STRIP), then=""))


async def _parts(
    room: Workspace, move_id: UUID, part: Part, *, then: str
) -> AsyncGenerator[ServerSentEventMessage]:
    # Who isn't let in now, because too many watch, asks again by itself.
    with contextlib.suppress(Refused):
        async with (
            room.api.stream(f"/api/moves/{move_id}/events") as answer,
            contextlib.aclosing(documents(answer.aiter_lines(), OwnMove)) as told,
        ):
            async for move in told:
                if move is None:
                    yield nothing_new()
                    continue
                yield shown(part.render({"move": move, "root": room.root}))
                if move.state.is_ended:
                    yield over(then)
