"""``stepwell me``: one's own account, as the page /account has it."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click
import msgspec

from deploy.cli.session import ask_secret, calling, site_option
from deploy.cli.shell import asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from router.api.accounts import Mailed
from router.api.entering import LoggedIn
from router.api.me import Me
from router.api.passkeys import PasskeyShown
from router.api.profile import PasswordChanged, Profile
from router.api.shapes import List, User
from router.catalog.credentials import StaffRole
from router.catalog.members import MemberTenant
from router.catalog.sessions import ListedSession
from web.api import Refused

if TYPE_CHECKING:
    from deploy.cli.session import Caller

_NOW = "Password now (empty if you logged in a moment ago)"


class OwnDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An account with the tenants that it is a member of."""

    site: str
    id: UUID
    email: str
    name: str
    email_verified_at: datetime | None
    has_password: bool
    passkeys: int
    created_at: datetime
    staff: StaffRole | None
    tenants: list[MemberTenant]


@click.group()
def me() -> None:
    """One's own account: log in with `stepwell login`, or name a token in STEPWELL_TOKEN."""


@me.command()
@site_option
@state_option
@json_option
@asynchronous
async def show(*, site: str | None, state: Path, as_json: bool) -> None:
    """Show your account and your tenants."""
    async with calling(site, state) as caller:
        profile = await caller.api.get("/api/profile", Profile)
        known = await caller.api.get("/api/me", Me)
    told = OwnDocument(
        site=caller.session.site,
        staff=known.staff,
        tenants=known.tenants,
        **msgspec.structs.asdict(profile),
    )
    if as_json:
        show_json(told)
        return
    listed = ", ".join(f"{each.slug} ({each.role})" for each in told.tenants)
    proved = "confirmed" if told.email_verified_at else "not confirmed: `stepwell me verify`"
    show_fields(
        {
            "site": told.site,
            "e-mail": f"{told.email} ({proved})",
            "name": told.name,
            "password": "set" if told.has_password else "none",
            "passkeys": told.passkeys,
            "tenants": listed,
            "staff": told.staff,
        }
    )


@me.command()
@click.argument("name")
@site_option
@state_option
@json_option
@asynchronous
async def name(*, name: str, site: str | None, state: Path, as_json: bool) -> None:
    """Change your name: what the other members see; '' for none."""
    async with calling(site, state) as caller:
        user = await caller.api.change("PATCH", "/api/profile", {"name": name}, wanted=User)
    _tell(user, f"you are {user.name or user.email} now", as_json=as_json)


@me.command()
@site_option
@state_option
@json_option
@asynchronous
async def password(*, site: str | None, state: Path, as_json: bool) -> None:
    """Change your password, which ends every other session.

    Two lines are asked for, on the terminal or from stdin: the password now, and the new one.
    """
    async with calling(site, state) as caller:
        body = {"password": _password_now(), "new_password": ask_secret("New one", twice=True)}
        changed = await caller.api.change(
            "POST", "/api/profile/password", body, wanted=PasswordChanged
        )
    said = "your password is changed, and every other session has ended"
    _go_on(caller, changed, said, as_json=as_json)


@me.command()
@click.argument("address", required=False)
@click.option("--code", help="What the letter to the new address said.")
@site_option
@state_option
@json_option
@asynchronous
async def email(
    *, address: str | None, code: str | None, site: str | None, state: Path, as_json: bool
) -> None:
    """Change your e-mail address: name the new one, then show the --code of its letter.

    The password is asked for, on the terminal or from stdin, with the new address.
    """
    if (address is None) == (code is None):
        raise click.UsageError("name the new address, or the --code that was sent to it")
    async with calling(site, state) as caller:
        if code is not None:
            path = "/api/profile/email/verify"
            user = await caller.api.change("POST", path, {"code": code}, wanted=User)
            _tell(user, f"from now on you log in with {user.email}", as_json=as_json)
            return
        body = {"email": address, "password": _password_now()}
        sent = await caller.api.change("POST", "/api/profile/email", body, wanted=Mailed)
    _tell(sent, f"a letter is on its way to {sent.email}", as_json=as_json)


@me.command()
@click.option("--code", help="What the letter said; without it another letter is sent.")
@site_option
@state_option
@json_option
@asynchronous
async def verify(*, code: str | None, site: str | None, state: Path, as_json: bool) -> None:
    """Confirm that your e-mail address is yours."""
    async with calling(site, state) as caller:
        if code is None:
            sent = await caller.api.change("POST", "/api/profile/verification", wanted=Mailed)
            _tell(sent, f"a letter is on its way to {sent.email}", as_json=as_json)
            return
        profile = await caller.api.get("/api/profile", Profile)
        body = {"email": profile.email, "code": code}
        opened = await caller.api.change("POST", "/api/accounts/verify", body, wanted=LoggedIn)
        # It opened a session of its own, which takes the place of the one before.
        with contextlib.suppress(Refused):
            await caller.api.do("POST", "/api/logout")
    said = f"{opened.user.email} is confirmed"
    if opened.needs_password:
        said += "; the password before has ended: set one with `stepwell me password`"
    _go_on(caller, opened, said, as_json=as_json)


@me.command()
@site_option
@state_option
@json_option
@asynchronous
async def sessions(*, site: str | None, state: Path, as_json: bool) -> None:
    """List where you are logged in."""
    async with calling(site, state) as caller:
        found = (await caller.api.get("/api/sessions", List[ListedSession])).items
    if as_json:
        show_json(found)
        return
    show_table(
        ("id", "program", "from", "tenant", "since", ""),
        [
            (
                each.id,
                each.agent,
                each.source,
                each.tenant,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                "this one" if each.is_current else "",
            )
            for each in found
        ],
        empty="you are logged in nowhere",
    )


@me.command("end-session")
@click.argument("session_id", type=click.UUID, required=False, metavar="ID")
@click.option("--others", is_flag=True, help="All of them but the one that asks.")
@site_option
@state_option
@json_option
@asynchronous
async def end_session(
    *, session_id: UUID | None, others: bool, site: str | None, state: Path, as_json: bool
) -> None:
    """End one of your sessions, or all --others."""
    if (session_id is None) != others:
        raise click.UsageError("name the session, or say --others")
    path = "/api/sessions" if session_id is None else f"/api/sessions/{session_id}"
    async with calling(site, state) as caller:
        await caller.api.do("DELETE", path)
    said = "your other sessions have ended" if others else f"the session {session_id} has ended"
    _tell({"ended": session_id or "others"}, said, as_json=as_json)


@me.command()
@site_option
@state_option
@json_option
@asynchronous
async def passkeys(*, site: str | None, state: Path, as_json: bool) -> None:
    """List your passkeys; they are added in a browser, at /account/passkeys."""
    async with calling(site, state) as caller:
        found = (await caller.api.get("/api/passkeys", List[PasskeyShown])).items
    if as_json:
        show_json(found)
        return
    show_table(
        ("id", "name", "since", "last used"),
        [
            (
                each.id,
                each.name,
                f"{each.created_at:%Y-%m-%d}",
                f"{each.last_used_at:%Y-%m-%d}" if each.last_used_at else "never",
            )
            for each in found
        ],
        empty="you have no passkeys: add one in a browser, at /account/passkeys",
    )


@me.command("rename-passkey")
@click.argument("passkey_id", type=click.UUID, metavar="ID")
@click.argument("name")
@site_option
@state_option
@json_option
@asynchronous
async def rename_passkey(
    *, passkey_id: UUID, name: str, site: str | None, state: Path, as_json: bool
) -> None:
    """Give one of your passkeys another name."""
    path = f"/api/passkeys/{passkey_id}"
    async with calling(site, state) as caller:
        renamed = await caller.api.change("PATCH", path, {"name": name}, wanted=PasskeyShown)
    _tell(renamed, f"it is called {renamed.name} now", as_json=as_json)


@me.command("delete-passkey")
@click.argument("passkey_id", type=click.UUID, metavar="ID")
@site_option
@state_option
@json_option
@asynchronous
async def delete_passkey(*, passkey_id: UUID, site: str | None, state: Path, as_json: bool) -> None:
    """Delete one of your passkeys: it opens nothing any more."""
    async with calling(site, state) as caller:
        await caller.api.do("DELETE", f"/api/passkeys/{passkey_id}")
    _tell({"deleted": passkey_id}, f"the passkey {passkey_id} is gone", as_json=as_json)


def _password_now() -> str | None:
    return ask_secret(_NOW) or None


def _tell(document: object, said: str, *, as_json: bool) -> None:
    if as_json:
        show_json(document)
    else:
        say(said)


def _go_on(caller: Caller, opened: LoggedIn | PasswordChanged, said: str, *, as_json: bool) -> None:
    """Go on with the session that took the place of the one before."""
    is_kept = caller.keep(opened.token, opened.expires_at)
    document: dict[str, object] = {"expires_at": opened.expires_at}
    if not is_kept:
        document["token"] = opened.token
    if as_json:
        show_json(document)
        return
    say(said)
    if not is_kept:
        say("the token of STEPWELL_TOKEN is replaced by this one:")
        click.echo(opened.token)
