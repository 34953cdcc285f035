"""Passkeys: keys of a person's own devices, which sign a challenge of ours."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from router.catalog.tenants import check_name
from router.errors import Conflict, NotAuthenticated, NotFound
from router.sql import load

if TYPE_CHECKING:
    import asyncpg

    from router.connect import Connection

CHALLENGE_LIFE = timedelta(minutes=5)
PASSKEYS_MAX = 20
_SQL = load("router.catalog", "passkeys.sql")


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """One registered key; nothing of it is secret."""

    id: UUID
    account_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator gave, verified."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str


async def ask(connection: Connection, challenge: bytes, *, account_id: UUID | None) -> None:
    """Remember a challenge; without an account it is for a log-in."""
    await connection.execute(_SQL["ask"], sha256(challenge).digest(), account_id, CHALLENGE_LIFE)


async def answer(connection: Connection, challenge: bytes, *, account_id: UUID | None) -> None:
    """Use a challenge up, or raise: it was never given, given to another, used, or is too old."""
    hashed = sha256(challenge).digest()
    if await connection.fetchval(_SQL["answer"], hashed, account_id) is None:
        raise NotAuthenticated("this passkey's challenge is used or too old: begin again")


async def list_all(connection: Connection, account_id: UUID) -> list[Passkey]:
    """Return an account's passkeys, the oldest first."""
    return [_passkey(row) for row in await connection.fetch(_SQL["list"], account_id)]


async def find(connection: Connection, credential_id: bytes) -> Passkey | None:
    """Find the passkey of an account that may log in."""
    row = await connection.fetchrow(_SQL["find"], credential_id)
    return None if row is None else _passkey(row)


async def add(connection: Connection, account_id: UUID, new: NewPasskey) -> Passkey:
    """Register a passkey."""
    row = await connection.fetchrow(
        _SQL["add"],
        uuid4(),
        account_id,
        new.credential_id,
        new.public_key,
        new.sign_count,
        check_name(new.name),
        PASSKEYS_MAX,
    )
    if row is None:
        raise Conflict(
            f"this passkey is registered already, or the account has {PASSKEYS_MAX}: remove one"
        )
    return _passkey(row)


async def note_used(connection: Connection, passkey: Passkey, *, sign_count: int) -> None:
    """Remember the count that came with a signature; raises when it shows a copied key."""
    if await connection.fetchval(_SQL["used"], passkey.id, sign_count) is None:
        raise NotAuthenticated("this passkey was copied: remove it, and log in another way")


async def rename(connection: Connection, account_id: UUID, passkey_id: UUID, name: str) -> Passkey:
    """Give a passkey another name; another account's is no passkey of yours."""
    row = await connection.fetchrow(_SQL["rename"], account_id, passkey_id, check_name(name))
    if row is None:
        raise NotFound(f"you have no passkey {passkey_id}")
    return _passkey(row)


async def remove(connection: Connection, account_id: UUID, passkey_id: UUID) -> None:
    """Forget a passkey."""
    if await connection.fetchval(_SQL["remove"], account_id, passkey_id) is None:
        raise NotFound(f"you have no passkey {passkey_id}")


async def forget_old(connection: Connection) -> None:
    """Delete challenges that nobody answered."""
    await connection.execute(_SQL["forget_old"])


def _passkey(row: asyncpg.Record) -> Passkey:
    return Passkey(
        id=row["id"],
        account_id=row["account_id"],
        credential_id=row["credential_id"],
        public_key=row["public_key"],
        sign_count=row["sign_count"],
        name=row["name"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
    )
