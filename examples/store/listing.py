"""One page after another, in key order; a cursor is the last key of the page before."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final, TypeVar

from litestar.exceptions import ClientException
from msgspec import Struct, convert
from sqlalchemy import Column, Select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.store.columns import INTEGER_MAX
from examples.store.shapes import Page

CURSOR: Final = re.compile(r"[0-9]{1,10}")

Row = TypeVar("Row", bound=Struct)


class Where(Struct, frozen=True, kw_only=True):
    """Which page is asked for."""

    limit: int
    after: str | None


async def page(
    session: AsyncSession, rows: Select[Any], *, key: Column[int], shape: type[Row], where: Where
) -> Page[Row]:
    """Read one row more than the page holds: it tells whether there is a next page."""
    statement = rows.order_by(key).limit(where.limit + 1)
    if where.after is not None:
        statement = statement.where(key > key_of(where.after))
    found = (await session.execute(statement)).all()
    items = [convert(row, shape, from_attributes=True) for row in found[: where.limit]]
    if len(found) <= where.limit:
        return Page(items=items, next=None)
    return Page(items=items, next=cursor_of(getattr(items[-1], key.name)))


def cursor_of(key: int) -> str:
    """Opaque, so that nobody builds one: what it holds may change."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def key_of(cursor: str) -> int:
    """Read back what `cursor_of` wrote, and nothing else."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if CURSOR.fullmatch(text) and int(text) <= INTEGER_MAX:
        return int(text)
    raise ClientException(
        "The cursor in 'after' is not one of ours; pass the 'next' of the page before, unchanged."
    )
