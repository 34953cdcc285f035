"""The copy: a tenant's rows, in chunks of a primary key's order, from source to target.

One task reads chunks and another writes them, with a few megabytes between the two, so neither
waits for the other's round trips. A chunk and the note of how far it went commit together: whoever
continues begins after the last one. Chunks are read at different moments and needn't agree with
each other: what changes meanwhile is captured, and brought along afterwards.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from promotion.pace import at_once
from promotion.side import Bounds
from router.alchemy import TENANT_COLUMN
from router.names import quote
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence

    from promotion.shape import Shape, TableShape
    from promotion.side import Mover, Side
    from router.connect import Connection

Form: TypeAlias = Literal["text", "binary"]
COPY_PART = "copy"
_SQL = load("promotion", "copying.sql")
_CHUNK_BYTES = 8_000_000
_ROWS_FIRST = 500
_ROWS_MAX = 200_000
#: One chunk of narrow rows must not make the next one of wide rows a hundred times too large.
_GROWTH_MAX = 16
_PIECE_BYTES = 256_000
#: A whole chunk fits, so that the reader ends its transaction even when the writer is slowed down.
_PIECES_MAX = 48
#: One is written while the next one is read; the reader then waits outside of any transaction.
_CHUNKS_UNDER_WAY = 2
#: A chunk's read may have to wait for its write: what bounds the two is the size of a chunk.
_BOUNDS = Bounds(statement_ms=0, lock_ms=5_000, idle_ms=300_000)


class TableProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a table is: up to and with the row of this key, as PostgreSQL spells its values."""

    last: tuple[str, ...] | None = None
    rows: int = 0
    bytes: int = 0
    is_done: bool = False


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that has arrived."""

    table: str
    rows: int
    bytes: int


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """What comes before a chunk's bytes. ``last`` is None where nothing comes after it."""

    table: TableShape
    format: Form
    last: tuple[str, ...] | None


class _Mark(Enum):
    END_OF_CHUNK = auto()
    END = auto()


class _Pipe:
    """What lies between the reader and the writer."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[_Head | bytes | _Mark] = asyncio.Queue(_PIECES_MAX)
        self.turns = asyncio.Semaphore(_CHUNKS_UNDER_WAY)


async def copy(  # noqa: PLR0913 - two of them are what a caller may do meanwhile
    source: Side,
    target: Side,
    shape: Shape,
    mover: Mover,
    *,
    after_chunk: Callable[[Chunk], Awaitable[None]],
    after_piece: Callable[[], Awaitable[None]] = at_once,
) -> Mapping[str, TableProgress]:
    """Copy every row that isn't there yet; returns what was copied, by table.

    The target's tables must be as ``landing`` leaves them. ``after_piece`` is awaited after each
    piece that was read, some hundred kilobytes, and slows the copy down by taking its time;
    ``after_chunk`` is awaited after each chunk has been committed, and ends the copy by raising.
    """
    pipe = _Pipe()
    async with (
        source.connection(str(mover.move_id)) as reading,
        target.connection(str(mover.move_id)) as writing,
    ):
        writer = _Writer(target, writing, mover, after_chunk)
        progress = await writer.begin(shape)
        reader = _Reader(source, reading, pipe, after_piece)
        await _together(reader.run(shape, progress), writer.run(pipe))
    return writer.progress


class _Reader:
    """Sends the chunks of every table that isn't done."""

    def __init__(
        self,
        side: Side,
        connection: Connection,
        pipe: _Pipe,
        after_piece: Callable[[], Awaitable[None]],
    ) -> None:
        self._side = side
        self._connection = connection
        self._pipe = pipe
        self._after_piece = after_piece
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._sent_bytes = 0

    async def run(self, shape: Shape, progress: Mapping[str, TableProgress]) -> None:
        # One backend is what the copy takes from its neighbours.
        await self._connection.execute("SET max_parallel_workers_per_gather = 0")
        async with self._side.transaction(self._connection, bounds=_BOUNDS, is_read_only=True):
            spelled = await self._connection.fetch(_SQL["without_binary"], self._side.schema)
        as_text = {row["table_name"] for row in spelled}
        for table in shape.tables:
            if not progress[table.name].is_done:
                form: Form = "text" if table.name in as_text else "binary"
                await self._send_table(table, form, progress[table.name].last)
        await self._pipe.pieces.put(_Mark.END)

    async def _send_table(
        self, table: TableShape, form: Form, last: tuple[str, ...] | None
    ) -> None:
        rows = _ROWS_FIRST
        while True:
            await self._pipe.turns.acquire()
            self._sent_bytes = 0
            async with self._side.transaction(self._connection, bounds=_BOUNDS, is_read_only=True):
                upper = await self._find_key(table, after=last, rows=rows)
                await self._pipe.pieces.put(_Head(table=table, format=form, last=upper))
                await self._connection.copy_from_query(
                    f"SELECT {TENANT_COLUMN}, {table.names} FROM {self._side.place(table.name)}"  # noqa: S608 - quoted names and literals
                    f" WHERE {within(self._side, table, after=last, upto=upper)}",
                    output=self._take,
                    format=form,
                )
            await self._flush()
            await self._pipe.pieces.put(_Mark.END_OF_CHUNK)
            if upper is None:
                return
            last = upper
            fitting = rows * _CHUNK_BYTES // max(self._sent_bytes, 1)
            rows = max(1, min(fitting, rows * _GROWTH_MAX, _ROWS_MAX))

    async def _find_key(
        self, table: TableShape, *, after: tuple[str, ...] | None, rows: int
    ) -> tuple[str, ...] | None:
        """Find the key of the last of so many rows; None when there are fewer."""
        return await find_key(
            self._connection, self._side, table, where=within(self._side, table, after=after),
            skipped=rows - 1,
        )  # fmt: skip

    async def _take(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _PIECE_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        if self._held:
            piece = b"".join(self._held)
            self._sent_bytes += len(piece)
            self._held, self._held_bytes = [], 0
            await self._pipe.pieces.put(piece)
            await self._after_piece()


class _Writer:
    """Writes chunks, each with the note of it."""

    def __init__(
        self,
        side: Side,
        connection: Connection,
        mover: Mover,
        after_chunk: Callable[[Chunk], Awaitable[None]],
    ) -> None:
        self._side = side
        self._connection = connection
        self._mover = mover
        self._after_chunk = after_chunk
        self.progress: dict[str, TableProgress] = {}

    async def begin(self, shape: Shape) -> Mapping[str, TableProgress]:
        """Read how far a predecessor came."""
        async with self._side.transaction(self._connection, bounds=_BOUNDS):
            noted = (await self._mover.hold(self._connection)).get(COPY_PART, msgspec.Raw(b"{}"))
        found = msgspec.json.decode(noted, type=dict[str, TableProgress])
        self.progress = {
            table.name: found.get(table.name, TableProgress()) for table in shape.tables
        }
        return self.progress

    async def run(self, pipe: _Pipe) -> None:
        relaxed = msgspec.structs.replace(_BOUNDS, is_durable=False)
        while isinstance(head := await pipe.pieces.get(), _Head):
            async with self._side.transaction(self._connection, bounds=relaxed):
                await self._mover.hold(self._connection)
                chunk = await self._write(head, pipe)
                await self._note(head, chunk)
            await self._after_chunk(chunk)
            pipe.turns.release()
        assert head is _Mark.END, "a chunk's bytes come after its head"
        # Whoever acts on the end of the copy may rely on it: this commit waits for the disk, and
        # with it every one before.
        async with self._side.transaction(self._connection, bounds=_BOUNDS):
            await self._mover.hold(self._connection)
            await self._mover.note(self._connection, COPY_PART, self.progress)

    async def _write(self, head: _Head, pipe: _Pipe) -> Chunk:
        pieces = _Pieces(pipe)
        status = await self._connection.copy_to_table(
            head.table.name,
            schema_name=self._side.schema,
            columns=[TENANT_COLUMN, *[column.name for column in head.table.written]],
            source=pieces.read(),
            format=head.format,
        )
        rows = int(status.rpartition(" ")[2])
        return Chunk(table=head.table.name, rows=rows, bytes=pieces.bytes)

    async def _note(self, head: _Head, chunk: Chunk) -> None:
        before = self.progress[chunk.table]
        self.progress[chunk.table] = TableProgress(
            last=head.last or before.last,
            rows=before.rows + chunk.rows,
            bytes=before.bytes + chunk.bytes,
            is_done=head.last is None,
        )
        await self._mover.note(self._connection, COPY_PART, self.progress)


class _Pieces:
    """The bytes of one chunk, counted."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self.bytes = 0

    async def read(self) -> AsyncIterator[bytes]:
        while isinstance(piece := await self._pipe.pieces.get(), bytes):
            self.bytes += len(piece)
            yield piece
        assert piece is _Mark.END_OF_CHUNK, "chunks come one after the other"


def within(
    side: Side,
    table: TableShape,
    *,
    after: Sequence[str] | None = None,
    upto: Sequence[str] | None = None,
) -> str:
    """Spell which rows: the tenant's, behind one key, up to and with another one."""
    conditions = [f"{TENANT_COLUMN} = '{side.tenant_id}'"]
    if after is not None:
        # What row security can't let an index look at (numeric is not leakproof) is compared row
        # by row; the first column says once more where to begin, in case it can be looked at.
        literals = _literals(table, after)
        conditions.append(f"{quote(table.key[0])} >= {literals[0]}")
        conditions.append(f"({table.key_names}) > ({', '.join(literals)})")
    if upto is not None:
        conditions.append(f"({table.key_names}) <= ({', '.join(_literals(table, upto))})")
    return " AND ".join(conditions)


async def find_key(
    connection: Connection, side: Side, table: TableShape, *, where: str, skipped: int
) -> tuple[str, ...] | None:
    """Read the key of one row of those that fit, in their order, after so many others."""
    row = await connection.fetchrow(spell_find_key(side, table, where=where, skipped=skipped))
    return None if row is None else tuple(row)


def spell_find_key(side: Side, table: TableShape, *, where: str, skipped: int) -> str:
    """Spell what reads a key."""
    # Without names of their own the texts would be called like the columns, and ORDER BY would
    # take them: 10 before 9, and the index of no use.
    names = ", ".join(f"{quote(name)}::text AS k{at}" for at, name in enumerate(table.key))
    return (
        f"SELECT {names} FROM {side.place(table.name)} WHERE {where}"  # noqa: S608 - as in _send_table
        f" ORDER BY {table.key_names} OFFSET {skipped} LIMIT 1"
    )


def _literals(table: TableShape, key: Sequence[str]) -> list[str]:
    """Spell a key's values; backslashes mean nothing, as every transaction of a side sees to it."""
    return [
        f"CAST('{value.replace(chr(39), chr(39) * 2)}' AS {column.type_sql})"
        for value, column in zip(key, table.key_columns, strict=True)
    ]


async def _together(*parts: Coroutine[object, object, None]) -> None:
    """Run both to their ends, or neither: the first one that fails says why."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
