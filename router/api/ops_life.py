"""The operators' calls about what happened to a tenant, and how much it stores."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from router.api.errand import Errand
from router.api.ops import Reference
from router.api.shapes import Cursor, Limit, List
from router.catalog import tenants, timeline
from router.catalog.move_words import TableSize
from router.catalog.timeline import LifeEvent


@get(
    "/tenants/{tenant:str}/timeline",
    tags=["operators"],
    summary="What happened to a tenant: its plans, moves, limits, interruptions",
)
async def ops_show_timeline(
    errand: NamedDependency[Errand], tenant: Reference, limit: Limit = 50, after: Cursor = None
) -> List[LifeEvent]:
    """The newest first. What its people do among themselves stands in the audit alone."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        page = await timeline.page(connection, found.id, after=after, items_max=limit)
    return List(items=[*page.items], next=page.next)


@get(
    "/tenants/{tenant:str}/tables",
    tags=["operators"],
    summary="How many rows and bytes a tenant has, table by table",
)
async def ops_list_tables(errand: NamedDependency[Errand], tenant: Reference) -> List[TableSize]:
    """Counts the tenant's rows one by one, parents first. 503 where that takes too long."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
    return List(items=[*await errand.parts.promoting.sizes(found)])
