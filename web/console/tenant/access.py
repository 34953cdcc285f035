"""Who of the staff was in a tenant's rows, and the form that asks to be."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.shapes import List
from router.catalog.access_words import Access
from web.api import Refused
from web.console.asking import (
    ASKS,
    Filter,
    access_modes,
    access_said,
    access_wanted,
    checked,
)
from web.console.tenant.dossier import open_dossier
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor

TAB: Final = "/access"


@get("/console/tenants/{slug:str}/access", include_in_schema=False)
async def show_access(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: Filter = ""
) -> Template:
    """The newest first; each leads to its transcript."""
    await visitor.staff()
    return await _page(visitor, slug, after=after)


@post("/console/tenants/{slug:str}/access", status_code=200, include_in_schema=False)
async def ask_access(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template | Redirect:
    """Leads to what was asked for, where it is entered."""
    await visitor.staff(*ASKS)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, form)
    try:
        asked = await visitor.api.change(
            "POST", "/api/ops/access", access_wanted(slug, form), wanted=Access, change=form.change
        )
    except Refused as refused:
        return await _page(visitor, slug, form.refused(refused))
    return visitor.to(f"/console/access/{asked.id}", said=access_said(asked))


async def _page(visitor: Visitor, slug: str, form: Form = EMPTY, *, after: str = "") -> Template:
    me, dossier = await visitor.known(), await open_dossier(visitor, slug)
    asked = {"tenant": str(dossier.tenant.id), "after": after.strip() or None}
    found = await visitor.api.get("/api/ops/access", List[Access], asked)
    given = {"accesses": found, "modes": access_modes(me.staff)}
    return dossier.page(TAB, given, form=form)
