"""Whether both ends of a move hold the same rows; and where they don't, which rows those are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from promotion.copying import find_key, within
from promotion.pace import at_once
from router.names import quote
from router.stored_rows import spell_digest, spell_hash
from router.words import Digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from promotion.shape import Shape, TableShape
    from promotion.side import Side
    from router.connect import Connection

Key = tuple[str, ...]
#: So few rows are compared one by one.
ROWS_A_LOOK = 100
#: So many are summed up at once: some tens of milliseconds of work.
ROWS_A_SLICE = 20_000


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A side as one open transaction sees it: REPEATABLE READ, or nobody else may be writing."""

    side: Side
    connection: Connection


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a table that isn't the same at both ends, by the keys of its rows.

    It lies behind ``after`` and goes up to ``upto``; None is the table's beginning, or its end.
    """

    table: str
    after: Key | None
    upto: Key | None
    missing: tuple[Key, ...]
    surplus: tuple[Key, ...]
    unequal: tuple[Key, ...]

    def __str__(self) -> str:
        counts = (
            f"{len(self.missing)} rows are missing in the target, {len(self.surplus)} are too "
            f"many, {len(self.unequal)} are not the same"
        )
        after = "the beginning" if self.after is None else f"key {self.after}"
        upto = "the end" if self.upto is None else f"key {self.upto}"
        return f"table {self.table}: {counts}, between {after} and {upto}"


async def digests(
    source: View,
    target: View,
    shape: Shape,
    *,
    after_slice: Callable[[], Awaitable[None]] = at_once,
) -> tuple[list[Digest], list[Digest]]:
    """Sum up every row at both ends, table by table, in the transactions that are open.

    Each table is read in slices of its keys, and ``after_slice`` is awaited after each: nobody
    waits for a whole table of a large tenant.
    """
    here: list[Digest] = []
    there: list[Digest] = []
    for table in shape.tables:
        pairs = [pair async for pair in _slices(source, target, table, after_slice)]
        here.append(_sum(table, [pair[0] for pair in pairs]))
        there.append(_sum(table, [pair[1] for pair in pairs]))
    return here, there


async def _slices(
    source: View, target: View, table: TableShape, after_slice: Callable[[], Awaitable[None]]
) -> AsyncIterator[tuple[Digest, Digest]]:
    after: Key | None = None
    while True:
        where = within(source.side, table, after=after)
        upto = await find_key(
            source.connection, source.side, table, where=where, skipped=ROWS_A_SLICE - 1
        )
        yield await _both(source, target, table, (after, upto))
        await after_slice()
        if upto is None:
            return
        after = upto


def _sum(table: TableShape, parts: Sequence[Digest]) -> Digest:
    return Digest(
        table=table.name,
        rows=sum(part.rows for part in parts),
        digest=str(sum(int(part.digest) for part in parts)),
    )


def compare(source: Sequence[Digest], target: Sequence[Digest]) -> list[str]:
    """Name the tables that differ, or that only one end has."""
    here = {digest.table: digest for digest in source}
    there = {digest.table: digest for digest in target}
    return [name for name in here | there if here.get(name) != there.get(name)]


async def find_difference(source: View, target: View, table: TableShape) -> Difference | None:
    """Halve the table by its keys until few enough rows are left to be named; None if none differ.

    What is found is the first stretch that differs. Others may come after it.
    """
    after: Key | None = None
    upto: Key | None = None
    here, there = await _both(source, target, table, (after, upto))
    if here == there:
        return None
    while max(here.rows, there.rows) > ROWS_A_LOOK:
        larger, rows = (source, here.rows) if here.rows >= there.rows else (target, there.rows)
        where = within(larger.side, table, after=after, upto=upto)
        middle = await find_key(
            larger.connection, larger.side, table, where=where, skipped=rows // 2 - 1
        )
        lower = await _both(source, target, table, (after, middle))
        if lower[0] != lower[1]:
            upto, (here, there) = middle, lower
        else:
            after, (here, there) = middle, await _both(source, target, table, (middle, upto))
    return await _name(source, target, table, (after, upto))


async def _both(
    source: View, target: View, table: TableShape, stretch: tuple[Key | None, Key | None]
) -> tuple[Digest, Digest]:
    here, there = await asyncio.gather(
        *[_digest(view.connection, view.side, table, stretch) for view in (source, target)]
    )
    return here, there


async def _digest(
    connection: Connection,
    side: Side,
    table: TableShape,
    stretch: tuple[Key | None, Key | None] = (None, None),
) -> Digest:
    after, upto = stretch
    record = await connection.fetchrow(
        f"SELECT {spell_digest(table.names)} FROM {side.place(table.name)}"  # noqa: S608 - quoted names and literals
        f" WHERE {within(side, table, after=after, upto=upto)}"
    )
    assert record is not None, "an aggregate always has a row"
    return Digest(table=table.name, rows=record["rows"], digest=record["digest"])


async def _name(
    source: View, target: View, table: TableShape, stretch: tuple[Key | None, Key | None]
) -> Difference:
    after, upto = stretch
    here, there = await asyncio.gather(
        *[_hashes(view, table, stretch) for view in (source, target)]
    )
    return Difference(
        table=table.name,
        after=after,
        upto=upto,
        missing=tuple(key for key in here if key not in there),
        surplus=tuple(key for key in there if key not in here),
        unequal=tuple(key for key in here if key in there and here[key] != there[key]),
    )


async def _hashes(
    view: View, table: TableShape, stretch: tuple[Key | None, Key | None]
) -> dict[Key, int]:
    after, upto = stretch
    # Names of their own, so that ORDER BY means the columns: as in copying.spell_find_key.
    keys = ", ".join(f"{quote(name)}::text AS k{at}" for at, name in enumerate(table.key))
    rows = await view.connection.fetch(
        f"SELECT {spell_hash(table.names)}, {keys} FROM {view.side.place(table.name)}"  # noqa: S608 - as in _digest
        f" WHERE {within(view.side, table, after=after, upto=upto)} ORDER BY {table.key_names}"
    )
    return {tuple(row[1:]): row[0] for row in rows}
