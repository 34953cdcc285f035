"""The key log: woken for one tenant without touching a shared table, and put to sleep again.

The triggers are permanent (gate.adopt) and look at the stamp that the gate gave the transaction; so
capture begins with the tenant's next transaction, and is complete once those before it are gone.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from router.database import lock_key
from router.errors import NotFound, PlatformError
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.shape import Shape, TableShape
    from router.connect import Connection
    from router.words import TenantId

_SQL = load("promotion", "capture.sql")
_LOG_ROWS_A_DELETE = 5_000
_LOG_ROWS_COUNTED_MAX = 1_000_000
_POLL_S = 0.02
_HALF = 2**32
#: pg_trigger.tgtype: for each row, after INSERT, DELETE and UPDATE; before TRUNCATE.
_AFTER_EACH_CHANGE = 1 + 4 + 8 + 16
_BEFORE_TRUNCATE = 2 + 32


class CaptureMissing(PlatformError):
    """A table's changes wouldn't be written down, so a move would lose them."""

    code = "capture_missing"
    title = "A table has no capture trigger"


class HoldersRemain(PlatformError):
    """Transactions that began before the capture are still open, and may write unseen."""

    code = "holders_remain"
    title = "Older transactions are still open"

    def __init__(self, detail: str, holders: list[Holder]) -> None:
        super().__init__(detail, retry_after_s=1)
        self.holders = holders


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a move that stands still.

    ``rows`` is how many changes of the tenant are written down, ``bytes`` what those of all tenants
    take in its database, ``delay_ms`` how long each of its writing transactions is held up.
    """

    rows: int
    bytes: int
    delay_ms: int


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that is in the tenant; its age is None where that may not be seen."""

    pid: int
    transaction: str
    application: str
    age_ms: float | None


async def check(connection: Connection, schema: str, shape: Shape) -> None:
    """Refuse a schema in which some table's changes wouldn't be written down by their whole key."""
    rows = await connection.fetch(_SQL["triggers"], schema)
    found = {(row["table_name"], row["name"]): row for row in rows}
    wrong = [
        table.name
        for table in shape.tables
        if not _is_kept(found.get((table.name, "stepwell_keep")))
        or not _is_captured(found.get((table.name, "stepwell_capture")), table)
    ]
    if wrong:
        raise CaptureMissing(
            f"tables of schema {schema} whose changes aren't captured: {', '.join(wrong)}; "
            f"run gate.adopt() on it, after dropping the triggers stepwell_capture and "
            "stepwell_keep of these tables"
        )


async def waiting(connection: Connection, tenant_id: TenantId) -> Waiting:
    """Look how much is written down for a tenant here."""
    row = await connection.fetchrow(_SQL["waiting"], tenant_id, _LOG_ROWS_COUNTED_MAX)
    if row is None:
        raise NotFound(f"tenant {tenant_id} has no home in this database")
    return Waiting(rows=row["rows"], bytes=row["bytes"], delay_ms=row["delay_ms"])


async def nothing() -> None:
    """Do nothing while waiting."""


async def wake(
    connection: Connection,
    tenant_id: TenantId,
    *,
    wait_s_max: float,
    lock_ms: int = 250,
    while_waiting: Callable[[], Awaitable[object]] = nothing,
) -> None:
    """Write down every change of the tenant from here on; repeat it after any failure.

    Waits until each transaction that was in before is gone. Raises HoldersRemain with those that
    stayed: capture is on then, and to call again goes on waiting. Needs a connection outside of
    transactions, whose role may see pg_locks. ``while_waiting`` ends the wait by raising.
    """
    ends = time.monotonic() + wait_s_max
    while not await _set(connection, tenant_id, to=True, ends=ends, lock_ms=lock_ms):
        await while_waiting()
    left = await outlast(
        connection, tenant_id, wait_s_max=ends - time.monotonic(), while_waiting=while_waiting
    )
    if left:
        raise HoldersRemain(
            f"tenant {tenant_id} still has {len(left)} transactions that began before the "
            f"capture: {', '.join(f'process {each.pid}' for each in left)}; end them or wait",
            left,
        )


async def outlast(
    connection: Connection,
    tenant_id: TenantId,
    *,
    wait_s_max: float,
    while_waiting: Callable[[], Awaitable[object]] = nothing,
) -> list[Holder]:
    """Wait until the transactions that are in now are gone; returns those that stayed too long.

    Whoever comes in after the first look reads gate.home as it was committed before the call.
    """
    ends = time.monotonic() + wait_s_max
    waited_for = {(each.pid, each.transaction) for each in await holders(connection, tenant_id)}
    while True:
        left = [
            each
            for each in await holders(connection, tenant_id)
            if (each.pid, each.transaction) in waited_for
        ]
        if not left or time.monotonic() >= ends:
            return left
        await while_waiting()
        await asyncio.sleep(_POLL_S)


async def sleep(
    connection: Connection, tenant_id: TenantId, *, wait_s_max: float, lock_ms: int = 250
) -> None:
    """Let the tenant's changes go unwritten again, from its next transaction on; repeatable."""
    ends = time.monotonic() + wait_s_max
    while not await _set(connection, tenant_id, to=False, ends=ends, lock_ms=lock_ms):
        pass


async def forget(connection: Connection, tenant_id: TenantId) -> int:
    """Delete the tenant's log, in batches of their own transactions; returns how much it was."""
    return await _delete(connection, _SQL["forget"], tenant_id)


async def prune(connection: Connection, tenant_id: TenantId, snapshot: str) -> int:
    """Delete what a round has read: log rows that its snapshot saw. Later rounds need the rest."""
    return await _delete(connection, _SQL["prune"], tenant_id, snapshot)


async def holders(connection: Connection, tenant_id: TenantId) -> list[Holder]:
    """Name the transactions that are in the tenant now, the oldest first."""
    high, low = divmod(lock_key(tenant_id) % _HALF**2, _HALF)
    return [
        Holder(
            pid=row["pid"],
            transaction=row["transaction"],
            application=row["application"],
            age_ms=row["age_ms"],
        )
        for row in await connection.fetch(_SQL["holders"], high, low)
    ]


async def long_holders(
    connection: Connection, tenant_id: TenantId, *, older_than_ms: float
) -> list[Holder]:
    """Name the transactions for which a fence would have to wait, the oldest first."""
    return [
        each
        for each in await holders(connection, tenant_id)
        if each.age_ms is not None and each.age_ms > older_than_ms
    ]


async def _set(
    connection: Connection, tenant_id: TenantId, *, to: bool, ends: float, lock_ms: int
) -> bool:
    """Try to switch the capture: transactions of REPEATABLE READ hold the row, so it is short."""
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {int(lock_ms)}")
            if not await connection.fetchval(_SQL["is_known"], tenant_id):
                raise NotFound(f"tenant {tenant_id} has no home in this database")
            await connection.execute(_SQL["set_capture"], tenant_id, to)
    except asyncpg.LockNotAvailableError:
        if time.monotonic() >= ends:
            found = await holders(connection, tenant_id)
            raise HoldersRemain(
                f"the home of tenant {tenant_id} is held by its open transactions: "
                f"{', '.join(f'process {each.pid}' for each in found)}; end them or wait",
                found,
            ) from None
        await asyncio.sleep(_POLL_S)
        return False
    return True


async def _delete(connection: Connection, statement: str, tenant_id: TenantId, *more: str) -> int:
    total = 0
    while True:
        status = await connection.execute(statement, tenant_id, _LOG_ROWS_A_DELETE, *more)
        deleted = int(status.rpartition(" ")[2])
        total += deleted
        if deleted < _LOG_ROWS_A_DELETE:
            return total


def _is_captured(trigger: asyncpg.Record | None, table: TableShape) -> bool:
    if trigger is None:
        return False
    named = bytes.fromhex(trigger["arguments"]).decode().split("\0")[:-1]
    return (
        trigger["is_awake"]
        and trigger["is_ours"]
        and trigger["fires_on"] == _AFTER_EACH_CHANGE
        and named == [*table.key]
    )


def _is_kept(trigger: asyncpg.Record | None) -> bool:
    return (
        trigger is not None
        and trigger["is_awake"]
        and trigger["is_ours"]
        and trigger["fires_on"] == _BEFORE_TRUNCATE
    )
