"""Work that failed, for whoever sees to it: what there is, and which of it may be begun again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from router.catalog import operations, tenants
from router.catalog.archives import ERASE, RESTORE
from router.catalog.catalog import Page
from router.catalog.move_words import KEEP, MOVE, SETTLE, UNDO
from router.catalog.operations import OperationState
from router.catalog.wave_words import MIGRATION
from router.errors import Conflict
from router.sql import load
from router.words import TenantStatus

if TYPE_CHECKING:
    import asyncpg

    from router.catalog.operations import Operation, OperationFilter
    from router.connect import Connection

#: What isn't begun again as it is, because it has been turned back or has reins of its own.
ELSEWHERE: Final = {
    MOVE: "it was turned back, so begin another move of the tenant",
    KEEP: "it goes on by itself for as long as its move isn't settled",
    UNDO: "undo its move once more",
    SETTLE: "settle its move once more",
    MIGRATION: "retry the migration, which tries again where it failed",
    RESTORE: "what it made was taken away, so restore the archive once more",
}
_SQL = load("router.catalog", "retrying.sql")


class OperationLine(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work in a list; ``tenant_slug`` is whose it is.

    ``not_before`` is when a waiting one is taken next. ``can_retry``: it may be tried now.
    """

    id: UUID
    kind: str
    tenant: UUID | None
    tenant_slug: str | None
    state: OperationState
    step: str | None
    attempts: int
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    not_before: datetime
    can_retry: bool


async def list_page(
    connection: Connection,
    chosen: OperationFilter,
    *,
    is_failing: bool = False,
    before: UUID | None = None,
    items_max: int = 50,
) -> Page[OperationLine]:
    """List work, the newest first; ``is_failing``: what failed and hasn't ended well since."""
    query = _SQL["failing" if is_failing else "list"]
    rows = await connection.fetch(
        query, chosen.kind, chosen.tenant_id, chosen.state, before, items_max + 1
    )
    items = tuple(_line(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


async def retry(connection: Connection, operation_id: UUID) -> tuple[Operation, bool]:
    """Have work tried at once, and tell whether that changed anything; needs a transaction.

    What is on its way already stays so. Raises Conflict for what ended, and for what is begun
    again in another way.
    """
    await connection.execute(_SQL["lock"], operation_id)
    found = await operations.get(connection, operation_id)
    match found.state:
        case OperationState.RUNNING:
            return found, False
        case OperationState.WAITING if found.error is None:
            return found, False
        case OperationState.WAITING:
            await connection.execute(_SQL["hurry"], operation_id)
            return await operations.get(connection, operation_id), True
        case OperationState.DONE | OperationState.CANCELLED:
            raise Conflict(f"operation {found.id} is {found.state.value}: nothing is left to do")
        case OperationState.FAILED:
            await _check(connection, found)
            return await operations.retry(connection, operation_id), True


async def _check(connection: Connection, failed: Operation) -> None:
    if (way := ELSEWHERE.get(failed.kind)) is not None:
        raise Conflict(f"the {failed.kind} {failed.id} isn't begun again as it is: {way}")
    if failed.tenant_id is None or failed.kind == ERASE:
        return
    tenant = await tenants.get_by_id(connection, failed.tenant_id)
    if tenant.status is TenantStatus.ERASED:
        raise Conflict(f"tenant {tenant.slug} is erased: nothing is done for it any more")


def _line(row: asyncpg.Record) -> OperationLine:
    state, error = OperationState(row["state"]), row["error"]
    is_postponed = state is OperationState.WAITING and error is not None
    return OperationLine(
        id=row["id"],
        kind=row["kind"],
        tenant=row["tenant_id"],
        tenant_slug=row["slug"],
        state=state,
        step=row["step"],
        attempts=row["attempts"],
        error=error,
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        not_before=row["not_before"],
        can_retry=is_postponed or (state is OperationState.FAILED and row["kind"] not in ELSEWHERE),
    )
