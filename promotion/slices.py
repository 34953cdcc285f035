"""The keys of one round, slice by slice, as often as they are asked for.

Few of them are kept in memory. Many are read from the log again each time: it is read in the
round's own snapshot, so it tells the same keys, and the server sorts them out on its disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from promotion.reading import Changes, Reading, TooManyChanges, assert_known, read_changes
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from promotion.shape import TableShape
    from router.connect import Connection
    from router.words import TenantId

_SQL = load("promotion", "reading.sql")
#: A snapshot, and how many keys of each table changed.
_Found: TypeAlias = tuple[str, dict[str, int]]


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys of a round are in memory, and how many are read and written at once."""

    keys_max: int = 500_000
    keys_a_slice: int = 1_000


class Slices(Protocol):
    """What changed up to a snapshot."""

    snapshot: str
    count: int

    def of(self, table: TableShape) -> AsyncIterator[list[str]]:
        """Yield one table's keys."""
        ...


async def find_slices(
    connection: Connection, reading: Reading, *, since: str | None, sizes: Sizes
) -> Slices:
    """Say what changed and isn't visible in ``since``, inside the round's own transaction."""
    try:
        changes = await read_changes(
            connection, reading.side, reading.shape, since=since, keys_max=sizes.keys_max
        )
    except TooManyChanges:
        return await _read_again_each_time(connection, reading, since, sizes)
    return Listed(changes, sizes)


class Listed:
    """Keys in memory."""

    def __init__(self, changes: Changes, sizes: Sizes) -> None:
        self._keys = changes.keys
        self._size = sizes.keys_a_slice
        self.snapshot = changes.snapshot
        self.count = changes.count

    async def of(self, table: TableShape) -> AsyncIterator[list[str]]:
        """Yield one table's keys."""
        keys = self._keys.get(table.name, [])
        for start in range(0, len(keys), self._size):
            yield keys[start : start + self._size]


class Logged:
    """Keys in the source's log."""

    def __init__(
        self, connection: Connection, asked: tuple[TenantId, str | None], found: _Found, size: int
    ) -> None:
        self._connection = connection
        self._asked = asked
        self._size = size
        self.snapshot, self._counts = found
        self.count = sum(self._counts.values())

    async def of(self, table: TableShape) -> AsyncIterator[list[str]]:
        """Yield one table's keys."""
        if table.name not in self._counts:
            return
        keys: list[str] = []
        async for record in self._connection.cursor(
            _SQL["keys_of_table"], *self._asked, table.name, prefetch=self._size
        ):
            keys.append(record["key"])
            if len(keys) == self._size:
                yield keys
                keys = []
        if keys:
            yield keys


async def _read_again_each_time(
    connection: Connection, reading: Reading, since: str | None, sizes: Sizes
) -> Slices:
    asked = (reading.side.tenant_id, since)
    records = await connection.fetch(_SQL["changed_tables"], *asked)
    counts: dict[str, int] = {row["table_name"]: row["count"] for row in records}
    assert_known(reading.shape, counts)
    snapshot = str(await connection.fetchval(_SQL["snapshot"]))
    return Logged(connection, asked, (snapshot, counts), sizes.keys_a_slice)
