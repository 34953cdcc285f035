"""What is used of what the plan allows: only what is really measured."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import get
from litestar.di import NamedDependency

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.parts import Parts
from router.api.shapes import List
from router.catalog import members
from router.errors import Unavailable
from router.words import Mode, Tenant, Tier

#: Shared tables belong to nobody in particular, so this is asked in a place of the tenant's own.
_STORAGE = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relnamespace = to_regnamespace($1)
"""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric; a limit of null is by contract, a period of null has no beginning and no end."""

    metric: str
    used: int
    limit: int | None
    period: str | None = None
    resets_at: datetime | None = None


@get("/usage", tags=["tenant"], summary="What is used of what the plan allows", opt={NEEDS: None})
async def show_usage(errand: NamedDependency[MemberErrand]) -> List[Metric]:
    """Seats always; storage where the tenant has tables of its own."""
    return List(items=await measure(errand.parts, errand.tenant))


async def measure(parts: Parts, tenant: Tenant) -> list[Metric]:
    """Measure everything that can be measured now."""
    async with parts.catalog.connection() as connection:
        seats = await members.count(connection, tenant.id)
    metrics = [Metric(metric="seats", used=seats, limit=tenant.limits.seats)]
    storage = await storage_bytes(parts, tenant)
    if storage is not None:
        metrics.append(
            Metric(metric="storage_bytes", used=storage, limit=tenant.limits.storage_bytes)
        )
    return metrics


async def storage_bytes(parts: Parts, tenant: Tenant) -> int | None:
    """Return the bytes of the tenant's tables with their indexes; None where nobody can tell."""
    if tenant.tier is None or tenant.tier is Tier.ROWS:
        return None
    try:
        lease = await parts.dispatch.open(tenant, Mode.READ)
    except Unavailable:
        return None
    try:
        record = await lease.fetchrow(_STORAGE, lease.placement.schema)
    finally:
        await lease.rollback()
    assert record is not None, "an aggregate returns a row"
    return int(record[0])
