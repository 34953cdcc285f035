"""Accounts: the people who log in."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import msgspec

from router.catalog import sessions
from router.catalog.tenants import check_name
from router.errors import Conflict, NotAllowed, NotAuthenticated, NotFound, Unprocessable
from router.sql import load

if TYPE_CHECKING:
    from router.catalog import Catalog
    from router.catalog.passwords import Passwords
    from router.connect import Connection

EMAIL_LENGTH_MAX = 254
_SQL = load("router.catalog", "accounts.sql")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"[a-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person, without what the person logs in with.

    Until ``email_verified_at`` anybody may have signed up with the address.
    """

    id: UUID
    email: str
    name: str
    created_at: datetime
    email_verified_at: datetime | None = None


async def create(
    connection: Connection, *, email: str, name: str = "", password_hash: str | None = None
) -> Account:
    """Record an account; without a password it can't log in until it is given one."""
    normal = check_email(email)
    name = check_name(name) if name.strip() else ""
    row = await connection.fetchrow(_SQL["create"], uuid4(), normal, name, password_hash)
    if row is None:
        raise Conflict(f"there is an account for {normal} already: log in")
    return _account(row)


async def find_by_id(connection: Connection, account_id: UUID) -> Account | None:
    """Find an account that may log in."""
    row = await connection.fetchrow(_SQL["find_by_id"], account_id)
    return None if row is None else _account(row)


async def find_by_email(connection: Connection, email: str) -> Account | None:
    """Find an account that may log in."""
    row = await connection.fetchrow(_SQL["find_by_email"], email.strip().lower())
    return None if row is None else _account(row)


async def find_proved(connection: Connection, email: str) -> Account | None:
    """Find the account whose person has shown to read the address.

    Whoever gives something to an address asks for this one: anybody may sign up with any address.
    """
    found = await find_by_email(connection, email)
    return None if found is None or found.email_verified_at is None else found


async def log_in(
    catalog: Catalog,
    passwords: Passwords,
    *,
    email: str,
    password: str,
    lets_newcomers: bool = True,
) -> Account:
    """Return whose e-mail address and password these are, or raise NotAuthenticated.

    Whatever is wrong, the answer and the time it takes are the same. A newcomer is in no workspace
    and has proved no address: whoever signs up with another's must not learn by logging in whether
    there was an account.
    """
    async with catalog.connection() as connection:
        row = await connection.fetchrow(_SQL["find_to_log_in"], _findable(email))
    password_hash: str | None = None if row is None else row["password_hash"]
    fits = await passwords.verify(password_hash, password)
    is_let_in = row is not None and (lets_newcomers or not row["is_newcomer"])
    if row is None or password_hash is None or not fits or not is_let_in:
        raise NotAuthenticated(
            "the e-mail address or the password is wrong; one that just signed up is confirmed "
            "first, as its letter says"
        )
    if passwords.is_outdated(password_hash):
        renewed = await passwords.hash(password)
        async with catalog.connection() as connection:
            await connection.execute(_SQL["renew_hash"], row["id"], password_hash, renewed)
    return _account(row)


async def set_password(connection: Connection, account_id: UUID, password_hash: str) -> None:
    """Replace the password and end every session that the old one opened; needs a transaction."""
    if await connection.fetchval(_SQL["set_password"], account_id, password_hash) is None:
        raise NotFound(f"there is no account {account_id}")
    await sessions.end_all(connection, account_id)


async def password_hash_of(connection: Connection, account_id: UUID) -> str | None:
    """Return the hash that a password of the account is compared with, if it has one."""
    found: str | None = await connection.fetchval(_SQL["password_hash_of"], account_id)
    return found


async def rename(connection: Connection, account_id: UUID, name: str) -> Account:
    """Give a person another name, or none."""
    normal = check_name(name) if name.strip() else ""
    row = await connection.fetchrow(_SQL["rename"], account_id, normal)
    if row is None:
        raise NotFound(f"there is no account {account_id}")
    return _account(row)


async def dispute(connection: Connection, account_id: UUID) -> None:
    """Record that somebody else signed up with the address too, before anybody has proved it."""
    await connection.execute(_SQL["dispute"], account_id)


async def confirm(connection: Connection, account_id: UUID) -> Account:
    """Record that the account's person reads its address; needs a transaction.

    A password and sessions that another one may have made end here.
    """
    row = await connection.fetchrow(_SQL["confirm"], account_id)
    if row is None:
        raise NotFound(f"there is no account {account_id}")
    if row["was_disputed"]:
        await sessions.end_all(connection, account_id)
    return _account(row)


async def set_email(connection: Connection, account_id: UUID, email: str) -> Account:
    """Give an account the address that it has proved; raises Conflict when another one has it.

    One of the staff keeps its own: with a second name it would be a second person.
    """
    try:
        row = await connection.fetchrow(_SQL["set_email"], account_id, check_email(email))
    except asyncpg.UniqueViolationError:
        raise Conflict("this e-mail address has an account of its own: log in there") from None
    if row is None:
        raise staff_stay()
    return _account(row)


async def set_disabled(connection: Connection, account_id: UUID, *, is_disabled: bool) -> None:
    """Shut an account out everywhere, or let it in again."""
    if await connection.fetchval(_SQL["set_disabled"], account_id, is_disabled) is None:
        raise NotFound(f"there is no account {account_id}")


def staff_stay() -> NotAllowed:
    """Say why one of the staff can't have another address."""
    return NotAllowed(
        "the audit names the staff by their addresses: have yours taken out of the staff first "
        "(`stepwell staff remove`), and let in again with the new address"
    )


def check_email(email: str) -> str:
    """Return the e-mail address in the one spelling that is stored."""
    normal = email.strip().lower()
    if len(normal) > EMAIL_LENGTH_MAX or _EMAIL.fullmatch(normal) is None:
        raise Unprocessable(f"{email[:80]!r} is no e-mail address", field="email")
    return normal


def _findable(email: str) -> str:
    try:
        return check_email(email)
    except Unprocessable:
        return ""  # nobody's


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        created_at=row["created_at"],
        email_verified_at=row["email_verified_at"],
    )
