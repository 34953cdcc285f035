"""Moves: the list, and one of them as it happens, with its proof."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, ServerSentEvent, Template

from router.api.ops import OpsTenant
from router.api.shapes import List
from router.catalog.move_words import MoveDocument
from router.errors import NotFound
from web.api import Refused
from web.console.asking import CHANGES, Filter, address, by_act, checked, chosen
from web.form import EMPTY, Form, read_form
from web.live import Live, part_of, stream_parts
from web.visitor import NO_SUCH_PAGE, Visitor

SETTLE = "settle"
PART = "console/parts/move.html"
_DONE = {
    "cancel": "The move is taken back; the tenant stays where it is.",
    "undo": "The tenant goes back to where it came from.",
    SETTLE: "The source is being erased.",
}
#: What is said of its pace, by one form with a button for each.
_PACE = {
    "pause": "The move stands still at the next place where it may.",
    "resume": "The move goes on where it stopped.",
    "hold": "The move stops before its switch, and follows until you cut it over.",
    "release": "The move switches when it is ready.",
    "cut-over": "The move switches as soon as it is proved.",
}


@get("/console/moves", include_in_schema=False)
async def show_moves(
    visitor: NamedDependency[Visitor], tenant: Filter = "", after: Filter = ""
) -> Template:
    """The newest first."""
    await visitor.staff()
    filters = chosen(tenant=tenant, after=after)
    found = await visitor.api.get("/api/ops/moves", List[MoveDocument], filters)
    given = {"moves": found, "filters": filters, "address": address("/console/moves", filters)}
    return visitor.page("console/moves.html", given)


@get("/console/moves/{move_id:uuid}", include_in_schema=False)
async def show_move(visitor: NamedDependency[Visitor], move_id: FromPath[UUID]) -> Template:
    """As it stands now; its middle goes on by itself while it runs."""
    await visitor.staff()
    return await _move_page(visitor, move_id)


@get("/console/moves/{move_id:uuid}/live", include_in_schema=False)
async def watch_move(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], move_id: FromPath[UUID]
) -> ServerSentEvent:
    """The API's own events, rendered; at the end the page is asked for once more."""
    await visitor.staff()
    move = await visitor.api.get(f"/api/ops/moves/{move_id}", MoveDocument)
    part, page = part_of(request, PART), f"/console/moves/{move.id}"
    live = Live(events=f"/api/ops/moves/{move.id}/events", page=page)
    return ServerSentEvent(
        stream_parts(
            visitor.api,
            live,
            MoveDocument,
            lambda told: part.render({"move": told}),
            lambda told: told.state.is_ended,
        )
    )


@post("/console/moves/{move_id:uuid}/{act:str}", status_code=200, include_in_schema=False)
async def change_move(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    move_id: FromPath[UUID],
    act: FromPath[str],
) -> Template | Redirect:
    """Says something of its pace, cancels, undoes or settles it.

    Who settles it types the word, for nothing is undone then.
    """
    await visitor.staff(CHANGES)
    done = {**_DONE, **_PACE}
    if act not in done:
        raise NotFound(NO_SUCH_PAGE)
    form = checked(await read_form(request), confirm=SETTLE if act == SETTLE else None)
    if form.errors:
        return await _move_page(visitor, move_id, act=act, form=form)
    try:
        await visitor.api.do("POST", f"/api/ops/moves/{move_id}/{act}", change=form.change)
    except Refused as refused:
        return await _move_page(visitor, move_id, act=act, form=form.refused(refused))
    return visitor.to(f"/console/moves/{move_id}", said=done[act])


async def _move_page(
    visitor: Visitor, move_id: UUID, *, act: str | None = None, form: Form = EMPTY
) -> Template:
    move = await visitor.api.get(f"/api/ops/moves/{move_id}", MoveDocument)
    tenant = await visitor.api.get(f"/api/ops/tenants/{move.tenant}", OpsTenant)
    forms = by_act(tuple(_DONE), act, form)
    pace = form if act in _PACE else EMPTY
    given = {"move": move, "tenant": tenant, "forms": forms, "pace": pace}
    return visitor.page("console/move.html", given, form=form)
