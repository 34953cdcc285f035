"""Measures how much each tenant stores, slowly, and warns where it comes near what its plan allows.

Own tables are asked for their size. In shared tables a tenant's rows are summed up, some thousand
at a time, each time in a short transaction, with a rest after it: the neighbours don't notice.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec
import structlog
from sqlalchemy import bindparam, func, literal_column, select, tuple_

from billing import notices
from billing.life_words import Notice
from router.alchemy import TENANT_COLUMN
from router.catalog import tenants, usage
from router.catalog.usage import STORAGE_BYTES
from router.errors import PlatformError
from router.months import month_of
from router.sql import load
from router.statement import Statement
from router.storage import own_bytes
from router.words import Mode, TenantStatus

if TYPE_CHECKING:
    from sqlalchemy import Table

    from deploy.platform import Platform
    from router.connect import Connection
    from router.words import Tenant

#: Warnings are given at these parts of a limit, in percent.
WARN_AT: Final = (80, 100)
_PAGE_ITEMS = 200
_SQL = load("deploy", "gauging.sql")
_log = structlog.get_logger("stepwell.gauging")


class GaugePace(msgspec.Struct, frozen=True, kw_only=True):
    """How often a tenant is measured, and how gently.

    ``near_s`` holds for those beyond the first warning: they want to know what their deleting does.
    """

    gauge_s: float = 3_600.0
    near_s: float = 300.0
    look_s: float = 60.0
    pause_s: float = 0.05
    chunk_rows: int = 2_000


class _Chunks:
    """Statements that read the sizes of one table's rows, some at a time, in the order of its key.

    Each row is its key's columns and, last, its bytes.
    """

    def __init__(self, table: Table, rows_max: int) -> None:
        of = table.alias("t")
        key = [of.c[each.name] for each in table.primary_key if each.name != TENANT_COLUMN]
        sizes = (
            select(*key, func.pg_column_size(literal_column("t.*"))).order_by(*key).limit(rows_max)
        )
        after = tuple_(*(bindparam(f"after_{each.name}", type_=each.type) for each in key))
        self.rows_max = rows_max
        self.first = Statement(sizes)
        self.following = Statement(sizes.where(tuple_(*key) > after))


class Gauging:
    """Goes round the tenants that are served."""

    def __init__(
        self,
        platform: Platform,
        *,
        pace: GaugePace = GaugePace(),  # noqa: B008 - a frozen value
    ) -> None:
        self._platform = platform
        self._pace = pace
        self._chunks = [_Chunks(table, pace.chunk_rows) for table in platform.loaded.stored.tables]

    async def keep(self) -> None:
        """Go round until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._pace.look_s)

    async def look(self) -> int:
        """Measure once each tenant whose time has come; returns how many were measured."""
        done, after = 0, None
        while True:
            async with self._platform.catalog.connection() as connection:
                rows = await connection.fetch(
                    _SQL["due"],
                    STORAGE_BYTES,
                    self._pace.gauge_s,
                    self._pace.near_s,
                    after,
                    _PAGE_ITEMS,
                )
                found = await tenants.find_many(connection, [row["id"] for row in rows])
            for tenant in found:
                if tenant.status is TenantStatus.ACTIVE:
                    done += await self.gauge(tenant)
                    await asyncio.sleep(self._pace.pause_s)
            if len(rows) < _PAGE_ITEMS:
                return done
            after = rows[-1]["id"]

    async def gauge(self, tenant: Tenant) -> bool:
        """Measure one tenant and warn it; false when it can't be measured now."""
        try:
            size = await self._bytes(tenant)
        except (PlatformError, asyncpg.PostgresError, OSError) as error:
            _log.warning("storage not measured", tenant=str(tenant.id), reason=str(error))
            return False
        async with self._platform.catalog.transaction() as connection:
            await usage.measure(connection, tenant.id, STORAGE_BYTES, size)
            await warn(connection, tenant, size, now=datetime.now(UTC))
        return True

    async def _bytes(self, tenant: Tenant) -> int:
        size = await own_bytes(self._platform.dispatch, tenant)
        if size is not None:
            return size
        return sum([await self._shared_bytes(tenant, chunks) for chunks in self._chunks])

    async def _shared_bytes(self, tenant: Tenant, chunks: _Chunks) -> int:
        total, after = 0, tuple[object, ...]()
        while True:
            lease = await self._platform.dispatch.open(tenant, Mode.READ)
            try:
                rows = await lease.fetch(chunks.following if after else chunks.first, *after)
            finally:
                await lease.rollback()
            total += sum(int(row[-1]) for row in rows)
            if len(rows) < chunks.rows_max:
                return total
            after = tuple(rows[-1])[:-1]
            await asyncio.sleep(self._pace.pause_s)


async def warn(connection: Connection, tenant: Tenant, size: int, *, now: datetime) -> None:
    """Give the warnings that hold, each once a month, and end the others; needs a transaction."""
    limit, month = tenant.limits.storage_bytes, month_of(now)
    topic = f"{STORAGE_BYTES}:{month.name}"
    holding = [] if limit is None else [each for each in WARN_AT if size * 100 >= limit * each]
    for percent in holding:
        detail: dict[str, object] = {
            "metric": STORAGE_BYTES,
            "used": size,
            "limit": limit,
            "percent": percent,
            "period": month.name,
        }
        notice = Notice(
            kind=_kind(percent),
            topic=topic,
            said=f"{size:,} of the {limit:,} bytes that may be stored are used ({percent} %).",
            detail=detail,
        )
        await notices.give(connection, tenant.id, notice)
    kinds = [_kind(percent) for percent in holding]
    await connection.execute(_SQL["end_warnings"], tenant.id, f"{STORAGE_BYTES}:", topic, kinds)


def _kind(percent: int) -> str:
    return f"usage_{percent}"
