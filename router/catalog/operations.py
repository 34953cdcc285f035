"""Operations: recorded pieces of work that any process may continue where another dropped them.

A runner claims one with a lease and a fencing token that grows at each claim; every write names
the token, so a runner that lost its lease without noticing writes nothing (runner.py runs them).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4

import msgspec

from router.catalog.catalog import Page
from router.errors import Conflict, NotFound
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from router.connect import Connection

ERROR_LENGTH_MAX = 2_000
_SQL = load("router.catalog", "operations.sql")
_DataT = TypeVar("_DataT")


class OperationState(StrEnum):
    """How far an operation is; a waiting one may have failed before, and then says why."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in {OperationState.WAITING, OperationState.RUNNING}


class Superseded(Exception):
    """Another runner has this operation now; whoever sees this stops at once and writes nothing."""


class NewOperation(msgspec.Struct, frozen=True, kw_only=True):
    """What to record. ``cluster`` is where it takes room; ``data`` is the kind's own, JSON.

    ``head_start`` keeps the workers away for a moment, for a caller that runs it itself.
    """

    kind: str
    tenant_id: TenantId | None = None
    cluster: str | None = None
    data: object = {}
    idempotency_key: str | None = None
    head_start: timedelta = timedelta()


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation as it was when it was read."""

    id: UUID
    kind: str
    tenant_id: TenantId | None
    cluster: str | None
    state: OperationState
    step: str | None
    data: msgspec.Raw
    lease_owner: str | None
    fencing_token: int
    attempts: int
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def read(self, kind: type[_DataT]) -> _DataT:
        """Return the data as the kind's own type."""
        return msgspec.json.decode(self.data, type=kind)


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an operation's log."""

    position: int
    at: datetime
    step: str | None
    note: str


class OperationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which operations a list shows."""

    kind: str | None = None
    tenant_id: TenantId | None = None
    state: OperationState | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to work, and for how long without a sign of life."""

    owner: str
    lease: timedelta


async def begin(connection: Connection, wanted: NewOperation) -> Operation:
    """Record an operation, or return the one that the idempotency key recorded before."""
    row = await connection.fetchrow(
        _SQL["begin"],
        uuid4(),
        wanted.kind,
        wanted.tenant_id,
        wanted.cluster,
        msgspec.json.encode(wanted.data).decode(),
        wanted.idempotency_key,
        wanted.head_start,
    )
    if row is not None:
        return _operation(row)
    row = await connection.fetchrow(_SQL["find_by_key"], wanted.idempotency_key)
    assert row is not None, "an operation is never deleted"
    recorded = _operation(row)
    if (recorded.kind, recorded.tenant_id) != (wanted.kind, wanted.tenant_id):
        raise Conflict(
            f"the key {wanted.idempotency_key!r} recorded another operation: {recorded.kind} "
            f"{recorded.id}"
        )
    return recorded


async def get(connection: Connection, operation_id: UUID) -> Operation:
    """Return an operation, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], operation_id)
    if row is None:
        raise NotFound(f"there is no operation {operation_id}")
    return _operation(row)


async def list_page(
    connection: Connection,
    chosen: OperationFilter,
    *,
    before: UUID | None = None,
    items_max: int = 50,
) -> Page[Operation]:
    """List operations, the newest first; ``before`` is the cursor that the last page gave."""
    rows = await connection.fetch(
        _SQL["list"], chosen.kind, chosen.tenant_id, chosen.state, before, items_max + 1
    )
    items = tuple(_operation(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


async def read_log(connection: Connection, operation_id: UUID) -> list[LogLine]:
    """Return what happened to an operation, in order."""
    return [
        LogLine(position=row["position"], at=row["at"], step=row["step"], note=row["note"])
        for row in await connection.fetch(_SQL["log"], operation_id)
    ]


async def claim_next(
    connection: Connection, claim: Claim, kinds: Iterable[str]
) -> Operation | None:
    """Take the next operation that waits, or whose runner gave no sign of life."""
    row = await connection.fetchrow(_SQL["claim_next"], claim.owner, claim.lease, [*kinds])
    return None if row is None else _operation(row)


async def claim_this(connection: Connection, claim: Claim, operation_id: UUID) -> Operation | None:
    """Take one operation now, even before its time; None when another runner has it or it ended."""
    row = await connection.fetchrow(_SQL["claim"], claim.owner, claim.lease, operation_id)
    return None if row is None else _operation(row)


async def extend(connection: Connection, operation: Operation, lease: timedelta) -> None:
    """Give a sign of life."""
    extended = await connection.fetchval(
        _SQL["extend"], operation.id, operation.fencing_token, lease
    )
    if extended is None:
        raise _superseded(operation)


async def advance(
    connection: Connection,
    operation: Operation,
    *,
    step: str,
    note: str = "",
    data: object | None = None,
) -> Operation:
    """Record that a step is reached, with new data if given; commits with the caller's work."""
    row = await connection.fetchrow(
        _SQL["advance"],
        operation.id,
        operation.fencing_token,
        step,
        note or step,
        None if data is None else msgspec.json.encode(data).decode(),
    )
    return _still_ours(operation, row)


async def finish(connection: Connection, operation: Operation) -> Operation:
    """Record that everything is done; commits with what else the caller does."""
    row = await connection.fetchrow(_SQL["finish"], operation.id, operation.fencing_token)
    return _still_ours(operation, row)


async def fail(
    connection: Connection, operation: Operation, *, error: str, retry_after: timedelta | None
) -> Operation:
    """Record that an attempt failed; it is made again after a while, or never by itself."""
    row = await connection.fetchrow(
        _SQL["fail"],
        operation.id,
        operation.fencing_token,
        error.replace("\0", "")[:ERROR_LENGTH_MAX],
        retry_after,
    )
    return _still_ours(operation, row)


async def give_up(connection: Connection, operation: Operation, *, reason: str) -> Operation:
    """Record that its own runner took the operation back, because somebody asked for that."""
    row = await connection.fetchrow(
        _SQL["give_up"], operation.id, operation.fencing_token, reason[:ERROR_LENGTH_MAX]
    )
    return _still_ours(operation, row)


async def release(
    connection: Connection,
    operation: Operation,
    *,
    after: timedelta = timedelta(),
    is_well: bool = False,
) -> None:
    """Give an operation back unfinished, to be taken no sooner; the attempt doesn't count.

    ``is_well``: those that its runners didn't survive don't count any more either.
    """
    await connection.execute(_SQL["release"], operation.id, operation.fencing_token, after, is_well)


async def retry(connection: Connection, operation_id: UUID) -> Operation:
    """Let a failed operation begin again where it stopped."""
    row = await connection.fetchrow(_SQL["retry"], operation_id)
    if row is None:
        found = await get(connection, operation_id)
        raise Conflict(f"operation {found.id} is {found.state.value}: only a failed one is retried")
    return _operation(row)


async def cancel(connection: Connection, operation_id: UUID) -> Operation:
    """Take back an operation that nobody works on."""
    row = await connection.fetchrow(_SQL["cancel"], operation_id)
    if row is None:
        found = await get(connection, operation_id)
        raise Conflict(f"operation {found.id} is {found.state.value} and can't be cancelled")
    return _operation(row)


def _still_ours(operation: Operation, row: asyncpg.Record | None) -> Operation:
    if row is None:
        raise _superseded(operation)
    return _operation(row)


def _superseded(operation: Operation) -> Superseded:
    return Superseded(
        f"operation {operation.id} isn't held by fencing token {operation.fencing_token} any more"
    )


def _operation(row: asyncpg.Record) -> Operation:
    return Operation(
        id=row["id"],
        kind=row["kind"],
        tenant_id=row["tenant_id"],
        cluster=row["cluster"],
        state=OperationState(row["state"]),
        step=row["step"],
        data=msgspec.Raw(row["data"]),
        lease_owner=row["lease_owner"],
        fencing_token=row["fencing_token"],
        attempts=row["attempts"],
        error=row["error"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )
