"""How much a tenant has, counted row by row: the same measure in every tier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion.side import Bounds
from router.alchemy import TENANT_COLUMN
from router.catalog.move_words import TableSize

if TYPE_CHECKING:
    from promotion.shape import Shape
    from promotion.side import Side

#: Counting reads every row once and holds nobody; it isn't worth more than this.
_BOUNDS = Bounds(statement_ms=60_000, lock_ms=1_000)


async def measure(side: Side, shape: Shape) -> tuple[TableSize, ...]:
    """Count a tenant's rows and their bytes, table by table, parents first."""
    sizes: list[TableSize] = []
    async with (
        side.connection() as connection,
        side.transaction(connection, bounds=_BOUNDS, is_read_only=True),
    ):
        for table in shape.tables:
            row = await connection.fetchrow(
                "SELECT count(*) AS rows, coalesce(sum(pg_column_size(t.*)), 0)::bigint AS bytes"  # noqa: S608 - names come from the product's metadata and are quoted
                f" FROM {side.place(table.name)} AS t WHERE {TENANT_COLUMN} = $1",
                side.tenant_id,
            )
            assert row is not None, "an aggregate always has a row"
            sizes.append(TableSize(table=table.name, rows=row["rows"], bytes=row["bytes"]))
    return tuple(sizes)
