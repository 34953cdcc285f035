"""Rows for any table of any product, made from its stored form, with a canary in every text.

Values are PostgreSQL's own text, as StoredRows writes them, so each type needs one line here.
"""

from __future__ import annotations

import secrets
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Table,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.types import TypeEngine

from router.alchemy import TENANT_COLUMN
from router.words import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.product.stored_form import StoredForm
    from router.store import Store

#: No digit and no letter below g: it can't be a part of an id, a digest or a request's number.
_LETTERS = "ghjkmnpqrstvwxyz"
_CANARY_LENGTH = 7
_SIMPLE = (
    (Boolean, "false"),
    (Numeric, "1"),
    (DateTime, "2001-02-03 04:05:06"),
    (Date, "2001-02-03"),
    (Time, "04:05:06"),
    (Interval, "1 day"),
    (INET, "127.0.0.1"),
    (AbstractRange, "[1,2)"),
)


class Key(IntEnum):
    """Whose row a number is. Both sides have a row of number BOTH."""

    MINE = 21
    THEIRS = 31
    BOTH = 17
    NOBODYS = 41
    FRESH = 51


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with the keys of its rows, and the canary that stands in every text of them."""

    name: str
    tenant: Tenant
    keys: tuple[Key, ...]
    canary: str


def draw_canary() -> str:
    """Draw a word that stands nowhere else; the shortest text columns hold it with a number."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_CANARY_LENGTH))


def value_of(column: Column[Any], number: int, canary: str) -> str:
    """Return what a column holds in the row of a number.

    Keys and what refers to them hold the number alone: an attacker can guess a key, not a text.
    """
    kind = column.type
    for known, text in _SIMPLE:
        if isinstance(kind, known):
            return text
    match kind:
        case Integer():
            return str(number)
        case Uuid():
            return str(UUID(int=number))
        case String() if column.primary_key or column.foreign_keys:
            return f"k{number}"
        case _:
            return _canary_as(kind, canary, number)


def _canary_as(kind: TypeEngine[Any], canary: str, number: int) -> str:
    match kind:
        case Enum():
            return str(kind.enums[0])
        case String():
            return f"{canary}{number}"[: kind.length]
        case LargeBinary():
            return "\\x" + canary.encode().hex()
        case JSON():
            return f'{{"canary": "{canary}"}}'
        case ARRAY():
            return f"{{{canary}}}" if isinstance(kind.item_type, String) else "{}"
        case _:
            raise AssertionError(f"say here which value a column of type {kind!r} can have")


def row_of(table: Table, number: int, canary: str, earlier: Iterable[Table]) -> dict[str, str]:
    """Make the row of a number: it refers to the rows of that number in the tables before it."""
    known = {*earlier, table}
    row: dict[str, str] = {}
    for column in columns_of(table):
        parents = [each.column.table for each in column.foreign_keys]
        if column.nullable and any(parent not in known for parent in parents):
            continue
        row[column.name] = value_of(column, number, canary)
    return row


def columns_of(table: Table) -> list[Column[Any]]:
    """Return the columns that a row is made of: not the tenant, and nothing computed."""
    return [
        column
        for column in table.columns
        if column.name != TENANT_COLUMN and column.computed is None
    ]


async def fill(store: Store, held: Held, stored: StoredForm) -> None:
    """Give a tenant its rows, one a key in every table, as the platform writes rows."""
    tenant = held.tenant
    assert tenant.placement is not None
    async with store.rows(tenant.id, tenant.placement) as rows:
        for at, table in enumerate(stored.tables):
            made = [row_of(table, number, held.canary, stored.tables[:at]) for number in held.keys]
            names = rows.columns(table.name)
            await rows.write(table.name, [tuple(row.get(name) for name in names) for row in made])
