"""One's own account: the name, the address, the password, and where one is logged in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.accounts import Mailed
from router.api.profile import PasswordChanged, Profile
from router.api.shapes import List, User
from router.catalog.sessions import ListedSession
from web.accounts.agents import name_of
from web.accounts.mailed import Token, take_along, token_of, used_up
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor


@get("/account", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor]) -> Template:
    """The account at a glance."""
    await visitor.known()
    return await _page(visitor)


@post("/account/name", status_code=200, include_in_schema=False)
async def rename(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """What other members see; none is fine, they see the address then."""
    await visitor.known()
    form = await read_form(request)
    try:
        await visitor.api.change("PATCH", "/api/profile", {"name": form.text("name")}, wanted=User)
    except Refused as refused:
        return await _page(visitor, form.refused(refused))
    return visitor.to("/account", said="Your name is changed.")


@post("/account/sessions/{session_id:uuid}/end", status_code=200, include_in_schema=False)
async def end_session(
    visitor: NamedDependency[Visitor], session_id: FromPath[UUID]
) -> Template | Redirect:
    """Whoever is in it is asked to log in at the next page."""
    await visitor.known()
    try:
        await visitor.api.do("DELETE", f"/api/sessions/{session_id}")
    except Refused as refused:
        return await _page(visitor, EMPTY.refused(refused))
    return visitor.to("/account", said="That session has ended.")


@post("/account/sessions/end-others", status_code=200, include_in_schema=False)
async def end_other_sessions(visitor: NamedDependency[Visitor]) -> Template | Redirect:
    """For whoever left one open somewhere."""
    await visitor.known()
    try:
        await visitor.api.do("DELETE", "/api/sessions")
    except Refused as refused:
        return await _page(visitor, EMPTY.refused(refused))
    return visitor.to("/account", said="All your other sessions have ended.")


@get("/account/password", include_in_schema=False)
async def password_page(visitor: NamedDependency[Visitor]) -> Template:
    """The one before is asked for, unless the log-in was a moment ago."""
    await visitor.known()
    return await _form_page(visitor, "accounts/password.html")


@post("/account/password", status_code=200, include_in_schema=False)
async def change_password(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Every session ends; this browser goes on in a new one."""
    await visitor.known()
    form = await read_form(request)
    body = {"new_password": form.raw("new_password"), "password": form.raw("password") or None}
    try:
        changed = await visitor.api.change(
            "POST", "/api/profile/password", body, wanted=PasswordChanged
        )
    except Refused as refused:
        return await _form_page(visitor, "accounts/password.html", _asked_again(form, refused))
    said = "Your password is changed, and every other session has ended."
    return visitor.entered(changed.token, changed.expires_at, "/account", said=said)


@get("/account/email", include_in_schema=False)
async def email_page(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], token: Token = ""
) -> Template | Redirect:
    """Where the letter to the new address leads; whoever isn't logged in does that first."""
    if token:
        return take_along(visitor, token)
    await visitor.known()
    return await _form_page(visitor, "accounts/email.html", token=token_of(request))


@post("/account/email", status_code=200, include_in_schema=False)
async def change_email(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Nothing changes until the new address is confirmed."""
    await visitor.known()
    form = await read_form(request)
    body = {"email": form.text("email"), "password": form.raw("password") or None}
    try:
        sent = await visitor.api.change("POST", "/api/profile/email", body, wanted=Mailed)
    except Refused as refused:
        return await _form_page(visitor, "accounts/email.html", _asked_again(form, refused))
    said = f"A letter is on its way to {sent.email}: type its code here, or follow its link."
    return used_up(visitor.to("/account/email", said=said))


@post("/account/email/verify", status_code=200, include_in_schema=False)
async def verify_email(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """By the link's token, or by the code."""
    await visitor.known()
    form = await read_form(request)
    token = form.text("token")
    body = {"token": token} if token else {"code": form.text("code")}
    try:
        user = await visitor.api.change("POST", "/api/profile/email/verify", body, wanted=User)
    except Refused as refused:
        return await _form_page(visitor, "accounts/email.html", form.refused(refused))
    return used_up(visitor.to("/account", said=f"From now on you log in with {user.email}."))


def _asked_again(form: Form, refused: Refused) -> Form:
    """Say beside the password what is wrong with it: which field it is, the API needn't know."""
    if refused.is_(HTTPStatus.UNAUTHORIZED):
        return form.wrong(password="This isn't your password.")  # noqa: S106 - a sentence about one
    if refused.is_(HTTPStatus.FORBIDDEN):
        return form.wrong(password="You logged in a while ago: type your password too.")  # noqa: S106 - a sentence about one
    return form.refused(refused)


async def _page(visitor: Visitor, form: Form = EMPTY) -> Template:
    profile = await visitor.api.get("/api/profile", Profile)
    open_ = (await visitor.api.get("/api/sessions", List[ListedSession])).items
    given = {"profile": profile, "sessions": [(each, name_of(each.agent)) for each in open_]}
    return visitor.page("accounts/own.html", given, form=form)


async def _form_page(
    visitor: Visitor, template: str, form: Form = EMPTY, *, token: str = ""
) -> Template:
    profile = await visitor.api.get("/api/profile", Profile)
    return visitor.page(template, {"profile": profile, "token": token}, form=form)
