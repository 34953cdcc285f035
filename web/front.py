"""The front: the start page, the price list, the visitor's workspaces and the way between them."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from billing.routes import PlanShown
from router.api.sessions import Switched
from router.api.shapes import List
from router.catalog.credentials import StaffRole
from web.form import read_form
from web.visitor import Visitor, own_path


@get("/", include_in_schema=False)
async def start(visitor: NamedDependency[Visitor]) -> Template | Redirect:
    """Whoever is logged in is led to where the work is."""
    me = await visitor.me()
    if me is None:
        return visitor.page("start.html")
    if me.staff is not None:
        return visitor.to("/sales" if me.staff is StaffRole.SALES else "/console")
    if me.tenant is not None:
        return visitor.to(f"/w/{me.tenant.slug}")
    return visitor.to("/workspaces")


@get("/pricing", include_in_schema=False)
async def pricing(visitor: NamedDependency[Visitor]) -> Template:
    """The price list itself, never a copy of it."""
    await visitor.me()
    plans = await visitor.api.get("/api/plans", List[PlanShown])
    return visitor.page("pricing.html", {"plans": plans.items})


@get("/upgrade", include_in_schema=False)
async def upgrade(visitor: NamedDependency[Visitor]) -> Redirect:
    """Where a refusal over a limit leads: to the plans of the workspace that one is in."""
    me = await visitor.known()
    return visitor.to("/workspaces" if me.tenant is None else f"/w/{me.tenant.slug}/billing")


@get("/workspaces", include_in_schema=False)
async def workspaces(visitor: NamedDependency[Visitor]) -> Template:
    """All of the visitor's workspaces, with role and plan."""
    await visitor.known()
    return visitor.page("workspaces.html")


@post("/switch", status_code=303, include_in_schema=False)
async def switch(visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]) -> Redirect:
    """Opens a new session in the other workspace and ends the one before."""
    await visitor.known()
    form = await read_form(request)
    slug = form.text("tenant")
    switched = await visitor.api.change(
        "POST", "/api/switch", {"tenant": slug}, wanted=Switched, change=form.change
    )
    await visitor.api.do("POST", "/api/logout")
    where = own_path(form.text("next")) if form.text("next") else f"/w/{slug}"
    return visitor.entered(switched.token, switched.expires_at, where)
