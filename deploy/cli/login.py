"""``stepwell login`` and ``stepwell logout``: for people; operators' commands need neither."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
import msgspec

from deploy.cli.session import (
    Session,
    api_at,
    ask_secret,
    calling,
    forget,
    keep,
    site_at,
    site_option,
)
from deploy.cli.shell import asynchronous, json_option, say, state_option
from deploy.cli.show import show_json
from router.api.entering import LoggedIn


class LoggedInDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Who is logged in where; the token is in the file alone."""

    site: str
    email: str
    expires_at: datetime
    tenants: list[str]


@click.command()
@click.argument("email")
@site_option
@state_option
@json_option
@asynchronous
async def login(*, email: str, site: str | None, state: Path, as_json: bool) -> None:
    """Log in as a person, for the commands of `stepwell me`.

    The password is asked for on the terminal, and read from stdin where there is none. The session
    is kept in a file that only you may read: STEPWELL_SESSION_FILE names another one.
    """
    where = site_at(site, state)
    body = {"email": email, "password": ask_secret("Password")}
    async with api_at(where) as api:
        opened = await api.change("POST", "/api/login", body, wanted=LoggedIn)
    keep(Session(site=where, token=opened.token, expires_at=opened.expires_at))
    told = LoggedInDocument(
        site=where,
        email=opened.user.email,
        expires_at=opened.expires_at,
        tenants=[each.slug for each in opened.tenants],
    )
    if as_json:
        show_json(told)
    else:
        say(f"you are {told.email} at {where}, until {told.expires_at:%Y-%m-%d %H:%M} UTC")


@click.command()
@site_option
@state_option
@json_option
@asynchronous
async def logout(*, site: str | None, state: Path, as_json: bool) -> None:
    """End the session that `stepwell login` opened."""
    try:
        async with calling(site, state) as caller:
            await caller.api.do("POST", "/api/logout")
    finally:
        # What can't be ended there any more is no use here either.
        forget()
    if as_json:
        show_json({"site": caller.session.site})
    else:
        say(f"you are logged out of {caller.session.site}")
