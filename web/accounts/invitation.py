"""An invitation as its reader sees it: into what, as what, and what it takes to accept."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from router.api.invitations import Accepted, OpenInvitation
from web.accounts.mailed import Token, take_along, token_of, used_up
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor


@get("/invitation", include_in_schema=False)
async def invitation_page(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], token: Token = ""
) -> Template | Redirect:
    """Looking uses nothing up."""
    if token:
        return take_along(visitor, token)
    return await _page(visitor, token_of(request))


@post("/invitation", status_code=200, include_in_schema=False)
async def accept(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """With a password: the invited address's own, or that of the account which is made now."""
    form = await read_form(request)
    token = token_of(request, form)
    body = {
        "token": token,
        "password": form.raw("password"),
        **({"name": form.text("name")} if form.text("name") else {}),
    }
    try:
        accepted = await visitor.api.change(
            "POST", "/api/invitations/accept", body, wanted=Accepted, change=form.change
        )
    except Refused as refused:
        return await _page(visitor, token, form.said(refused))
    return await _entered(visitor, accepted)


@post("/invitation/join", status_code=200, include_in_schema=False)
async def join(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """As who is logged in."""
    await visitor.known()
    form = await read_form(request)
    token = token_of(request, form)
    try:
        accepted = await visitor.api.change(
            "POST", "/api/invitations/join", {"token": token}, wanted=Accepted, change=form.change
        )
    except Refused as refused:
        return await _page(visitor, token, form.refused(refused))
    return await _entered(visitor, accepted)


async def _entered(visitor: Visitor, accepted: Accepted) -> Redirect:
    """Go on in a session of the workspace's own; the one before ends."""
    await visitor.give_way(accepted.token)
    said = f"You are in {accepted.tenant.name} now, as {accepted.role}."
    where = f"/w/{accepted.tenant.slug}"
    return used_up(visitor.entered(accepted.token, accepted.expires_at, where, said=said))


async def _page(visitor: Visitor, token: str, form: Form = EMPTY) -> Template:
    me = await visitor.me()
    shown: OpenInvitation | None = None
    if token:
        try:
            shown = await visitor.api.change(
                "POST", "/api/invitations/show", {"token": token}, wanted=OpenInvitation
            )
        except Refused as refused:
            if not refused.is_(HTTPStatus.NOT_FOUND):
                raise
    given = {
        "token": token,
        "invitation": shown,
        "is_theirs": me is not None and shown is not None and me.user.email == shown.email,
    }
    is_missing = shown is None and bool(token) and not form.problem
    status = HTTPStatus.NOT_FOUND if is_missing else None
    return visitor.page("accounts/invitation.html", given, form=form, status=status)
