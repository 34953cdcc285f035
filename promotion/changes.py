"""Rounds: what changed at the source since the last one is brought to the target.

After a round at snapshot W the target's rows are the source's rows at W: a key that changed was
logged in the transaction that changed it, and was read again at W; any other is equal already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import msgspec

from promotion.applying import (
    RowsDiffer,
    Writing,
    altered_keys,
    apply,
    check,
    closure,
    delete_together,
    finish,
    first_deletes,
    last_deletes,
    preface,
    spell,
    upsert,
)
from promotion.counters import counter_statements
from promotion.reading import (
    Changes,
    Keys,
    Reading,
    TableRows,
    Uniques,
    read_changes,
    read_counters,
    read_outline,
    read_rows,
    read_uniques,
    snapshot,
    stream_rows,
)
from promotion.shape import Shape
from promotion.side import Bounds, Mover, Side

__all__ = [
    "KEYS_MAX",
    "WATERMARK_PART",
    "Brought",
    "Delta",
    "Stream",
    "apply",
    "bring",
    "gather",
    "read_uniques",
    "snapshot",
    "spell_delta",
]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from promotion.shape import TableShape
    from router.connect import Connection

#: The part of gate.move's data that says up to which snapshot the target is the source.
WATERMARK_PART = "watermark"
#: What is read and written at once.
_KEYS_A_BATCH = 1_000
_MESSAGE_BYTES = 1_000_000
#: How much may hang together when rows can't be written one after the other.
_CLOSURE_KEYS_MAX = 100_000
#: How many keys one round may carry: they are in memory, and their rows are not.
KEYS_MAX = 500_000
_WRITING = Bounds(statement_ms=120_000, idle_ms=300_000)
#: What rules of the target say when rows come in an order that they don't allow.
_IN_THE_WAY = (asyncpg.IntegrityConstraintViolationError, RowsDiffer)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Between which places changes run. ``uniques`` is what read_uniques() said of either side."""

    source: Side
    target: Side
    shape: Shape
    uniques: Uniques
    mover: Mover

    @property
    def reading(self) -> Reading:
        """How rows are read at the source."""
        return Reading(side=self.source, shape=self.shape, uniques=self.uniques)

    def writing(self, *, is_bare: bool = False) -> Writing:
        """How rows are written at the target."""
        at = Reading(side=self.target, shape=self.shape, uniques=self.uniques)
        return Writing(at=at, is_bare=is_bare)


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What one round brought. ``was_entangled``: its rows had to be deleted and made anew."""

    watermark: str
    keys: int
    rows: int
    text_chars: int
    was_entangled: bool


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """All that the target lacks when nobody writes any more."""

    changes: Changes
    rows: dict[str, TableRows]
    counters: dict[str, int]


async def gather(
    source: Connection, stream: Stream, *, since: str | None, keys_max: int = KEYS_MAX
) -> Delta:
    """Read the last delta inside the transaction that keeps every writer out: three round trips."""
    changes = await read_changes(
        source, stream.source, stream.shape, since=since, keys_max=keys_max
    )
    rows = await read_rows(source, stream.reading, changes.keys)
    counters = await read_counters(source, stream.source)
    return Delta(changes=changes, rows=rows, counters=counters)


def spell_delta(stream: Stream, delta: Delta) -> str:
    """Spell a delta and the ids as one message, for apply() in the target's open transaction.

    Where it raises an error of class 23, or RowsDiffer, rows are entangled: let the writers go on,
    and bring() them in a round, which knows how.
    """
    parts = [counter_statements(stream.target, delta.counters)]
    if delta.changes.count:
        parts.insert(0, spell(stream.writing(), delta.changes.keys, delta.rows))
    return ";\n".join(part for part in parts if part)


async def bring(
    source: Connection,
    target: Connection,
    stream: Stream,
    *,
    since: str | None,
    is_bare: bool = False,
) -> Brought:
    """Bring what changed since a snapshot to the target, in one transaction there.

    ``source`` is inside a transaction of REPEATABLE READ, whose snapshot becomes the watermark, and
    ``target`` in none. ``is_bare`` says that the target has no rules but its primary keys yet.
    Safe to repeat from the same ``since`` after any failure.
    """
    changes = await read_changes(
        source, stream.source, stream.shape, since=since, keys_max=KEYS_MAX
    )
    carrying = _Carrying((source, target), stream, stream.writing(is_bare=is_bare), changes)
    try:
        return await carrying.run(_Straight())
    except _IN_THE_WAY:
        if is_bare:
            raise
    try:
        return await carrying.run(_Entangled(only_altered=True))
    except _IN_THE_WAY:
        return await carrying.run(_Entangled(only_altered=False))


class _Straight(msgspec.Struct, frozen=True):
    """Rows are written over those that are there."""


class _Entangled(msgspec.Struct, frozen=True, kw_only=True):
    """Rows swapped unique values, or referred to each other: they go together and come anew.

    With them goes whatever the target's foreign keys would touch; it is read again as well.
    """

    only_altered: bool


class _Carrying:
    """One round at one snapshot; it may be tried again in another order."""

    def __init__(
        self,
        ends: tuple[Connection, Connection],
        stream: Stream,
        writing: Writing,
        changes: Changes,
    ) -> None:
        self._source, self._target = ends
        self._stream = stream
        self._writing = writing
        self._changes = changes
        self._text_chars = 0

    async def run(self, way: _Straight | _Entangled) -> Brought:
        """Write what changed and the watermark, in one transaction of the target."""
        self._text_chars = 0
        stream, snapshot = self._stream, self._changes.snapshot
        async with stream.target.transaction(self._target, bounds=_WRITING):
            await stream.mover.hold(self._target)
            rows = await self._write(way) if self._changes.count else 0
            await stream.mover.note(self._target, WATERMARK_PART, snapshot)
        return Brought(
            watermark=snapshot,
            keys=self._changes.count,
            rows=rows,
            text_chars=self._text_chars,
            was_entangled=isinstance(way, _Entangled),
        )

    async def _write(self, way: _Straight | _Entangled) -> int:
        keys = self._changes.keys
        outlines = await self._outline(keys)
        await self._say(preface())
        if isinstance(way, _Entangled):
            doomed = await self._doomed(outlines, only_altered=way.only_altered)
            keys = _united(self._stream.shape, keys, doomed)
            outlines = await self._outline(keys)
            if doomed:
                await self._say(delete_together(self._writing, doomed))
        else:
            await self._say(*first_deletes(self._writing, outlines))
        await self._upsert(keys)
        gone = {name: rows.gone for name, rows in outlines.items()}
        await self._say(*last_deletes(self._writing, gone))
        for table, batch in _batches(self._stream.shape, keys):
            outline = await read_outline(self._source, self._stream.reading, table.name, batch)
            await self._say(check(self._writing, table, batch, outline))
        await self._say(finish())
        return sum(rows.count for rows in outlines.values())

    async def _outline(self, keys: Keys) -> dict[str, TableRows]:
        outlines: dict[str, TableRows] = {}
        for table, batch in _batches(self._stream.shape, keys):
            part = await read_outline(self._source, self._stream.reading, table.name, batch)
            whole = outlines.setdefault(table.name, TableRows(rows=[], gone=[], altered=[]))
            whole.gone += part.gone
            whole.altered += part.altered
            whole.count += part.count
            whole.digest += part.digest
        return outlines

    async def _upsert(self, keys: Keys) -> None:
        for table, batch in _batches(self._stream.shape, keys):
            rows = stream_rows(self._source, self._stream.reading, table.name, batch)
            async for some in _messages(rows):
                await self._say(upsert(self._writing, table, some))

    async def _doomed(self, outlines: Mapping[str, TableRows], *, only_altered: bool) -> Keys:
        seeds: Keys = {}
        for name, outline in outlines.items():
            if only_altered:
                table = self._stream.shape.table(name)
                altered = (
                    await altered_keys(self._target, self._writing, table, outline.altered)
                    if outline.altered
                    else []
                )
                seeds[name] = [*outline.gone, *altered]
            else:
                seeds[name] = self._changes.keys[name]
        return await closure(self._target, self._writing, seeds, keys_max=_CLOSURE_KEYS_MAX)

    async def _say(self, *statements: str) -> None:
        for statement in statements:
            self._text_chars += len(statement)
            await apply(self._target, statement)


def _batches(
    shape: Shape, keys: Mapping[str, Sequence[str]]
) -> list[tuple[TableShape, Sequence[str]]]:
    """Cut the keys of each table, parents before children."""
    return [
        (table, keys[table.name][start : start + _KEYS_A_BATCH])
        for table in shape.tables
        if table.name in keys
        for start in range(0, len(keys[table.name]), _KEYS_A_BATCH)
    ]


async def _messages(rows: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    """Gather rows into messages of a bounded size, or of one row that is larger."""
    gathered: list[str] = []
    size = 0
    async for row in rows:
        gathered.append(row)
        size += len(row)
        if size >= _MESSAGE_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _united(shape: Shape, keys: Keys, more: Keys) -> Keys:
    united = {
        table.name: list(dict.fromkeys([*keys.get(table.name, []), *more.get(table.name, [])]))
        for table in shape.tables
    }
    return {name: found for name, found in united.items() if found}
