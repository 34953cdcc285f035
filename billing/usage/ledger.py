"""The ledger: every report of a gateway is recorded once, with its totals, in one transaction."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from router.catalog.usage import API_CALLS, STORAGE_BYTES
from router.errors import PlatformError
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from router.catalog import Catalog
    from router.connect import Connection

_SQL = load("billing.usage", "ledger.sql")
#: How far ahead months get a partition of their own, and how often that is looked after.
_DAYS_AHEAD: Final = (0, 31, 62)
_ROUND_S: Final = 21_600.0
#: Behind a reader of the whole ledger, a new partition would make every gateway wait.
_LOCK_LIMIT: Final = "SET LOCAL lock_timeout = '2s'"
_log = structlog.get_logger("stepwell.usage")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls tenants made, as one gateway counted them until a moment."""

    at: datetime
    tenant_ids: list[TenantId]
    quantities: list[int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Parts that are recorded together, or not at all; sent again, they have the same key."""

    key: str
    parts: tuple[Part, ...]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has of one month, and what the tenants store, each as a column."""

    month: date
    tenant_ids: list[TenantId]
    used: list[int]
    storage_bytes: list[int | None]


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """That a part of a limit is used, for the tenant's people."""

    tenant_id: TenantId
    metric: str
    percent: int
    used: int
    limit: int
    #: As in 2026-11.
    period: str


async def record(connection: Connection, key: str, part: Part) -> Totals:
    """Record a part of a report, unless it is there already; returns the totals of what was new."""
    row = await connection.fetchrow(
        _SQL["record"],
        API_CALLS,
        key,
        part.at,
        part.tenant_ids,
        part.quantities,
        STORAGE_BYTES,
    )
    return _totals(row, part.at.date().replace(day=1))


async def read(connection: Connection, tenant_ids: Sequence[TenantId], month: date) -> Totals:
    """Return the totals of a month, 0 where nothing was recorded."""
    row = await connection.fetchrow(_SQL["read"], tenant_ids, month, API_CALLS, STORAGE_BYTES)
    return _totals(row, month)


async def notify(connection: Connection, warned: Warned) -> None:
    """Tell a tenant's people that so much of a limit is used, once for each limit and period."""
    said = (
        f"{warned.used:,} of the {warned.limit:,} API calls of {warned.period} are used "
        f"({warned.percent} %)."
    )
    detail = {"metric": warned.metric, "used": warned.used, "limit": warned.limit}
    await connection.execute(
        _SQL["notify"],
        warned.tenant_id,
        f"usage_{warned.percent}",
        f"{warned.metric}:{warned.period}:{warned.limit}",
        said,
        msgspec.json.encode(detail).decode(),
    )


async def make_months(catalog: Catalog, today: date) -> None:
    """Make the partitions of this month and the next two, where there are none yet."""
    for days in _DAYS_AHEAD:
        async with catalog.transaction() as connection:
            await connection.execute(_LOCK_LIMIT)
            await connection.execute(_SQL["make_month"], today + timedelta(days=days))


async def keep_months(catalog: Catalog) -> None:
    """Make partitions ahead, until cancelled: a chore of the worker."""
    while True:
        try:
            await make_months(catalog, datetime.now(UTC).date())
        except PlatformError as error:
            _log.warning("months not made", reason=error.detail)
        await asyncio.sleep(_ROUND_S)


def _totals(row: asyncpg.Record | None, month: date) -> Totals:
    assert row is not None, "an aggregate returns a row"
    return Totals(
        month=month,
        tenant_ids=row["tenant_ids"] or [],
        used=row["used"] or [],
        storage_bytes=row["storage_bytes"] or [],
    )
