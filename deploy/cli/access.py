"""``stepwell access``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import click

from deploy.cli.reach import catalog_at, settings_for
from deploy.cli.shell import ACTOR, NAME, Failed, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json, show_table
from router.catalog import access as accesses
from router.catalog import accounts, staff, tenants
from router.catalog.access_words import AccessMode, AccessState, By, Wanted
from router.catalog.credentials import StaffRole
from router.catalog.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from router.catalog import Catalog
    from router.catalog.access_words import Access, Line

LISTED_MAX = 1_000
PAGE_ITEMS = 200
_WRITES = frozenset({StaffRole.OPERATOR})
_READS = frozenset({StaffRole.OBSERVER, *_WRITES})
_Command = TypeVar("_Command", bound="Callable[..., Any]")
_reason_option = click.option("--reason", required=True, help="Why: the tenant reads it.")
_id_argument = click.argument("access_id", metavar="ID", type=click.UUID)


def _who_options(command: _Command) -> _Command:
    """Add ``--as`` and ``--password-file``: who of the staff it is, and the proof."""
    named = click.option(
        "--as", "email", metavar="EMAIL", help="Who of the staff you are; asks for the password."
    )
    proved = click.option(
        "--password-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
        help="Where the password stands, - for stdin.",
    )
    return named(proved(command))


@click.group()
def access() -> None:
    """Staff's access to a tenant's rows: for minutes, and in the tenant's sight.

    Without --as it is the command line that asks, which may read and never write: two people with
    names, one who asks and one who approves, are what writing takes.
    """


@access.command()
@click.argument("tenant", metavar="T")
@_reason_option
@click.option("--ticket", required=True, help="The number of the ticket that says more.")
@click.option("--minutes", required=True, type=int, help="For how long.")
@click.option("--write", is_flag=True, help="Write too; somebody else approves it first.")
@_who_options
@state_option
@json_option
@asynchronous
async def request(  # noqa: PLR0913 - each argument is an option
    *,
    tenant: str,
    reason: str,
    ticket: str,
    minutes: int,
    write: bool,
    email: str | None,
    password_file: Path | None,
    state: Path,
    as_json: bool,
) -> None:
    """Ask for access to a tenant's rows."""
    mode = AccessMode.WRITE if write else AccessMode.READ
    async with catalog_at(state) as catalog:
        may = _WRITES if write else _READS
        by = await _by(catalog, (email, password_file), reason, may)
        async with catalog.transaction() as connection:
            asked = await accesses.ask(
                connection,
                Wanted(tenant=tenant, mode=mode, ticket=ticket, minutes=minutes),
                minutes_max=settings_for(state).access_minutes_max,
                by=by,
            )
    _tell(asked, as_json=as_json)


@access.command("list")
@click.option("--tenant", "reference", metavar="T", help="Only to this tenant's rows.")
@click.option(
    "--only",
    type=click.Choice([each.value for each in AccessState]),
    help="Only those that stand so.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, LISTED_MAX),
    default=50,
    show_default=True,
    help="How many of the newest.",
)
@state_option
@json_option
@asynchronous
async def list_accesses(
    *, reference: str | None, only: str | None, limit: int, state: Path, as_json: bool
) -> None:
    """List accesses, the newest first."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant_id = (await tenants.get(connection, reference)).tenant.id if reference else None
        page = await accesses.list_page(
            connection,
            tenant_id=tenant_id,
            state=AccessState(only) if only else None,
            items_max=limit,
        )
    if as_json:
        show_json(page.items)
        return
    rows = [
        (
            each.id,
            each.slug,
            each.mode,
            each.requested_by,
            each.state,
            f"{each.ends_at:%Y-%m-%d %H:%M:%S}" if each.ends_at else None,
            each.reason,
        )
        for each in page.items
    ]
    columns = ("id", "tenant", "mode", "by", "state", "until", "reason")
    show_table(columns, rows, empty="nobody asked for access to a tenant's rows")


@access.command()
@_id_argument
@_reason_option
@_who_options
@state_option
@json_option
@asynchronous
async def approve(  # noqa: PLR0913 - each argument is an option
    *,
    access_id: UUID,
    reason: str,
    email: str | None,
    password_file: Path | None,
    state: Path,
    as_json: bool,
) -> None:
    """Let somebody else write; needs --as."""
    async with catalog_at(state) as catalog:
        by = await _by(catalog, (email, password_file), reason, _WRITES)
        async with catalog.transaction() as connection:
            approved = await accesses.approve(connection, access_id, by=by)
    _tell(approved, as_json=as_json)


@access.command()
@_id_argument
@_reason_option
@state_option
@json_option
@asynchronous
async def deny(*, access_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Refuse what somebody asked for, before it begins."""
    by = By(actor=ACTOR, name=NAME, reason=reason)
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        denied = await accesses.deny(connection, access_id, by=by)
    _tell(denied, as_json=as_json)


@access.command()
@_id_argument
@_reason_option
@_who_options
@state_option
@json_option
@asynchronous
async def enter(  # noqa: PLR0913 - each argument is an option
    *,
    access_id: UUID,
    reason: str,
    email: str | None,
    password_file: Path | None,
    state: Path,
    as_json: bool,
) -> None:
    """Begin an access that you asked for; its token is shown once."""
    async with catalog_at(state) as catalog:
        by = await _by(catalog, (email, password_file), reason, _READS)
        async with catalog.transaction() as connection:
            entered = await accesses.enter(connection, access_id, by=by)
    if as_json:
        show_json(entered)
        return
    _tell(entered.access, as_json=False)
    say("the token is shown once:")
    click.echo(entered.token)


@access.command()
@_id_argument
@_reason_option
@state_option
@json_option
@asynchronous
async def end(*, access_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """End an access at once, or take a request back."""
    by = By(actor=ACTOR, name=NAME, reason=reason)
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        ended = await accesses.end(connection, access_id, by=by)
    _tell(ended, as_json=as_json)


@access.command()
@_id_argument
@state_option
@json_option
@asynchronous
async def transcript(*, access_id: UUID, state: Path, as_json: bool) -> None:
    """Show what was done with an access; fails where the transcript isn't what the audit says."""
    async with catalog_at(state) as catalog:
        async with catalog.connection() as connection:
            known = await accesses.get(connection, access_id)
            is_vouched_for = await accesses.is_vouched_for(connection, known)
        lines = await _lines(catalog, access_id)
    if as_json:
        show_json(lines)
    else:
        _show(lines)
    if is_vouched_for is False:
        raise Failed(
            f"the transcript of access {access_id} isn't what the audit says it was at the end: it "
            "was changed since"
        )


async def _lines(catalog: Catalog, access_id: UUID) -> list[Line]:
    lines: list[Line] = []
    while True:
        async with catalog.connection() as connection:
            page = await accesses.transcript_page(
                connection,
                access_id,
                after=lines[-1].position if lines else 0,
                items_max=PAGE_ITEMS,
            )
        lines += page.items
        if page.next is None:
            return lines


def _show(lines: list[Line]) -> None:
    rows: list[tuple[object, ...]] = []
    for each in lines:
        rows.append((f"{each.at:%Y-%m-%d %H:%M:%S}", f"{each.method} {each.path}", each.status))
        rows += [(" ", f"  {' '.join(text.split())}", " ") for text in each.statements]
    show_table(("at", "request, and its statements", "status"), rows, empty="nothing was done")


def _tell(known: Access, *, as_json: bool) -> None:
    if as_json:
        show_json(known)
        return
    until = f" until {known.ends_at:%Y-%m-%d %H:%M:%S}" if known.ends_at else ""
    say(
        f"access {known.id} of {known.requested_by} to {known.slug} ({known.mode}) is "
        f"{known.state}{until}"
    )


async def _by(
    catalog: Catalog,
    person: tuple[str | None, Path | None],
    reason: str,
    may: frozenset[StaffRole],
) -> By:
    """Say who it is: somebody who knows the password, or the command line."""
    email, password_file = person
    if email is None:
        return By(actor=ACTOR, name=NAME, reason=reason)
    password = _password(email, password_file)
    passwords = Passwords()
    try:
        account = await accounts.log_in(catalog, passwords, email=email, password=password)
    finally:
        passwords.close()
    async with catalog.connection() as connection:
        member = await staff.find(connection, account.email)
    if member is None or member.role not in may:
        raise Failed(f"{account.email} isn't of the staff, or not as one who may do that")
    return By(actor=f"operator:{member.email}", name=member.email, reason=reason)


def _password(email: str, password_file: Path | None) -> str:
    if password_file is None:
        typed = click.prompt(f"The password of {email}", hide_input=True, err=True)
        return str(typed)
    with click.open_file(str(password_file), encoding="utf-8") as file:
        return str(file.readline()).rstrip("\r\n")
