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
    goes_last,
    keys_there,
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
    TooManyChanges,
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
from promotion.slices import Sizes, Slices, find_slices

__all__ = [
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
    from collections.abc import AsyncIterator, Sequence

    from promotion.shape import TableShape
    from router.connect import Connection

#: The part of gate.move's data that says up to which snapshot the target is the source.
WATERMARK_PART = "watermark"
_MESSAGE_BYTES = 1_000_000
#: How much may hang together when rows can't be written one after the other.
_CLOSURE_KEYS_MAX = 100_000
#: How many rows may wait to be deleted at once, as others that are gone too still refer to them.
_GONE_KEYS_MAX = 500_000
_WRITING = Bounds(statement_ms=120_000, idle_ms=300_000)
#: What rules of the target say when rows come in an order that they don't allow.
_IN_THE_WAY = (asyncpg.IntegrityConstraintViolationError, RowsDiffer)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Between which places changes run. ``uniques`` is what read_uniques() said of either side.

    Of more changes than ``sizes.keys_max`` the keys are read again and again, and not kept.
    """

    source: Side
    target: Side
    shape: Shape
    uniques: Uniques
    mover: Mover
    sizes: Sizes = Sizes()

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
    source: Connection, stream: Stream, *, since: str | None, keys_max: int = Sizes().keys_max
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
    slices = await find_slices(source, stream.reading, since=since, sizes=stream.sizes)
    carrying = _Carrying((source, target), stream, stream.writing(is_bare=is_bare), slices)
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
        slices: Slices,
    ) -> None:
        self._source, self._target = ends
        self._stream = stream
        self._writing = writing
        self._slices = slices
        self._text_chars = 0

    async def run(self, way: _Straight | _Entangled) -> Brought:
        """Write what changed and the watermark, in one transaction of the target."""
        self._text_chars = 0
        stream, slices = self._stream, self._slices
        async with stream.target.transaction(self._target, bounds=_WRITING):
            await stream.mover.hold(self._target)
            rows = await self._write(way) if slices.count else 0
            await stream.mover.note(self._target, WATERMARK_PART, slices.snapshot)
        return Brought(
            watermark=slices.snapshot,
            keys=slices.count,
            rows=rows,
            text_chars=self._text_chars,
            was_entangled=isinstance(way, _Entangled),
        )

    async def _write(self, way: _Straight | _Entangled) -> int:
        await self._say(preface())
        doomed: Keys = {}
        gone: Keys = {}
        if isinstance(way, _Entangled):
            doomed = await self._doomed(only_altered=way.only_altered)
            if doomed:
                await self._say(delete_together(self._writing, doomed))
        else:
            gone = await self._make_room()
        await self._upsert(doomed)
        await self._say(*last_deletes(self._writing, gone))
        rows = await self._check(doomed)
        await self._say(finish())
        return rows

    async def _make_room(self) -> Keys:
        """Delete what can go at once, children before parents; returns what has to wait."""
        gone: Keys = {}
        for table in reversed(self._writing.tables):
            async for keys in self._slices.of(table):
                outline = await self._outline(table, keys)
                await self._say(*first_deletes(self._writing, {table.name: outline}))
                if outline.gone and goes_last(self._writing, table):
                    left = await keys_there(self._target, self._writing, table, outline.gone)
                    gone.setdefault(table.name, []).extend(left)
                    self._assert_fits(gone)
        return gone

    async def _doomed(self, *, only_altered: bool) -> Keys:
        seeds: Keys = {}
        for table in self._writing.tables:
            async for keys in self._slices.of(table):
                seeds.setdefault(table.name, []).extend(
                    await self._altered(table, keys) if only_altered else keys
                )
                # The closure would be no smaller: it says what is to be done.
                if sum(map(len, seeds.values())) > _CLOSURE_KEYS_MAX:
                    break
        return await closure(self._target, self._writing, seeds, keys_max=_CLOSURE_KEYS_MAX)

    async def _altered(self, table: TableShape, keys: Sequence[str]) -> list[str]:
        outline = await self._outline(table, keys)
        if not outline.altered:
            return outline.gone
        altered = await altered_keys(self._target, self._writing, table, outline.altered)
        return [*outline.gone, *altered]

    async def _upsert(self, doomed: Keys) -> None:
        for table in self._writing.tables:
            async for keys in self._with(doomed, table):
                rows = stream_rows(self._source, self._stream.reading, table.name, keys)
                async for some in _messages(rows):
                    await self._say(upsert(self._writing, table, some))

    async def _check(self, doomed: Keys) -> int:
        rows = 0
        for table in self._writing.tables:
            async for keys in self._with(doomed, table):
                outline = await self._outline(table, keys)
                await self._say(check(self._writing, table, keys, outline))
                rows += outline.count
        return rows

    async def _with(self, doomed: Keys, table: TableShape) -> AsyncIterator[Sequence[str]]:
        """Yield what changed, and what was deleted with it: a row that is both comes twice."""
        async for keys in self._slices.of(table):
            yield keys
        more = doomed.get(table.name, [])
        size = self._stream.sizes.keys_a_slice
        for start in range(0, len(more), size):
            yield more[start : start + size]

    async def _outline(self, table: TableShape, keys: Sequence[str]) -> TableRows:
        return await read_outline(self._source, self._stream.reading, table.name, keys)

    def _assert_fits(self, gone: Keys) -> None:
        if sum(map(len, gone.values())) > _GONE_KEYS_MAX:
            raise TooManyChanges(
                f"more than {_GONE_KEYS_MAX} rows of tenant {self._stream.source.tenant_id} are "
                f"gone since the last round and refer to each other: in {', '.join(gone)}"
            )

    async def _say(self, *statements: str) -> None:
        for statement in statements:
            self._text_chars += len(statement)
            await apply(self._target, statement)


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
