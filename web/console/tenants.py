"""The list of tenants, and what of them it shows."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template

from billing.routes import PlanShown
from router.api.fleet import ClusterShown
from router.api.ops import OpsTenant
from router.api.shapes import List
from router.words import Standing, TenantStatus, Tier
from web.console.asking import Filter, address, chosen
from web.visitor import Visitor


@get("/console/tenants", include_in_schema=False)
async def show_tenants(  # noqa: PLR0913 - each argument is one filter of the page
    visitor: NamedDependency[Visitor],
    *,
    search: Filter = "",
    plan: Filter = "",
    tier: Filter = "",
    status: Filter = "",
    cluster: Filter = "",
    standing: Filter = "",
    after: Filter = "",
) -> Template:
    """By slug; the filters stay in the address, which can be sent on."""
    await visitor.staff()
    filters = chosen(
        search=search,
        plan=plan,
        tier=tier,
        status=status,
        cluster=cluster,
        standing=standing,
        after=after,
    )
    found = await visitor.api.get("/api/ops/tenants", List[OpsTenant], filters)
    plans = await visitor.api.get("/api/plans", List[PlanShown])
    clusters = await visitor.api.get("/api/ops/clusters", List[ClusterShown])
    return visitor.page(
        "console/tenants.html",
        {
            "tenants": found,
            "plans": plans.items,
            "tiers": list(Tier),
            "statuses": list(TenantStatus),
            "standings": list(Standing),
            "clusters": [each.name for each in clusters.items],
            "is_chosen": any(value for name, value in filters.items() if name != "after"),
            "filters": filters,
            "address": address("/console/tenants", filters),
        },
    )
