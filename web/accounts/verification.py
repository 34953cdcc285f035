"""Verification: a person shows that it reads its address, by the letter's link or its code."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from router.api.accounts import Mailed
from router.api.entering import LoggedIn
from router.api.me import Me
from web.accounts.mailed import Token, take_along, token_of, used_up
from web.accounts.wish import granted, wish_of
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor


@get("/verify", include_in_schema=False)
async def verify_page(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], token: Token = ""
) -> Template | Redirect:
    """With the link: one button. Without it: the code, or another letter."""
    if token:
        return take_along(visitor, token)
    return await _page(visitor, token_of(request))


@post("/verify", status_code=200, include_in_schema=False)
async def verify(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Opens a new session, and ends the one that the browser came with."""
    form = await read_form(request)
    token = form.text("token")
    shown = {"token": token} if token else {"email": form.text("email"), "code": form.text("code")}
    try:
        opened = await visitor.api.change(
            "POST", "/api/accounts/verify", shown, wanted=LoggedIn, change=form.change
        )
    except Refused as refused:
        return await _page(visitor, "", form.said(refused))
    me = await visitor.me()
    await visitor.give_way(opened.token)
    said = f"{opened.user.email} is confirmed."
    if opened.needs_password:
        said += " Choose a password: the one before has ended."
    wish = None if opened.tenants else wish_of(request)
    home = _home(opened, me) if wish is None else wish.path
    where = "/account/password" if opened.needs_password else home
    return granted(used_up(visitor.entered(opened.token, opened.expires_at, where, said=said)))


@post("/verify/again", status_code=200, include_in_schema=False)
async def send_again(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Whoever is logged in needn't type the address. Known or not, the answer is the same."""
    form, me = await read_form(request), await visitor.me()
    email = form.text("email") if me is None else me.user.email
    try:
        if me is None:
            sent = await visitor.api.change(
                "POST", "/api/accounts/resend", {"email": email}, wanted=Mailed
            )
        else:
            sent = await visitor.api.change("POST", "/api/profile/verification", wanted=Mailed)
    except Refused as refused:
        return await _page(visitor, "", form.refused(refused))
    minutes = sent.expires_after_s // 60
    said = f"If {sent.email} waits to be confirmed, a letter is there, good for {minutes} minutes."
    return used_up(visitor.to("/verify", said=said))


def _home(opened: LoggedIn, me: Me | None) -> str:
    """Return where the person was, as far as the new session may go there."""
    slugs = [each.slug for each in opened.tenants]
    if len(slugs) == 1:
        return f"/w/{slugs[0]}"
    was_in = None if me is None or me.tenant is None else me.tenant.slug
    return f"/w/{was_in}" if was_in in slugs else "/workspaces"


async def _page(visitor: Visitor, token: str, form: Form = EMPTY) -> Template:
    await visitor.me()
    return visitor.page("accounts/verify.html", {"token": token}, form=form)
