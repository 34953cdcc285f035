"""``stepwell staff``."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, NAME, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json, show_table
from router.catalog import access, accounts, audit
from router.catalog import staff as ours
from router.catalog.access_words import By
from router.catalog.credentials import StaffRole
from router.catalog.passwords import Passwords

if TYPE_CHECKING:
    from router.catalog import Catalog
    from router.catalog.staff import StaffMember

PASSWORD_BYTES = 15
ROLES = click.Choice([role.value for role in StaffRole])


class AddedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Who was added; ``password`` is there where the account was made now, this once."""

    email: str
    role: StaffRole
    password: str | None


@click.group()
def staff() -> None:
    """Who may enter the operators' console, and as what."""


@staff.command()
@click.argument("email")
@click.option(
    "--role",
    required=True,
    type=ROLES,
    help="An observer looks, sales bring customers in too, an operator may do everything.",
)
@state_option
@json_option
@asynchronous
async def add(*, email: str, role: str, state: Path, as_json: bool) -> None:
    """Let somebody into the console, or change the role.

    An address without an account gets one, whose password is shown once. An account that is there
    already must have verified its address.
    """
    async with catalog_at(state) as catalog:
        password = await _password_for(catalog, email)
        member = await _add(catalog, email, StaffRole(role), password)
    if as_json:
        show_json(AddedDocument(email=member.email, role=member.role, password=password))
        return
    say(f"{member.email} is {member.role} of the staff")
    if password is not None:
        say("the account is new; its password is shown once:")
        click.echo(password)


@staff.command("list")
@state_option
@json_option
@asynchronous
async def list_staff(*, state: Path, as_json: bool) -> None:
    """List the staff, by address."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = await ours.list_all(connection)
    if as_json:
        show_json(found)
        return
    rows = [(each.email, each.role.value, each.name) for each in found]
    show_table(("email", "role", "name"), rows, empty="there is no staff: `stepwell staff add`")


@staff.command()
@click.argument("email")
@state_option
@json_option
@asynchronous
async def remove(*, email: str, state: Path, as_json: bool) -> None:
    """Let somebody into the console no more; the account stays."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        removed = await ours.remove(connection, email)
        await access.end_all_of(connection, removed, by=By(actor=ACTOR, name=NAME))
        deed = audit.Deed(actor=ACTOR, action="staff.remove", target=removed)
        await audit.write(connection, deed)
    if as_json:
        show_json({"removed": removed})
    else:
        say(f"{removed} is none of the staff any more")


async def _password_for(catalog: Catalog, email: str) -> str | None:
    """Draw a password where there is no account yet."""
    normal = accounts.check_email(email)
    async with catalog.connection() as connection:
        known = await accounts.find_by_email(connection, normal)
    return None if known is not None else secrets.token_urlsafe(PASSWORD_BYTES)


async def _add(catalog: Catalog, email: str, role: StaffRole, password: str | None) -> StaffMember:
    password_hash = None if password is None else await _hash(password)
    async with catalog.transaction() as connection:
        if password_hash is None:
            member = await ours.add(connection, email, role)
        else:
            member = await ours.create(connection, email, role, password_hash=password_hash)
        detail: dict[str, object] = {"role": member.role}
        deed = audit.Deed(actor=ACTOR, action="staff.add", target=member.email, detail=detail)
        await audit.write(connection, deed)
    return member


async def _hash(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()
