"""What the copy did without is put back: keys, indexes, references, row security, triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from promotion.landing import LANDING_PART, Landing
from promotion.side import Bounds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.landing import Rebuild
    from promotion.side import Mover, Side
    from router.connect import Connection

BUILT_PART = "built"
_PRIMARY_KEY = "primary key"


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """What building may take from a server that has other tenants to serve."""

    memory_mb: int = 64
    workers: int = 0
    lock_ms: int = 5_000


async def build_primary_keys(
    connection: Connection,
    side: Side,
    mover: Mover,
    *,
    effort: Effort,
    after_each: Callable[[Rebuild], Awaitable[None]],
) -> None:
    """Build what changes need to find their rows by: the first ones are brought in after this."""
    builder = _Builder(connection, side, mover, effort)
    while await builder.build_next(after_each, is_primary_only=True):
        pass


async def build_rest(
    connection: Connection,
    side: Side,
    mover: Mover,
    *,
    effort: Effort,
    after_each: Callable[[Rebuild], Awaitable[None]],
) -> None:
    """Build everything else, references last: the rows must agree with each other by now.

    At its end the tables are what they were when they were made, and their triggers are awake.
    """
    builder = _Builder(connection, side, mover, effort)
    while await builder.build_next(after_each, is_primary_only=False):
        pass


class _Builder:
    """Runs one statement a transaction, which also counts it: none is run twice or left out."""

    def __init__(self, connection: Connection, side: Side, mover: Mover, effort: Effort) -> None:
        self._connection = connection
        self._side = side
        self._mover = mover
        self._bounds = Bounds(statement_ms=0, lock_ms=effort.lock_ms)
        self._limits = (
            f"SET LOCAL maintenance_work_mem = '{effort.memory_mb}MB';"
            f"SET LOCAL max_parallel_maintenance_workers = {effort.workers}"
        )

    async def build_next(
        self, after_each: Callable[[Rebuild], Awaitable[None]], *, is_primary_only: bool
    ) -> bool:
        """Build one thing; False when there is none left."""
        async with self._side.transaction(self._connection, bounds=self._bounds):
            data = await self._mover.hold(self._connection)
            landing = msgspec.json.decode(data[LANDING_PART], type=Landing)
            built = msgspec.json.decode(data.get(BUILT_PART, msgspec.Raw(b"0")), type=int)
            if built == len(landing.rebuilds):
                return False
            rebuild = landing.rebuilds[built]
            if is_primary_only and rebuild.kind != _PRIMARY_KEY:
                return False
            await self._connection.execute(self._limits)
            await self._connection.execute(rebuild.statement)
            await self._mover.note(self._connection, BUILT_PART, built + 1)
        await after_each(rebuild)
        return True
