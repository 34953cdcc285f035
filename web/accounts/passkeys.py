"""Passkeys: log in by one; see, add, rename and remove one's own.

A device signs by the browser's script alone. Whoever has none keeps the password.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.entering import LoggedIn
from router.api.passkeys import Asked, PasskeyShown, PublicKeyCredential
from router.api.profile import Profile
from router.api.shapes import List
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor, own_path

_UNREADABLE = "Your browser sent no passkey that can be read: try again."


class ToSign(msgspec.Struct, frozen=True, kw_only=True):
    """What the script hands to the browser, or why it can't."""

    options: dict[str, Any] | None = None
    problem: str | None = None


@post("/login/passkey/options", status_code=200, include_in_schema=False)
async def ask_passkey(visitor: NamedDependency[Visitor]) -> ToSign:
    """For the button on the log-in page."""
    return await _ask(visitor, "/api/login/passkey/options")


@post("/login/passkey", status_code=200, include_in_schema=False)
async def log_in(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """A new session, as with a password."""
    form = await read_form(request)
    where, credential = own_path(form.text("next")), _credential(form)
    if credential is None:
        return _log_in_page(visitor, where, _unreadable(form))
    try:
        opened = await visitor.api.change(
            "POST", "/api/login/passkey", {"credential": credential}, wanted=LoggedIn
        )
    except Refused as refused:
        return _log_in_page(visitor, where, form.said(refused))
    await visitor.give_way(opened.token)
    return visitor.entered(opened.token, opened.expires_at, where)


@get("/account/passkeys", include_in_schema=False)
async def passkeys_page(visitor: NamedDependency[Visitor]) -> Template:
    """All of one's own, the oldest first."""
    await visitor.known()
    return await _page(visitor)


@post("/account/passkeys/options", status_code=200, include_in_schema=False)
async def ask_registration(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> ToSign:
    """The password is asked for, unless the log-in was a moment ago."""
    await visitor.known()
    form = await read_form(request)
    body = {"password": form.raw("password") or None}
    return await _ask(visitor, "/api/passkeys/options", body)


@post("/account/passkeys", status_code=200, include_in_schema=False)
async def register(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """A letter tells the person of it, whoever added it."""
    await visitor.known()
    form = await read_form(request)
    credential = _credential(form)
    if credential is None:
        return await _page(visitor, _unreadable(form))
    body = {"name": form.text("name"), "credential": credential}
    try:
        added = await visitor.api.change(
            "POST", "/api/passkeys", body, wanted=PasskeyShown, change=form.change
        )
    except Refused as refused:
        return await _page(visitor, form.said(refused))
    return visitor.to("/account/passkeys", said=f"From now on {added.name} opens your account.")


@post("/account/passkeys/{passkey_id:uuid}/rename", status_code=200, include_in_schema=False)
async def rename(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], passkey_id: FromPath[UUID]
) -> Template | Redirect:
    """The name is only for its person."""
    await visitor.known()
    form = await read_form(request)
    path, body = f"/api/passkeys/{passkey_id}", {"name": form.text("new_name")}
    try:
        renamed = await visitor.api.change("PATCH", path, body, wanted=PasskeyShown)
    except Refused as refused:
        return await _page(visitor, form.refused(refused))
    return visitor.to("/account/passkeys", said=f"It is called {renamed.name} now.")


@post("/account/passkeys/{passkey_id:uuid}/remove", status_code=200, include_in_schema=False)
async def remove(
    visitor: NamedDependency[Visitor], passkey_id: FromPath[UUID]
) -> Template | Redirect:
    """For a device that is lost or given away."""
    await visitor.known()
    try:
        await visitor.api.do("DELETE", f"/api/passkeys/{passkey_id}")
    except Refused as refused:
        return await _page(visitor, EMPTY.refused(refused))
    return visitor.to("/account/passkeys", said="That passkey opens nothing any more.")


async def _ask(visitor: Visitor, path: str, body: object = None) -> ToSign:
    try:
        asked = await visitor.api.change("POST", path, body, wanted=Asked)
    except Refused as refused:
        said = EMPTY.said(refused)
        return ToSign(problem=said.problem)
    return ToSign(options=asked.options)


def _credential(form: Form) -> PublicKeyCredential | None:
    try:
        return msgspec.json.decode(form.raw("credential"), type=PublicKeyCredential)
    except msgspec.MsgspecError:
        return None


def _unreadable(form: Form) -> Form:
    return msgspec.structs.replace(form, problem=_UNREADABLE)


def _log_in_page(visitor: Visitor, where: str, form: Form) -> Template:
    return visitor.page("accounts/login.html", {"next": where}, form=form)


async def _page(visitor: Visitor, form: Form = EMPTY) -> Template:
    profile = await visitor.api.get("/api/profile", Profile)
    found = await visitor.api.get("/api/passkeys", List[PasskeyShown])
    given = {"profile": profile, "passkeys": found.items}
    return visitor.page("accounts/passkeys.html", given, form=form)
