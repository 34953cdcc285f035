"""Forgotten passwords: a letter brings the link where a new one is set."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from router.api.accounts import Mailed
from web.accounts.mailed import Token, take_along, token_of, used_up
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor


@get("/reset", include_in_schema=False)
async def reset_page(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], token: Token = ""
) -> Template | Redirect:
    """With the link: the new password. Without it: the address that a letter goes to."""
    if token:
        return take_along(visitor, token)
    return await _page(visitor, token_of(request))


@post("/reset/ask", status_code=200, include_in_schema=False)
async def ask_reset(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Whether there is such an account, its mailbox learns and nobody else."""
    form = await read_form(request)
    body = {"email": form.text("email")}
    try:
        sent = await visitor.api.change("POST", "/api/password/forgot", body, wanted=Mailed)
    except Refused as refused:
        return await _page(visitor, "", form.said(refused))
    minutes = sent.expires_after_s // 60
    said = f"If {sent.email} has an account, a letter is there, good for {minutes} minutes."
    return used_up(visitor.to("/reset", said=said))


@post("/reset", status_code=200, include_in_schema=False)
async def reset(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Every session ends; the person logs in with the new password."""
    form = await read_form(request)
    token = token_of(request, form)
    body = {"token": token, "password": form.raw("password")}
    try:
        await visitor.api.do("POST", "/api/password/reset", body, change=form.change)
    except Refused as refused:
        said = form.said(refused)
        # A link that is used up leads back to asking for another one; a bad password doesn't.
        return await _page(visitor, token if said.errors else "", said)
    return used_up(visitor.left("/login", said="Your new password is set: log in with it."))


async def _page(visitor: Visitor, token: str, form: Form = EMPTY) -> Template:
    await visitor.me()
    return visitor.page("accounts/reset.html", {"token": token}, form=form)
