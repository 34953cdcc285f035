"""A tenant's domains, its archives, and its end, as the staff sees them: never its rows."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.deletion import Ending
from router.api.domains import DomainShown
from router.api.ops import OpsTenant
from router.api.ops_archives import OpsExport
from router.api.shapes import List
from router.errors import NotFound
from web.api import Refused
from web.console.asking import CHANGES, by_act, checked, segment
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor

ARCHIVE, ERASE, KEEP = "archive", "erase", "keep"
EXPORTS_SHOWN_MAX = 10
_DONE = {
    ARCHIVE: "An archive is being taken.",
    ERASE: "The tenant is to be erased: its people are told the day.",
    KEEP: "The tenant stays.",
}
#: What each does, by method and path under the tenant's.
_CALLS = {
    ARCHIVE: ("POST", "exports"),
    ERASE: ("POST", "erase"),
    KEEP: ("DELETE", "deletion"),
}


@get("/console/tenants/{slug:str}/data", include_in_schema=False)
async def show_data(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """What there is, and for operators what may be done about it."""
    await visitor.staff()
    return await _data_page(visitor, slug)


@post("/console/tenants/{slug:str}/data/{act:str}", status_code=200, include_in_schema=False)
async def change_data(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    act: FromPath[str],
) -> Template | Redirect:
    """Who has a tenant erased types its slug; until the day that is taken back."""
    await visitor.staff(CHANGES)
    if act not in _CALLS:
        raise NotFound(NO_SUCH_PAGE)
    form = checked(await read_form(request), confirm=slug if act == ERASE else None)
    if form.errors:
        return await _data_page(visitor, slug, act=act, form=form)
    method, path = _CALLS[act]
    body = {"confirm": slug} if act == ERASE else None
    try:
        await visitor.api.do(method, f"{_api(slug)}/{path}", body, change=form.change)
    except Refused as refused:
        return await _data_page(visitor, slug, act=act, form=form.refused(refused))
    return visitor.to(f"/console/tenants/{segment(slug)}/data", said=_DONE[act])


async def _data_page(
    visitor: Visitor, slug: str, *, act: str | None = None, form: Form = EMPTY
) -> Template:
    api = visitor.api
    tenant = await api.get(_api(slug), OpsTenant)
    exports = await api.get(f"{_api(slug)}/exports", List[OpsExport], {"limit": EXPORTS_SHOWN_MAX})
    given = {
        "tenant": tenant,
        "domains": (await api.get(f"{_api(slug)}/domains", List[DomainShown])).items,
        "exports": exports.items,
        "deletion": (await api.get(f"{_api(slug)}/deletion", Ending)).deletion,
        "forms": by_act(tuple(_CALLS), act, form),
    }
    return visitor.page("console/data.html", given, form=form)


def _api(slug: str) -> str:
    return f"/api/ops/tenants/{segment(slug)}"
