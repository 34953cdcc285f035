"""Where a tenant's rows are, where they were, and the form that moves them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.fleet import ClusterShown
from router.api.moves import MoveBegun, WantedTier
from router.api.shapes import List
from router.catalog.move_words import MoveDocument, Rehearsal
from web.api import Change, Refused
from web.console.asking import CHANGES, Filter, by_act, checked
from web.console.tenant.dossier import back_to, open_dossier
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor

TAB: Final = "/placement"
MOVE, UNDO = "move", "undo"
MOVES_SHOWN_MAX = 20
_WANTED: Final = {WantedTier.PLAN: "as its plan wants it"}


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Which form of the page was sent, and how it looks now."""

    act: str | None = None
    form: Form = EMPTY
    rehearsal: Rehearsal | None = None


@get("/console/tenants/{slug:str}/placement", include_in_schema=False)
async def show_placement(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: Filter = ""
) -> Template:
    """Now, and every move before, each with its receipt."""
    await visitor.staff()
    return await _page(visitor, slug, _Sent(), after=after)


@post("/console/tenants/{slug:str}/placement/move", status_code=200, include_in_schema=False)
async def begin_move(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template | Redirect:
    """Leads to the move that was begun, where it can be watched."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, _Sent(act=MOVE, form=form))
    try:
        begun = await visitor.api.change(
            "POST", "/api/ops/moves", _goal(slug, form), wanted=MoveBegun, change=form.change
        )
    except Refused as refused:
        return await _page(visitor, slug, _Sent(act=MOVE, form=form.refused(refused)))
    if begun.operation is None:
        said = "The tenant is where its plan wants it already."
        return back_to(visitor, slug, TAB, said=said)
    return visitor.to(f"/console/moves/{begun.operation.id}", said="The move has begun.")


@post("/console/tenants/{slug:str}/placement/dry-run", status_code=200, include_in_schema=False)
async def foresee_move(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template:
    """Shows what the move would do, above the form that begins it."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, _Sent(act=MOVE, form=form))
    # Without the form's key: that one is for the move itself, also for who goes back to the form.
    asked = Change(reason=form.change.reason)
    try:
        rehearsal = await visitor.api.change(
            "POST", "/api/ops/moves/dry-run", _goal(slug, form), wanted=Rehearsal, change=asked
        )
    except Refused as refused:
        return await _page(visitor, slug, _Sent(act=MOVE, form=form.refused(refused)))
    return await _page(visitor, slug, _Sent(act=MOVE, form=form, rehearsal=rehearsal))


@post(
    "/console/tenants/{slug:str}/placement/undo/{move_id:uuid}",
    status_code=200,
    include_in_schema=False,
)
async def undo_move(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    move_id: FromPath[UUID],
) -> Template | Redirect:
    """The tenant goes back without copying, with what was written since."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, _Sent(act=UNDO, form=form))
    try:
        await visitor.api.do("POST", f"/api/ops/moves/{move_id}/undo", change=form.change)
    except Refused as refused:
        return await _page(visitor, slug, _Sent(act=UNDO, form=form.refused(refused)))
    return visitor.to(
        f"/console/moves/{move_id}", said="The tenant goes back to where it came from."
    )


def _goal(slug: str, form: Form) -> dict[str, object]:
    return {
        "tenant": slug,
        "tier": form.text("tier"),
        "cluster": form.optional("cluster"),
        "hold": form.is_ticked("hold"),
    }


async def _page(visitor: Visitor, slug: str, sent: _Sent, *, after: str = "") -> Template:
    dossier, api = await open_dossier(visitor, slug), visitor.api
    asked: dict[str, str | int | None] = {
        "tenant": str(dossier.tenant.id),
        "limit": MOVES_SHOWN_MAX,
        "after": after.strip() or None,
    }
    moves = await api.get("/api/ops/moves", List[MoveDocument], asked)
    clusters = await api.get("/api/ops/clusters", List[ClusterShown])
    given = {
        "moves": moves,
        "undoable": next((each for each in moves.items if each.undo_until), None),
        "clusters": clusters.items,
        "tiers": [(each.value, _WANTED.get(each, each.value)) for each in WantedTier],
        "rehearsal": sent.rehearsal,
        "forms": by_act((MOVE, UNDO), sent.act, sent.form),
    }
    return dossier.page(TAB, given, form=sent.form)
