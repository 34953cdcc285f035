"""What tenants used: the ledger's totals, which are counted, and the gauges, which are measured."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from router.catalog.forecast import HourUsed
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection
    from router.months import Month
    from router.words import TenantId

API_CALLS: Final = "api_calls"
SEATS: Final = "seats"
STORAGE_BYTES: Final = "storage_bytes"
_SQL = load("router.catalog", "usage.sql")


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement found, and when."""

    quantity: int
    at: datetime


async def counted(connection: Connection, tenant_id: TenantId, month: Month) -> dict[str, int]:
    """Return what the ledger has of a month, by metric; gateways write to it each second."""
    rows = await connection.fetch(_SQL["counted"], tenant_id, month.begins_at.date())
    return {row["metric"]: row["quantity"] for row in rows}


async def hours(
    connection: Connection, tenant_id: TenantId, metric: str, *, since: datetime, until: datetime
) -> list[HourUsed]:
    """Return what was used hour by hour; an hour without use isn't among them."""
    rows = await connection.fetch(_SQL["hours"], tenant_id, metric, since, until)
    return [HourUsed(hour=row["hour"], quantity=row["quantity"]) for row in rows]


async def measured(connection: Connection, tenant_id: TenantId, metric: str) -> Gauge | None:
    """Return the last measurement; None when there was none yet."""
    row = await connection.fetchrow(_SQL["measured"], tenant_id, metric)
    return None if row is None else Gauge(quantity=row["quantity"], at=row["at"])


async def measure(connection: Connection, tenant_id: TenantId, metric: str, quantity: int) -> None:
    """Record a measurement in place of the last one."""
    await connection.execute(_SQL["measure"], tenant_id, metric, quantity)
