"""General settings: what the workspace is called, and where it is found."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import MediaType, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Response, Template

from router.api.tenant import TenantWhole
from router.api.workspaces import SlugShown
from router.catalog.roles import Permission
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor, Workspace
from web.workspace.overview import address_of


@get("/w/{slug:str}/general", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Everybody may look."""
    return _general_page(await visitor.workspace(slug))


@post("/w/{slug:str}/general", status_code=200, include_in_schema=False)
async def change(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Leads on to the new address, where there is one."""
    room, form = await visitor.workspace(slug), await read_form(request)
    body = {"name": form.text("name"), "slug": form.text("slug").lower()}
    try:
        changed = await room.api.change(
            "PATCH", "/api/tenant", body, wanted=TenantWhole, change=form.change
        )
    except Refused as refused:
        return _general_page(room, form.refused(refused))
    return visitor.to(f"/w/{changed.slug}/general", said="Saved.")


@get("/slugs/{wanted:str}", include_in_schema=False)
async def check_slug(visitor: NamedDependency[Visitor], wanted: FromPath[str]) -> Response[str]:
    """What is said under the field while somebody types; empty where nobody can tell."""
    me, slug = await visitor.known(), wanted.lower()
    if any(each.slug == slug for each in me.tenants):
        return Response(f"{slug} is yours.", media_type=MediaType.TEXT)
    try:
        told = await visitor.api.get(f"/api/slugs/{quote(slug, safe='')}", SlugShown)
    except Refused:
        return Response("", media_type=MediaType.TEXT)
    if not told.available:
        reason = told.reason or "this address can't be had"
        return Response(reason[:1].upper() + reason[1:] + ".", media_type=MediaType.TEXT)
    return Response(f"{told.slug}.{visitor.web.base_domain} is free.", media_type=MediaType.TEXT)


def _general_page(room: Workspace, form: Form = EMPTY) -> Template:
    given = {
        "address": address_of(room.visitor.web, room.tenant.slug),
        "site": room.visitor.web.base_domain,
        "may_change": room.allows(Permission.SETTINGS_WRITE),
    }
    return room.page("workspace/general.html", given, form=form)
