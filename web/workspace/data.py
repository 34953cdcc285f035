"""Data: archives of the rows, and the end of the workspace."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, ServerSentEvent, ServerSentEventMessage, Stream, Template

from billing.current import Current
from router.api.archives import MEDIA_TYPE, ExportShown
from router.api.deletion import DeletionShown, Ending
from router.api.restoring import CopyBegun
from router.api.shapes import List
from router.catalog.operations import OperationState
from router.catalog.roles import OWNER
from router.errors import NotFound
from web.api import Refused, pieces
from web.form import EMPTY, Form, read_form
from web.live import nothing_new, over, part_of, shown
from web.rendering import day
from web.visitor import NO_SUCH_PAGE, Visitor, Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx

    from web.live import Part

PART = "workspace/parts/exports.html"
#: A page looks as often, and for so long; then its browser asks again.
LOOK_S = 0.5
LIVE_S_MAX = 60.0
_EXPORTS = "/api/exports"
_PAGE_ITEMS = 20
_TOLD = (
    "content-disposition",
    "content-length",
    "content-range",
    "accept-ranges",
    "etag",
)
_RANGE = ("range", "if-range")


@get("/w/{slug:str}/data", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """The archives, and whether the workspace is to end."""
    return await _data_page(await visitor.workspace(slug))


@get("/w/{slug:str}/data/live", include_in_schema=False)
async def watch(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> ServerSentEvent:
    """What is on its way; when it is there the page is asked for once more."""
    room = await visitor.workspace(slug)
    return ServerSentEvent(_progress(room, part_of(request, PART)))


@post("/w/{slug:str}/data/archives", status_code=200, include_in_schema=False)
async def ask_for_archive(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Asked for twice, it is taken once."""
    room, form = await visitor.workspace(slug), await read_form(request)
    try:
        await room.api.do("POST", _EXPORTS, change=form.change)
    except Refused as refused:
        return await _data_page(room, form.refused(refused))
    return room.to("/data")


@get("/w/{slug:str}/data/archives/{export_id:uuid}", include_in_schema=False)
async def fetch_archive(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    export_id: FromPath[UUID],
    request: Request[Any, Any, Any],
) -> Stream:
    """The API's own answer, piece by piece; what was cut goes on where it was."""
    room = await visitor.workspace(slug)
    asked = {name: request.headers[name] for name in _RANGE if name in request.headers}
    stack = contextlib.AsyncExitStack()
    answer = await stack.enter_async_context(
        room.api.stream(f"{_EXPORTS}/{export_id}/file", headers=asked)
    )
    return Stream(
        _handed_on(answer, stack),
        status_code=answer.status_code,
        media_type=MEDIA_TYPE,
        headers={name: answer.headers[name] for name in _TOLD if name in answer.headers},
    )


@post(
    "/w/{slug:str}/data/archives/{export_id:uuid}/delete",
    status_code=200,
    include_in_schema=False,
)
async def delete_archive(
    visitor: NamedDependency[Visitor], slug: FromPath[str], export_id: FromPath[UUID]
) -> Template | Redirect:
    """Asks nothing more: another one is asked for any time."""
    room = await visitor.workspace(slug)
    try:
        await room.api.do("DELETE", f"{_EXPORTS}/{export_id}")
    except Refused as refused:
        return await _data_page(room, EMPTY.refused(refused))
    return room.to("/data", said="The archive is deleted.")


@get("/w/{slug:str}/data/archives/{export_id:uuid}/restore", include_in_schema=False)
async def ask_restore(
    visitor: NamedDependency[Visitor], slug: FromPath[str], export_id: FromPath[UUID]
) -> Template:
    """Asks where the new workspace is to be found."""
    return await _restore_page(await visitor.workspace(slug), export_id)


@post(
    "/w/{slug:str}/data/archives/{export_id:uuid}/restore",
    status_code=200,
    include_in_schema=False,
)
async def restore_archive(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    export_id: FromPath[UUID],
    request: Request[Any, Any, Any],
) -> Template | Redirect:
    """Leads to the visitor's workspaces: the new one is among them in a moment."""
    room, form = await visitor.workspace(slug), await read_form(request)
    body = {"slug": form.text("slug")}
    path = f"{_EXPORTS}/{export_id}/restore"
    try:
        begun = await room.api.change("POST", path, body, wanted=CopyBegun, change=form.change)
    except Refused as refused:
        return await _restore_page(room, export_id, form.refused(refused))
    said = f"{begun.tenant.slug} is being filled: it is here as soon as its rows are proved equal."
    return visitor.to("/workspaces", said=said)


@get("/w/{slug:str}/data/delete", include_in_schema=False)
async def ask_deletion(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Says what goes and when, and has the slug typed."""
    return await _deletion_page(await visitor.workspace(slug))


@post("/w/{slug:str}/data/delete", status_code=200, include_in_schema=False)
async def delete_workspace(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Nothing happens before the day, which the page then tells."""
    room, form = await visitor.workspace(slug), await read_form(request)
    body = {"confirm": form.text("confirm") or "-", "reason": form.text("why")}
    try:
        planned = await room.api.change(
            "POST", "/api/deletion", body, wanted=DeletionShown, change=form.change
        )
    except Refused as refused:
        return await _deletion_page(room, form.refused(refused))
    said = f"{room.tenant.name} is erased on {day(planned.due_at)}, unless you take that back."
    return room.to("/data", said=said)


@post("/w/{slug:str}/data/keep", status_code=200, include_in_schema=False)
async def keep_workspace(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Takes the deletion back."""
    room, form = await visitor.workspace(slug), await read_form(request)
    try:
        await room.api.do("DELETE", "/api/deletion", change=form.change)
    except Refused as refused:
        return await _data_page(room, form.refused(refused))
    return room.to("/data", said=f"{room.tenant.name} stays.")


async def _data_page(room: Workspace, form: Form = EMPTY) -> Template:
    found = await _exports(room) if room.allows("settings.write") else []
    going = [each for each in found if not each.state.is_ended]
    given = {
        "going": going,
        "exports": [each for each in found if each.has_file],
        "failed": [each for each in found[:1] if each.state is OperationState.FAILED],
        "deletion": (await room.api.get("/api/deletion", Ending)).deletion,
        "is_owner": _is_owner(room),
    }
    return room.page("workspace/data.html", given, form=form)


async def _restore_page(room: Workspace, export_id: UUID, form: Form = EMPTY) -> Template:
    export = await room.api.get(f"{_EXPORTS}/{export_id}", ExportShown)
    if not export.has_file:
        raise NotFound(NO_SUCH_PAGE)
    given = {"export": export, "site": room.visitor.web.base_domain}
    return room.page("workspace/restore.html", given, form=form)


async def _deletion_page(room: Workspace, form: Form = EMPTY) -> Template:
    is_owner = _is_owner(room)
    given = {
        "deletion": (await room.api.get("/api/deletion", Ending)).deletion,
        "is_owner": is_owner,
        "is_charged": is_owner and await _is_charged(room),
    }
    return room.page("workspace/delete.html", given, form=form)


async def _is_charged(room: Workspace) -> bool:
    """Tell whether a subscription would go on: whoever is charged for a workspace can't end it."""
    bought = (await room.api.get("/api/billing", Current)).subscription
    return bought is not None and bought.cancel_at is None


async def _exports(room: Workspace) -> list[ExportShown]:
    return (await room.api.get(_EXPORTS, List[ExportShown], {"limit": _PAGE_ITEMS})).items


async def _progress(room: Workspace, part: Part) -> AsyncGenerator[ServerSentEventMessage]:
    until_s, last = time.monotonic() + LIVE_S_MAX, ""
    # Who isn't let in any more is told so by the page itself.
    with contextlib.suppress(Refused):
        while time.monotonic() < until_s:
            going = [each for each in await _exports(room) if not each.state.is_ended]
            if not going:
                yield over(f"{room.root}/data")
                return
            html = part.render({"going": going})
            yield shown(html) if html != last else nothing_new()
            last = html
            await asyncio.sleep(LOOK_S)


async def _handed_on(
    answer: httpx.Response, stack: contextlib.AsyncExitStack
) -> AsyncGenerator[bytes]:
    async with stack:
        async for piece in pieces(answer):
            yield piece


def _is_owner(room: Workspace) -> bool:
    return room.me.tenant is not None and room.me.tenant.role == OWNER
