"""Clusters: the room that they have, and one of them with its server as it is now."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.fleet import ClusterShown, ClusterWhole
from router.api.shapes import List
from web.console.asking import segment
from web.visitor import Visitor


@get("/console/clusters", include_in_schema=False)
async def show_clusters(visitor: NamedDependency[Visitor]) -> Template:
    """By name, with the room they have."""
    await visitor.staff()
    clusters = await visitor.api.get("/api/ops/clusters", List[ClusterShown])
    return visitor.page("console/clusters.html", {"clusters": clusters.items})


@get("/console/clusters/{name:str}", include_in_schema=False)
async def show_cluster(visitor: NamedDependency[Visitor], name: FromPath[str]) -> Template:
    """There within two seconds, whether its server answers or not."""
    await visitor.staff()
    found = await visitor.api.get(f"/api/ops/clusters/{segment(name)}", ClusterWhole)
    return visitor.page("console/cluster.html", {"found": found, "cluster": found.cluster})
