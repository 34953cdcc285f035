"""What interrupts or ends a tenant: each with its reason, the gravest typed out."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.deletion import Ending
from router.errors import NotFound
from web.api import Refused
from web.console.asking import CHANGES, by_act, checked
from web.console.tenant.dossier import back_to, open_dossier, tenant_api
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor

TAB: Final = "/danger"
SUSPEND, ERASE = "suspend", "erase"
#: Who does these types the slug, each into a field of its own: both are on one page.
_TYPED: Final = {SUSPEND: "confirm", ERASE: "confirm_erase"}


class _Act(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the page's forms asks of the API, and what is said afterwards."""

    path: str
    said: str
    method: str = "POST"


_ACTS: Final = {
    SUSPEND: _Act(path="suspend", said="The tenant is suspended."),
    "resume": _Act(path="resume", said="The tenant is served again."),
    "maintenance": _Act(path="maintenance", said="The tenant's maintenance has begun."),
    ERASE: _Act(path="erase", said="The tenant is to be erased: its people are told the day."),
    "keep": _Act(path="deletion", said="The tenant stays.", method="DELETE"),
}


@get("/console/tenants/{slug:str}/danger", include_in_schema=False)
async def show_danger(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """How it is served, and its end, if that was asked for."""
    await visitor.staff()
    return await _page(visitor, slug)


@post("/console/tenants/{slug:str}/danger/{act:str}", status_code=200, include_in_schema=False)
async def change_tenant(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    act: FromPath[str],
) -> Template | Redirect:
    """Closes or opens it, has it erased later, or takes that back."""
    await visitor.staff(CHANGES)
    if act not in _ACTS:
        raise NotFound(NO_SUCH_PAGE)
    form = await read_form(request)
    field = _TYPED.get(act)
    form = checked(form) if field is None else checked(form, confirm=slug, field=field)
    if form.errors:
        return await _page(visitor, slug, act=act, form=form)
    wanted = _ACTS[act]
    path, body = f"{tenant_api(slug)}/{wanted.path}", _body(act, slug)
    try:
        await visitor.api.do(wanted.method, path, body, change=form.change)
    except Refused as refused:
        return await _page(visitor, slug, act=act, form=form.refused(refused))
    return back_to(visitor, slug, TAB, said=wanted.said)


def _body(act: str, slug: str) -> dict[str, object] | None:
    match act:
        case "maintenance":
            return {"on": True}
        case "erase":
            return {"confirm": slug}
        case _:
            return None


async def _page(
    visitor: Visitor, slug: str, *, act: str | None = None, form: Form = EMPTY
) -> Template:
    dossier = await open_dossier(visitor, slug)
    ending = await visitor.api.get(f"{dossier.api}/deletion", Ending)
    given = {"deletion": ending.deletion, "forms": by_act(tuple(_ACTS), act, form)}
    return dossier.page(TAB, given, form=form)
