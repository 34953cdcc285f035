"""Erasing a place: the source of a settled move, the target of one that was given up.

A schema or a database goes at once. Rows of shared tables go in small batches with pauses, as they
are dead weight there and nobody waits for it, while other tenants work in the same tables.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from promotion import capture, homes
from promotion.side import Bounds
from router.alchemy import TENANT_COLUMN
from router.catalog.runner import Postponed
from router.database import drop_database, drop_login, drop_schema
from router.errors import Conflict
from router.fleet import APP_LOGIN
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from promotion.side import Mover, Side
    from promotion.terms import Terms
    from router.connect import Connection

_SQL = load("promotion", "erasing.sql")
_BATCH_BOUNDS = Bounds(statement_ms=30_000, lock_ms=1_000)
_CALM_BOUNDS = Bounds(statement_ms=60_000, lock_ms=1_000)
#: To drop a table needs the tables to which it refers for a moment, and others read those.
DROP_LOCK_MS = 250
_PATIENCE = timedelta(seconds=1)
#: How long transactions that began under a capture are waited for.
_FAREWELL_S = 2.0
#: Rows that refer to each other in a circle can only go together.
_TOGETHER_BOUNDS = Bounds(statement_ms=0)
#: Below this, autovacuum finds the time by itself.
_VACUUM_ROWS_MIN = 10_000
_VACUUM = "SET vacuum_cost_delay = '2ms'; SET lock_timeout = '1s'"


async def erase_place(  # noqa: PLR0913 - what is erased, what is spared, and on whose word
    terms: Terms,
    gone: Side,
    mover: Mover,
    *,
    landing_schema: str | None,
    beside: Side,
    check_ours: Callable[[], Awaitable[object]],
) -> dict[str, int]:
    """Erase one end of a move and look that it is gone; repeatable. Returns rows by shared table.

    ``beside`` is the tenant's living place, which is spared whatever the two have in common.
    ``check_ours`` raises Superseded when the operation isn't this process's any more: the tenant
    may live here again by then. Raises Conflict when the gate says so.
    """
    place = gone.placement
    cluster = terms.fleet.cluster(place.cluster)
    erased: dict[str, int] = {}
    if not await database_is_there(terms, gone):
        async with terms.fleet.admin(place.cluster, cluster.maintenance_database) as connection:
            await _drop_own_login(connection, gone, beside)
        return erased
    async with gone.connection(f"{mover.move_id} erase") as connection:
        await homes.take_over_as_ours(connection, mover, gone.tenant_id, check_ours=check_ours)
        # A keeper's round that came later would leave rows behind that nobody looks for.
        await homes.oust_others(connection, mover, gone.tenant_id)
        await _assert_abandoned(connection, gone)
        if place.tier is Tier.ROWS:
            erased = await _erase_rows(terms, connection, gone, mover)
        if place.tier is Tier.SCHEMA:
            await drop_schema(connection, place.schema, lock_ms=DROP_LOCK_MS)
        if landing_schema is not None:
            await drop_schema(connection, landing_schema, lock_ms=DROP_LOCK_MS)
        terms.faults.reach("settle.dropped")
        if not _is_one_database(gone, beside):
            await _forget_tenant(connection, gone, mover)
        await _assert_gone(terms, connection, gone)
        if place.tier is not Tier.DATABASE:
            await _drop_own_login(connection, gone, beside)
    if place.tier is Tier.DATABASE:
        async with terms.fleet.admin(place.cluster, cluster.maintenance_database) as connection:
            await drop_database(connection, place.database)
            await _drop_own_login(connection, gone, beside)
    return erased


@contextlib.contextmanager
def patiently(living: Side) -> Generator[None]:
    """Come again later where an open transaction is in the way; it takes no attempt."""
    try:
        yield
    except asyncpg.LockNotAvailableError as error:
        raise Postponed(
            f"open transactions hold what is to go of tenant {living.tenant_id}: {error}",
            after=_PATIENCE,
        ) from error


async def hush(living: Side, mover: Mover, check_ours: Callable[[], Awaitable[object]]) -> None:
    """Have nothing written down any more at the living place: nobody goes back.

    That comes before anything is erased, which may have to wait for a server for days.
    """
    async with living.connection(f"{mover.move_id} calm") as connection:
        await homes.take_over_as_ours(connection, mover, living.tenant_id, check_ours=check_ours)
        await homes.oust_others(connection, mover, living.tenant_id)
        async with living.transaction(connection, bounds=_CALM_BOUNDS):
            await mover.hold(connection)
            await homes.put_to_sleep(connection, living.tenant_id)
            await homes.forget_changes(connection, living.tenant_id)


async def calm(living: Side, mover: Mover, check_ours: Callable[[], Awaitable[object]]) -> None:
    """Let the living place forget that there was a move: nothing is written down there any more."""
    async with living.connection(f"{mover.move_id} calm") as connection:
        await homes.take_over_as_ours(connection, mover, living.tenant_id, check_ours=check_ours)
        async with living.transaction(connection, bounds=_CALM_BOUNDS):
            await mover.hold(connection)
            await homes.put_to_sleep(connection, living.tenant_id)
        await forget_log(living, connection, mover)
        async with living.transaction(connection, bounds=_CALM_BOUNDS):
            await mover.hold(connection)
            await homes.dismiss_all(connection, living.tenant_id)


async def forget_log(living: Side, connection: Connection, mover: Mover) -> None:
    """Delete what was written down, when those are gone who still write it; the capture sleeps.

    What a transaction that stays for longer writes down is deleted when the next move begins.
    """
    await capture.outlast(connection, living.tenant_id, wait_s_max=_FAREWELL_S)
    async with living.transaction(connection, bounds=_CALM_BOUNDS):
        await mover.hold(connection)
        await homes.forget_changes(connection, living.tenant_id)


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


async def _erase_rows(
    terms: Terms, connection: Connection, gone: Side, mover: Mover
) -> dict[str, int]:
    limits = terms.limits
    erased: dict[str, int] = {}
    for table in reversed(terms.shape.tables):
        erased.setdefault(table.name, 0)
        while True:
            try:
                count = await _erase_batch(
                    connection, gone, mover, table.name, limits.erase_rows_a_batch
                )
            except asyncpg.ForeignKeyViolationError:
                for name, rows in (await _erase_together(terms, connection, gone, mover)).items():
                    erased[name] = erased.get(name, 0) + rows
                break
            erased[table.name] += count
            if count < limits.erase_rows_a_batch:
                break
            terms.faults.reach("settle.batch")
            await asyncio.sleep(limits.erase_rest_s)
    async with gone.transaction(connection, bounds=_BATCH_BOUNDS):
        await mover.hold(connection)
        await connection.execute(_SQL["forget_counters"], gone.tenant_id)
    await _vacuum(connection, gone, erased)
    return erased


async def _erase_batch(
    connection: Connection, gone: Side, mover: Mover, table: str, rows_max: int
) -> int:
    statement = _SQL["erase_batch"].format(place=gone.place(table), tenant=TENANT_COLUMN)
    async with gone.transaction(connection, bounds=_BATCH_BOUNDS):
        await mover.hold(connection)
        await connection.execute("SET CONSTRAINTS ALL DEFERRED")
        status = await connection.execute(statement, gone.tenant_id, rows_max)
    return int(status.rpartition(" ")[2])


async def _erase_together(
    terms: Terms, connection: Connection, gone: Side, mover: Mover
) -> dict[str, int]:
    erased: dict[str, int] = {}
    async with gone.transaction(connection, bounds=_TOGETHER_BOUNDS):
        await mover.hold(connection)
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


async def _forget_tenant(connection: Connection, gone: Side, mover: Mover) -> None:
    async with gone.transaction(connection, bounds=_BATCH_BOUNDS):
        await mover.hold(connection)
        await homes.forget_changes(connection, gone.tenant_id)
        await connection.execute(_SQL["forget_home"], gone.tenant_id)
        await connection.execute(_SQL["forget_moves"], gone.tenant_id)


async def _assert_gone(terms: Terms, connection: Connection, gone: Side) -> None:
    if gone.placement.tier is not Tier.ROWS:
        is_there = gone.placement.tier is Tier.SCHEMA and await connection.fetchval(
            _SQL["schema_is_there"], gone.schema
        )
        assert not is_there, f"schema {gone.schema} was dropped"
        return
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
