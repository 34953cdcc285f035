"""What is used of what the plan allows: only what is really counted or measured."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.parts import Parts
from router.api.shapes import List
from router.catalog import forecast, members, usage
from router.catalog.usage import API_CALLS, SEATS, STORAGE_BYTES
from router.errors import Unavailable
from router.months import month_of
from router.storage import own_bytes
from router.words import Tenant

_MONTHLY = "month"


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric; a limit of null is by contract, a period of null has no beginning and no end.

    ``measured_at`` is there for what is measured from time to time instead of counted.
    ``reaches_limit_on`` is the day on which the limit will be reached before the period ends, if
    what was used lately goes on; null when it won't.
    """

    metric: str
    used: int
    limit: int | None
    period: str | None = None
    resets_at: datetime | None = None
    measured_at: datetime | None = None
    reaches_limit_on: date | None = None


@get("/usage", tags=["tenant"], summary="What is used of what the plan allows", opt={NEEDS: None})
async def show_usage(errand: NamedDependency[MemberErrand]) -> List[Metric]:
    """Calls of this month, seats, and storage as soon as it was measured."""
    return List(items=await measure(errand.parts, errand.tenant))


async def measure(parts: Parts, tenant: Tenant) -> list[Metric]:
    """Say everything that can be said now."""
    now = datetime.now(UTC)
    month = month_of(now)
    async with parts.catalog.connection() as connection:
        counted = await usage.counted(connection, tenant.id, month)
        hours = await usage.hours(
            connection,
            tenant.id,
            API_CALLS,
            since=max(month.begins_at, now - forecast.LOOKED_AT),
            until=month.ends_at,
        )
        seats = await members.count(connection, tenant.id)
    used, limit = counted.get(API_CALLS, 0), tenant.limits.api_calls_per_month
    metrics = [
        Metric(
            metric=API_CALLS,
            used=used,
            limit=limit,
            period=_MONTHLY,
            resets_at=month.ends_at,
            reaches_limit_on=forecast.reaches_limit_on(
                hours, used=used, limit=limit, month=month, now=now
            ),
        ),
        Metric(metric=SEATS, used=seats, limit=tenant.limits.seats),
    ]
    storage = await _storage(parts, tenant)
    return metrics if storage is None else [*metrics, storage]


async def storage_bytes(parts: Parts, tenant: Tenant) -> int | None:
    """Return the bytes of the tenant's own tables; None without such, and where nobody can tell."""
    try:
        return await own_bytes(parts.dispatch, tenant)
    except Unavailable:
        return None


async def _storage(parts: Parts, tenant: Tenant) -> Metric | None:
    """Ask where it costs nothing; in shared tables, and while they don't answer, recall."""
    limit = tenant.limits.storage_bytes
    now = await storage_bytes(parts, tenant)
    if now is not None:
        return Metric(metric=STORAGE_BYTES, used=now, limit=limit)
    async with parts.catalog.connection() as connection:
        gauge = await usage.measured(connection, tenant.id, STORAGE_BYTES)
    if gauge is None:
        return None
    return Metric(metric=STORAGE_BYTES, used=gauge.quantity, limit=limit, measured_at=gauge.at)
