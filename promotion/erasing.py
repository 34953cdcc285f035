"""Erasing a place: the source of a settled move, the target of one that was given up.

A schema or a database goes at once. Rows of shared tables go in small batches with pauses, as they
are dead weight there and nobody waits for it, while other tenants work in the same tables.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from promotion import capture
from promotion.side import Bounds
from router.alchemy import TENANT_COLUMN
from router.database import drop_database, drop_login, drop_schema
from router.errors import Conflict
from router.fleet import APP_LOGIN
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from promotion.side import Side
    from promotion.terms import Terms
    from router.connect import Connection

_SQL = load("promotion", "erasing.sql")
_BATCH_BOUNDS = Bounds(statement_ms=30_000, lock_ms=1_000)
#: Rows that refer to each other in a circle can only go together.
_TOGETHER_BOUNDS = Bounds(statement_ms=0)
#: Below this, autovacuum finds the time by itself.
_VACUUM_ROWS_MIN = 10_000
_VACUUM = "SET vacuum_cost_delay = '2ms'; SET lock_timeout = '1s'"


async def erase_place(
    terms: Terms, gone: Side, *, landing_schema: str | None, beside: Side
) -> dict[str, int]:
    """Erase one end of a move and look that it is gone; repeatable. Returns rows by shared table.

    ``beside`` is the tenant's living place, which is spared whatever the two have in common.
    Raises Conflict when the gate says that the tenant lives where it is to be erased.
    """
    place = gone.placement
    cluster = terms.fleet.cluster(place.cluster)
    erased: dict[str, int] = {}
    if not await database_is_there(terms, gone):
        async with terms.fleet.admin(place.cluster, cluster.maintenance_database) as connection:
            await _drop_own_login(connection, gone, beside)
        return erased
    async with gone.connection("erase") as connection:
        await _assert_abandoned(connection, gone)
        if place.tier is Tier.ROWS:
            erased = await _erase_rows(terms, connection, gone)
        if place.tier is Tier.SCHEMA:
            await drop_schema(connection, place.schema)
        if landing_schema is not None:
            await drop_schema(connection, landing_schema)
        if not _is_one_database(gone, beside):
            await _forget_tenant(connection, gone)
        await _assert_gone(terms, connection, gone)
        if place.tier is not Tier.DATABASE:
            await _drop_own_login(connection, gone, beside)
    if place.tier is Tier.DATABASE:
        async with terms.fleet.admin(place.cluster, cluster.maintenance_database) as connection:
            await drop_database(connection, place.database)
            await _drop_own_login(connection, gone, beside)
    return erased


async def database_is_there(terms: Terms, side: Side) -> bool:
    """Ask whether there is anything to connect to: a move may end before it made its target."""
    cluster = terms.fleet.cluster(side.placement.cluster)
    async with terms.fleet.admin(cluster.name, cluster.maintenance_database) as connection:
        found = await connection.fetchval(_SQL["database_is_there"], side.placement.database)
    return found is not None


async def _assert_abandoned(connection: Connection, gone: Side) -> None:
    """Never believe a record where the gate can be asked."""
    schema = await connection.fetchval(_SQL["living_in"], gone.tenant_id)
    if schema == gone.schema:
        raise Conflict(
            f"tenant {gone.tenant_id} lives in schema {gone.schema} of {gone.placement.database}, "
            "by its gate: nothing of it was erased"
        )


async def _erase_rows(terms: Terms, connection: Connection, gone: Side) -> dict[str, int]:
    limits = terms.limits
    erased: dict[str, int] = {}
    for table in reversed(terms.shape.tables):
        erased[table.name] = 0
        while True:
            try:
                count = await _erase_batch(connection, gone, table.name, limits.erase_rows_a_batch)
            except asyncpg.ForeignKeyViolationError:
                return erased | await _erase_together(terms, connection, gone)
            erased[table.name] += count
            if count < limits.erase_rows_a_batch:
                break
            terms.faults.reach("settle.batch")
            await asyncio.sleep(limits.erase_rest_s)
    await _vacuum(connection, gone, erased)
    return erased


async def _erase_batch(connection: Connection, gone: Side, table: str, rows_max: int) -> int:
    statement = _SQL["erase_batch"].format(place=gone.place(table), tenant=TENANT_COLUMN)
    async with gone.transaction(connection, bounds=_BATCH_BOUNDS):
        await connection.execute("SET CONSTRAINTS ALL DEFERRED")
        status = await connection.execute(statement, gone.tenant_id, rows_max)
    return int(status.rpartition(" ")[2])


async def _erase_together(terms: Terms, connection: Connection, gone: Side) -> dict[str, int]:
    erased: dict[str, int] = {}
    async with gone.transaction(connection, bounds=_TOGETHER_BOUNDS):
        await connection.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in reversed(terms.shape.tables):
            status = await connection.execute(
                f"DELETE FROM {gone.place(table.name)} WHERE {TENANT_COLUMN} = $1",  # noqa: S608 - quoted names
                gone.tenant_id,
            )
            erased[table.name] = int(status.rpartition(" ")[2])
    return erased


async def _vacuum(connection: Connection, gone: Side, erased: dict[str, int]) -> None:
    for table, rows in erased.items():
        if rows >= _VACUUM_ROWS_MIN:
            # Whoever is in the way is more important: autovacuum comes by later.
            with contextlib.suppress(asyncpg.LockNotAvailableError):
                await connection.execute(_VACUUM)
                await connection.execute(f"VACUUM (TRUNCATE false) {gone.place(table)}")


async def _forget_tenant(connection: Connection, gone: Side) -> None:
    await capture.forget(connection, gone.tenant_id)
    await connection.execute(_SQL["forget_moves"], gone.tenant_id)
    await connection.execute(_SQL["forget_home"], gone.tenant_id)


async def _assert_gone(terms: Terms, connection: Connection, gone: Side) -> None:
    if gone.placement.tier is not Tier.ROWS:
        is_there = gone.placement.tier is Tier.SCHEMA and await connection.fetchval(
            _SQL["schema_is_there"], gone.schema
        )
        assert not is_there, f"schema {gone.schema} was dropped"
        return
    await connection.execute(_SQL["forget_counters"], gone.tenant_id)
    async with gone.transaction(connection, bounds=_BATCH_BOUNDS, is_read_only=True):
        for table in terms.shape.tables:
            if await connection.fetchval(
                f"SELECT 1 FROM {gone.place(table.name)} WHERE {TENANT_COLUMN} = $1 LIMIT 1",  # noqa: S608 - as above
                gone.tenant_id,
            ):
                raise Conflict(
                    f"rows of tenant {gone.tenant_id} are still in {table.name}: try again"
                )


async def _drop_own_login(connection: Connection, gone: Side, beside: Side) -> None:
    login, place = gone.placement.login, gone.placement
    is_shared = login == APP_LOGIN
    is_kept = (place.cluster, login) == (beside.placement.cluster, beside.placement.login)
    if not is_shared and not is_kept:
        await drop_login(connection, login)


def _is_one_database(one: Side, other: Side) -> bool:
    here, there = one.placement, other.placement
    return (here.cluster, here.database) == (there.cluster, there.database)
