"""Staff: who of us may enter the operators' console, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from router.catalog import accounts
from router.catalog.credentials import StaffRole
from router.errors import Conflict, NotAllowed, NotFound
from router.sql import load

if TYPE_CHECKING:
    import asyncpg

    from router.catalog.accounts import Account
    from router.connect import Connection

#: Who has no name: whoever holds the operators' token, and whoever holds the command line.
UNNAMED: Final = frozenset({"token", "cli"})
_ACTOR: Final = "operator:"
_SQL = load("router.catalog", "staff.sql")


class StaffMember(msgspec.Struct, frozen=True, kw_only=True):
    """One of the staff."""

    id: UUID
    email: str
    name: str
    role: StaffRole


async def add(connection: Connection, email: str, role: StaffRole) -> StaffMember:
    """Make the person of an account one of the staff, or change its role; needs a transaction.

    The address has to be proved: until then anybody may have signed up with it.
    """
    normal = accounts.check_email(email)
    account = await accounts.find_by_email(connection, normal)
    if account is None:
        raise NotFound(f"there is no account for {normal}: let its person sign up first")
    if account.email_verified_at is None:
        raise Conflict(
            f"nobody has proved to read the mail of {normal}, so anybody may have made its "
            "account: let its person verify the address first"
        )
    return await _give(connection, account, role)


async def create(
    connection: Connection, email: str, role: StaffRole, *, password_hash: str
) -> StaffMember:
    """Make one of the staff together with its account, for an address that we vouch for.

    Needs a transaction.
    """
    account = await accounts.create(connection, email=email, password_hash=password_hash)
    return await _give(connection, await accounts.confirm(connection, account.id), role)


async def remove(connection: Connection, email: str) -> str:
    """Let somebody into the console no more; return the address. The account stays."""
    removed: str | None = await connection.fetchval(_SQL["remove"], email.strip().lower())
    if removed is None:
        raise NotFound(f"{email[:80]!r} is none of the staff: `stepwell staff list` names them")
    return removed


async def list_all(connection: Connection) -> list[StaffMember]:
    """Return the staff, by address."""
    return [_member(row) for row in await connection.fetch(_SQL["list"])]


async def find(connection: Connection, email: str) -> StaffMember | None:
    """Find one of the staff."""
    row = await connection.fetchrow(_SQL["find"], email.strip().lower())
    return None if row is None else _member(row)


def name_of(actor: str) -> str:
    """Return how one of the staff is called, of how the audit calls the same."""
    return actor.removeprefix(_ACTOR)


async def check_second(connection: Connection, *, asked_by: str, by: str) -> None:
    """Raise NotAllowed unless ``by`` is another person of the staff than ``asked_by``, by name.

    Whom the first let into the staff is no second: else everybody had a second account for that.
    """
    if by in UNNAMED or by == asked_by:
        raise NotAllowed(
            f"{asked_by} asked for that: another person of the staff, who has logged in by name, "
            "must approve it"
        )
    if await connection.fetchval(_SQL["let_in_by"], by) == _ACTOR + asked_by:
        raise NotAllowed(
            f"{asked_by}, who asked for that, let {by} into the staff: somebody else must approve "
            "it, or let them in"
        )


async def _give(connection: Connection, account: Account, role: StaffRole) -> StaffMember:
    row = await connection.fetchrow(_SQL["give"], account.id, role.value)
    assert row is not None, "the account was read in this transaction, and none is ever deleted"
    return _member(row)


def _member(row: asyncpg.Record) -> StaffMember:
    return StaffMember(
        id=row["id"], email=row["email"], name=row["name"], role=StaffRole(row["staff_role"])
    )
