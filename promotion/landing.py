"""The private tables into which a tenant's rows are copied, bare of all that slows a copy down.

A tenant that gets a schema or a database of its own lands where it will live. One that goes into
shared tables lands in a schema that exists for the length of the move, and is merged from there
in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from promotion.shape import fingerprint
from promotion.side import Bounds
from router.alchemy import TENANT_COLUMN
from router.database import make_schema
from router.errors import Conflict
from router.names import quote
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from promotion.shape import Shape
    from promotion.side import Mover, Side
    from router.connect import Connection
    from router.database import Blueprint

LANDING_PART = "landing"
MERGED_PART = "merged"
_SQL = load("promotion", "landing.sql")
#: To drop a reference needs the table to which it leads for a moment, and everybody reads those:
#: who waits for it has them all wait behind.
_BOUNDS = Bounds(statement_ms=60_000, lock_ms=250)
#: One transaction over all of a tenant's rows: what bounds it is their number.
_MERGE_BOUNDS = Bounds(statement_ms=0)
#: Fewer rows are soon read, whichever index leads to them.
_STOCK_ROWS_MIN = 500


class Rebuild(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was taken off a table, and the statement that puts it back."""

    kind: str
    table: str
    statement: str


class Landing(msgspec.Struct, frozen=True, kw_only=True):
    """What the tables were before they were laid bare: the order is that of putting it back."""

    fingerprint: str
    rebuilds: tuple[Rebuild, ...]


async def land(
    connection: Connection, side: Side, shape: Shape, mover: Mover, *, blueprint: Blueprint
) -> Landing:
    """Make the private tables and lay them bare; whoever repeats it finds it done.

    Row security stays enabled, for everybody but the tables' owner: COPY FROM refuses it. Triggers
    are off until the rows are complete, as they would take the copy for somebody's work. Raises
    LockNotAvailableError where somebody reads reference tables for long: try again.
    """
    place = side.placement
    await make_schema(
        connection,
        place.schema,
        # In tier rows the tables are those of the move, and nobody's login may touch them.
        tier=Tier.SCHEMA,
        grantee="stepwell_owner" if place.tier is Tier.ROWS else place.login,
        blueprint=blueprint,
    )
    async with side.transaction(connection, bounds=_BOUNDS):
        noted = (await mover.hold(connection)).get(LANDING_PART)
        if noted is not None:
            return msgspec.json.decode(noted, type=Landing)
        seen = await fingerprint(connection, place.schema, shape)
        parts = await connection.fetch(_SQL["parts"], place.schema)
        await connection.execute(";".join(part["removal"] for part in parts))
        landing = Landing(
            fingerprint=seen,
            rebuilds=tuple(
                Rebuild(kind=part["kind"], table=part["table_name"], statement=part["rebuild"])
                for part in reversed(parts)
            ),
        )
        await mover.note(connection, LANDING_PART, landing)
    return landing


async def merge(
    connection: Connection, landed: Side, shared: Side, shape: Shape, mover: Mover
) -> dict[str, int]:
    """Put the landed rows into the shared tables, all of them or none; returns how many.

    Both sides are in one database. What an earlier attempt left there of this tenant is deleted
    first. Nobody else is held up: no other tenant's row is touched or locked.
    """
    assert landed.schema != shared.schema, "rows are merged from tables of their own"
    async with shared.transaction(connection, bounds=_MERGE_BOUNDS):
        noted = (await mover.hold(connection)).get(MERGED_PART)
        if noted is not None:
            return msgspec.json.decode(noted, type=dict[str, int])
        if await connection.fetchval(_SQL["serves"], shared.tenant_id, shared.schema):
            raise Conflict(
                f"tenant {shared.tenant_id} is served from {shared.schema}: a merge would delete "
                "the rows that it works with"
            )
        counts = await _replace(connection, landed, shared, shape)
        await _take_stock(connection, shared, counts)
        await mover.note(connection, MERGED_PART, counts)
    return counts


async def _replace(
    connection: Connection, landed: Side, shared: Side, shape: Shape
) -> dict[str, int]:
    await connection.execute("SET CONSTRAINTS ALL DEFERRED")
    for table in reversed(shape.tables):
        await connection.execute(
            f"DELETE FROM {shared.place(table.name)} WHERE {TENANT_COLUMN} = $1",  # noqa: S608 - quoted names
            shared.tenant_id,
        )
    retyped = {
        (row["table_name"], row["column_name"]): row["type_sql"]
        for row in await connection.fetch(_SQL["retyped"], landed.schema, shared.schema)
    }
    counts: dict[str, int] = {}
    for table in shape.tables:
        values = ", ".join(
            _spell_value(column.name, retyped.get((table.name, column.name)))
            for column in table.written
        )
        status = await connection.execute(
            f"INSERT INTO {shared.place(table.name)} ({TENANT_COLUMN}, {table.names})"  # noqa: S608 - as above
            f" OVERRIDING SYSTEM VALUE SELECT {TENANT_COLUMN}, {values}"
            f" FROM {landed.place(table.name)} WHERE {TENANT_COLUMN} = $1",
            shared.tenant_id,
        )
        counts[table.name] = int(status.rpartition(" ")[2])
    return counts


async def _take_stock(connection: Connection, shared: Side, counts: dict[str, int]) -> None:
    """Let PostgreSQL look at tables that were smaller than what came, before keys are checked.

    To a planner who believes them empty, one index is as good as another, so each of the foreign
    keys' checks at the commit may read all rows of the tenant. Tables that are large already keep
    their statistics, and whoever is analyzing them is not waited for.
    """
    for row in await connection.fetch(_SQL["row_counts"], shared.schema):
        came = counts.get(row["table_name"], 0)
        if came >= _STOCK_ROWS_MIN and row["known"] < came:
            await connection.execute(f"ANALYZE (SKIP_LOCKED) {shared.place(row['table_name'])}")


def _spell_value(name: str, type_sql: str | None) -> str:
    return quote(name) if type_sql is None else f"{quote(name)}::text::{type_sql}"
