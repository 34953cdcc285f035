"""Single sign-on of one workspace: who may say who its members are."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.sso import CALLBACK, SignOnShown
from router.catalog.roles import OWNER
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor, Workspace


@get("/w/{slug:str}/security", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Who may change settings sees it; only owners change it."""
    return await page(await visitor.workspace(slug))


@post("/w/{slug:str}/security", status_code=200, include_in_schema=False)
async def change(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """The provider is asked at once: what can't work isn't kept."""
    room, form = await visitor.workspace(slug), await read_form(request)
    body = {
        "issuer": form.text("issuer"),
        "client_id": form.text("client_id"),
        "client_secret": form.raw("client_secret") or None,
        "email_domains": form.text("email_domains").replace(",", " ").split(),
        "required": form.is_ticked("required"),
    }
    try:
        await room.api.change("PUT", "/api/sso", body, wanted=SignOnShown, change=form.change)
    except Refused as refused:
        return await page(room, form.refused(refused))
    said = "Saved: the provider answered. Try it before you count on it."
    return room.to("/security", said=said)


@post("/w/{slug:str}/security/remove", status_code=200, include_in_schema=False)
async def remove(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template | Redirect:
    """Back to passwords and passkeys."""
    room = await visitor.workspace(slug)
    try:
        await room.api.do("DELETE", "/api/sso")
    except Refused as refused:
        return await page(room, EMPTY.refused(refused))
    return room.to("/security", said="Members log in with password or passkey again.")


async def page(room: Workspace, form: Form = EMPTY) -> Template:
    """Answer with the settings as they are, and what is wrong with those that were sent."""
    known: SignOnShown | None = None
    try:
        known = await room.api.get("/api/sso", SignOnShown)
    except Refused as refused:
        if not refused.is_(HTTPStatus.NOT_FOUND):
            raise
    given = {
        "known": known,
        "is_owner": room.me.tenant is not None and room.me.tenant.role == OWNER,
        "redirect_uri": room.visitor.web.site_url + CALLBACK,
    }
    return room.page("workspace/security.html", given, form=form)
