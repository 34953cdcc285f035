"""Accesses: the list with the form that asks for one, and one of them with its transcript."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.shapes import List
from router.catalog.access_words import Access, AccessState, Entered, Line
from router.catalog.credentials import StaffRole
from router.errors import NotFound
from web.api import Refused
from web.console.asking import (
    ASKS,
    CHANGES,
    Filter,
    access_modes,
    access_said,
    access_wanted,
    address,
    by_act,
    checked,
    chosen,
)
from web.console.lists import State
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor

ENTER = "enter"
END = "end"
ACTS = ("approve", "deny", ENTER, END)
_DONE = {
    "approve": "The access is approved: whoever asked may enter it now.",
    "deny": "The request is denied.",
    END: "The access has ended.",
}


@get("/console/access", include_in_schema=False)
async def show_accesses(
    visitor: NamedDependency[Visitor],
    *,
    wanted: State = "",
    tenant: Filter = "",
    after: Filter = "",
) -> Template:
    """The newest first, and the form that asks for one."""
    await visitor.staff()
    return await _list_page(visitor, chosen(state=wanted, tenant=tenant, after=after))


@post("/console/access", status_code=200, include_in_schema=False)
async def ask(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Leads to what was asked for, where it is entered."""
    await visitor.staff(*ASKS)
    form = checked(await read_form(request))
    if form.errors:
        return await _list_page(visitor, {}, form=form)
    body = access_wanted(form.text("slug"), form)
    try:
        asked = await visitor.api.change(
            "POST", "/api/ops/access", body, wanted=Access, change=form.change
        )
    except Refused as refused:
        return await _list_page(visitor, {}, form=form.refused(refused))
    return visitor.to(f"/console/access/{asked.id}", said=access_said(asked))


@get("/console/access/{access_id:uuid}", include_in_schema=False)
async def show_access(
    visitor: NamedDependency[Visitor], access_id: FromPath[UUID], after: Filter = ""
) -> Template:
    """Who, why, until when; what may be done with it, and what was."""
    await visitor.staff()
    return await access_page(visitor, access_id, after=after)


@post("/console/access/{access_id:uuid}/{act:str}", status_code=200, include_in_schema=False)
async def change_access(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    access_id: FromPath[UUID],
    act: FromPath[str],
) -> Template | Redirect:
    """Approves, denies, enters or ends it; what was entered stays in this browser's cookie."""
    await visitor.staff(*ASKS)
    if act not in ACTS:
        raise NotFound(NO_SUCH_PAGE)
    form = checked(await read_form(request))
    if form.errors:
        return await access_page(visitor, access_id, act=act, form=form)
    path = f"/api/ops/access/{access_id}/{act}"
    try:
        if act == ENTER:
            begun = await visitor.api.change("POST", path, wanted=Entered, change=form.change)
            return visitor.entering(begun, f"/console/access/{access_id}/rows")
        await visitor.api.do("POST", path, change=form.change)
    except Refused as refused:
        return await access_page(visitor, access_id, act=act, form=form.refused(refused))
    here = visitor.access is not None and visitor.access.id == access_id
    if act == END and here:
        return visitor.leaving(f"/console/access/{access_id}")
    return visitor.to(f"/console/access/{access_id}", said=_DONE[act])


async def access_page(
    visitor: Visitor,
    access_id: UUID,
    *,
    act: str | None = None,
    form: Form = EMPTY,
    after: str = "",
) -> Template:
    """Show one access."""
    me = await visitor.known()
    known = await visitor.api.get(f"/api/ops/access/{access_id}", Access)
    lines = await visitor.api.get(
        f"/api/ops/access/{access_id}/transcript", List[Line], {"after": after or None}
    )
    given = {
        "access": known,
        "lines": lines,
        "acts": _open_acts(known, me.staff, is_own=known.requested_by == me.user.email),
        "forms": by_act(ACTS, act, form),
        "is_here": visitor.access is not None and visitor.access.id == access_id,
    }
    return visitor.page("staff/access.html", given, form=form)


def _open_acts(known: Access, role: StaffRole | None, *, is_own: bool) -> frozenset[str]:
    """Say what may be done with an access by whom: the API says the same, and this offers it."""
    acts: set[str] = set()
    is_operator = role is CHANGES
    if is_operator and known.state is AccessState.REQUESTED and not is_own:
        acts.add("approve")
    if is_operator and known.state in {AccessState.REQUESTED, AccessState.READY} and not is_own:
        acts.add("deny")
    if is_own and known.state is AccessState.READY:
        acts.add(ENTER)
    is_open = known.ended_at is None and known.state is not AccessState.LAPSED
    if (is_own and is_open) or (is_operator and known.state is AccessState.ACTIVE):
        acts.add(END)
    return frozenset(acts)


async def _list_page(
    visitor: Visitor, filters: dict[str, str | None], *, form: Form = EMPTY
) -> Template:
    found = await visitor.api.get("/api/ops/access", List[Access], filters)
    me = await visitor.known()
    given = {
        "accesses": found,
        "states": list(AccessState),
        "modes": access_modes(me.staff),
        "filters": {"state": None, "tenant": None, **filters},
        "address": address("/console/access", filters),
    }
    return visitor.page("staff/accesses.html", given, form=form)
