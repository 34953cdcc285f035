"""Letters: mail that waits to be sent. It is recorded with what it tells of, or not at all.

What a letter says may open an account: it is sealed, and gone once the letter was sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from router.errors import SettingsWrong
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from router.connect import Connection
    from router.sealing import Sealer

#: A letter that nobody could be brought for so long isn't sent any more.
LETTER_LIFE = timedelta(days=5)
_SQL = load("router.catalog", "letters.sql")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What to write to whom: ``kind`` names the text, ``values`` is what it says."""

    kind: str
    recipient: str
    values: dict[str, str] = {}
    tenant_id: TenantId | None = None
    life: timedelta = LETTER_LIFE
    #: How long it may still be taken back, because something more belongs into it.
    wait: timedelta = timedelta()


class DueLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that is to be sent now. Its id is the same at each attempt.

    ``values`` is None where another secret key sealed it than those that are known here.
    """

    id: UUID
    kind: str
    recipient: str
    values: dict[str, str] | None
    made_at: datetime
    attempts: int
    is_late: bool


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How the queue stands."""

    waiting: int
    given_up: int
    oldest_s: float


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a tenant, as the outbox keeps it."""

    id: int
    at: datetime
    kind: str
    tenant_id: TenantId | None
    payload: dict[str, object]


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is told of a tenant's affairs. ``is_proved``: whose address it is."""

    slug: str
    tenant: str
    email: str
    name: str
    is_owner: bool = False
    is_proved: bool = False


async def put(connection: Connection, sealer: Sealer, letter: Letter) -> UUID:
    """Record a letter, in the transaction of what it tells of."""
    letter_id = uuid4()
    sealed = sealer.seal(msgspec.json.encode(letter.values), purpose=_purpose(letter_id))
    await connection.execute(
        _SQL["put"],
        letter_id,
        letter.kind,
        letter.recipient,
        letter.tenant_id,
        sealed,
        letter.life,
        letter.wait,
    )
    return letter_id


async def take_back(
    connection: Connection, sealer: Sealer, tenant_id: TenantId, *, kind: str
) -> dict[str, dict[str, str]]:
    """Take back a tenant's letters of a kind that still wait; returns what they say, by address."""
    rows = await connection.fetch(_SQL["take_back"], tenant_id, kind)
    said = {row["recipient"]: _values(row, sealer) for row in rows}
    return {recipient: values for recipient, values in said.items() if values is not None}


async def claim(
    connection: Connection, sealer: Sealer, *, items_max: int, lease: timedelta
) -> list[DueLetter]:
    """Take letters to send; whoever doesn't say what became of one leaves it to the next."""
    rows = await connection.fetch(_SQL["claim"], items_max, lease)
    return [_due(row, sealer) for row in rows]


async def sent(connection: Connection, letter_id: UUID) -> None:
    """Record that a server took the letter."""
    await connection.execute(_SQL["sent"], letter_id)


async def give_up(connection: Connection, letter_id: UUID, *, error: str) -> None:
    """Record that the letter will never arrive."""
    await connection.execute(_SQL["give_up"], letter_id, error)


async def postpone(
    connection: Connection, letter_id: UUID, *, after: timedelta, error: str
) -> None:
    """Record why the letter couldn't be sent, and when it is tried again."""
    await connection.execute(_SQL["postpone"], letter_id, after, error)


async def figures(connection: Connection) -> Figures:
    """Count what waits."""
    row = await connection.fetchrow(_SQL["figures"])
    assert row is not None, "counts are one row"
    return Figures(waiting=row["waiting"], given_up=row["given_up"], oldest_s=row["oldest_s"])


async def take_messages(connection: Connection, *, items_max: int) -> list[Message]:
    """Take what the outbox holds; in the transaction of the letters that are written of it.

    A message that names its readers forgets them by that.
    """
    rows = await connection.fetch(_SQL["take_messages"], items_max)
    return [
        Message(
            id=row["id"],
            at=row["at"],
            kind=row["kind"],
            tenant_id=row["tenant_id"],
            payload=msgspec.json.decode(row["payload"], type=dict[str, object]),
        )
        for row in sorted(rows, key=lambda row: int(row["id"]))
    ]


async def readers(connection: Connection, tenant_id: TenantId) -> list[Reader]:
    """Return who is told of a tenant's affairs."""
    rows = await connection.fetch(_SQL["readers"], tenant_id)
    return [
        Reader(
            slug=row["slug"],
            tenant=row["tenant"],
            email=row["email"],
            name=row["name"],
            is_owner=row["is_owner"],
            is_proved=row["is_proved"],
        )
        for row in rows
    ]


async def readers_at(
    connection: Connection, tenant_id: TenantId, addresses: Sequence[str]
) -> list[Reader]:
    """Return those at the addresses that a message named: members, or not any more."""
    row = await connection.fetchrow(_SQL["subject"], tenant_id)
    if row is None:
        return []
    return [
        Reader(slug=row["slug"], tenant=row["tenant"], email=address, name="")
        for address in addresses
    ]


async def forget_old(connection: Connection) -> None:
    """Delete letters that ended a month ago, and end those that came too late for their reader."""
    await connection.execute(_SQL["give_up_late"])
    await connection.execute(_SQL["forget_old"])


def day(at: datetime) -> str:
    """Write a date as people read it."""
    return f"{at.day} {at:%B %Y}"


def _due(row: asyncpg.Record, sealer: Sealer) -> DueLetter:
    return DueLetter(
        id=row["id"],
        kind=row["kind"],
        recipient=row["recipient"],
        values=_values(row, sealer),
        made_at=row["made_at"],
        attempts=row["attempts"],
        is_late=row["is_late"],
    )


def _values(row: asyncpg.Record, sealer: Sealer) -> dict[str, str] | None:
    try:
        plain = sealer.unseal(row["values_sealed"], purpose=_purpose(row["id"]))
    except SettingsWrong:
        return None  # it must not keep the others of its claim from being sent
    return msgspec.json.decode(plain, type=dict[str, str])


def _purpose(letter_id: UUID) -> str:
    return f"letter {letter_id}"
