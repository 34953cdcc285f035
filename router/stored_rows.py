"""A tenant's rows as the platform sees them: the same statements in every tier.

Rows travel as PostgreSQL's own text of each value, None for NULL: what every type can be written
as and read from. The transaction enters the gate like any other, with the platform's capability.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Column, Computed, Table

from router.alchemy import TENANT_COLUMN, dialect
from router.capability import sign
from router.names import quote
from router.words import Digest, Mode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from router.connect import Connection
    from router.fleet import Fleet
    from router.product.stored_form import StoredForm
    from router.words import Placement, TenantId

Row: TypeAlias = tuple[str | None, ...]
ROWS_A_BATCH = 1_000
_DIALECT = dialect()
#: The text of a value must not depend on who asks for it, nor a literal on who reads it.
CANONICAL = (
    "SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL intervalstyle = 'postgres';"
    "SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';"
    "SET LOCAL xmloption = 'content'; SET LOCAL lc_monetary = 'C';"
    "SET LOCAL standard_conforming_strings = on"
)


class StoredRows:
    """One transaction over one tenant's tables."""

    def __init__(
        self, connection: Connection, tenant_id: TenantId, schema: str, stored: StoredForm
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._schema = schema
        self.tables: Mapping[str, Table] = {table.name: table for table in stored.tables}

    def columns(self, table: str) -> list[str]:
        """Name the columns that are stored and not computed, the tenant's own left out."""
        return [column.name for column in self.tables[table].columns if is_kept(column)]

    async def read(self, table: str) -> AsyncIterator[Row]:
        """Yield the tenant's rows in the order of the primary key."""
        names = ", ".join(f"{quote(name)}::text" for name in self.columns(table))
        # By the columns themselves: by their texts, 10 would come before 9, and after a sort.
        order = ", ".join(f"r.{quote(column.name)}" for column in self.tables[table].primary_key)
        async for record in self._connection.cursor(
            f"SELECT {names} FROM {self._place(table)} AS r"  # noqa: S608 - names come from the product's metadata and are quoted
            f" WHERE {TENANT_COLUMN} = $1 ORDER BY {order}",
            self._tenant_id,
            prefetch=ROWS_A_BATCH,
        ):
            yield tuple(record)

    async def write(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows as ``read`` gave them, in the order of ``columns``."""
        kept = [column for column in self.tables[table].columns if is_kept(column)]
        names = ", ".join(quote(column.name) for column in kept)
        values = ", ".join(
            f"CAST(v{at} AS {column.type.compile(_DIALECT)})" for at, column in enumerate(kept)
        )
        arrays = ", ".join(f"${at + 2}::text[]" for at in range(len(kept)))
        given = ", ".join(f"v{at}" for at in range(len(kept)))
        statement = (
            f"INSERT INTO {self._place(table)} ({TENANT_COLUMN}, {names})"  # noqa: S608 - as above
            f" SELECT $1::uuid, {values} FROM unnest({arrays}) AS given({given})"
        )
        for start in range(0, len(rows), ROWS_A_BATCH):
            batch = rows[start : start + ROWS_A_BATCH]
            await self._connection.execute(
                statement, self._tenant_id, *[list(each) for each in zip(*batch, strict=True)]
            )

    async def digest(self, table: str) -> Digest:
        """Sum up the tenant's rows."""
        names = ", ".join(quote(name) for name in self.columns(table))
        record = await self._connection.fetchrow(
            f"SELECT {spell_digest(names)}"  # noqa: S608 - as above
            f" FROM {self._place(table)} WHERE {TENANT_COLUMN} = $1",
            self._tenant_id,
        )
        assert record is not None, "an aggregate always has a row"
        return Digest(table=table, rows=record["rows"], digest=record["digest"])

    async def digests(self) -> list[Digest]:
        """Sum up every table."""
        return [await self.digest(table) for table in self.tables]

    async def delete_all(self) -> dict[str, int]:
        """Delete the tenant's rows, children before parents; returns how many each table had."""
        counts: dict[str, int] = {}
        # One table may refer to itself: rows of one statement are checked at its end.
        for table in reversed(list(self.tables)):
            status = await self._connection.execute(
                f"DELETE FROM {self._place(table)} WHERE {TENANT_COLUMN} = $1",  # noqa: S608 - as above
                self._tenant_id,
            )
            counts[table] = int(status.rpartition(" ")[2])
        return counts

    def _place(self, table: str) -> str:
        return f"{quote(self._schema)}.{quote(self.tables[table].name)}"


@asynccontextmanager
async def stored_rows(
    fleet: Fleet, stored: StoredForm, tenant_id: TenantId, placement: Placement
) -> AsyncGenerator[StoredRows]:
    """Open a transaction over a tenant's rows as the owner of the tables, through the gate."""
    async with fleet.admin(placement.cluster, placement.database) as connection:
        capability = sign(
            tenant_id,
            placement,
            Mode.MOVE,
            key=fleet.key(placement.cluster, placement.database),
            now_ms=time.time_ns() // 1_000_000,
        )
        await connection.execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL ROLE stepwell_owner;"
            f"SET LOCAL search_path = {quote(placement.schema)}, reference;"
            f"{CANONICAL}; SELECT gate.enter('{capability}')"
        )
        try:
            yield StoredRows(connection, tenant_id, placement.schema, stored)
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")


def spell_digest(names: str) -> str:
    """Spell what sums up rows: their number, and the sum of their hashes in any order.

    Detects accidents, not an adversary: hashtextextended has 64 bits and no key.
    """
    return f"count(*) AS rows, coalesce(sum({spell_hash(names)}::numeric), 0)::text AS digest"


def spell_hash(names: str) -> str:
    """Spell the hash of one row, over the text of these columns."""
    return f"hashtextextended(ROW({names})::text, 0)"


def is_kept(column: Column[Any]) -> bool:
    """Tell whether a column is read and written: not computed, and not the tenant's own."""
    return column.name != TENANT_COLUMN and not isinstance(column.server_default, Computed)
