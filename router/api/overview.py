"""The operators' overview: how everything stands, in one answer."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from router.api.errand import Errand
from router.catalog import overview
from router.catalog.overview import Overview


@get("/overview", tags=["operators"], summary="How everything stands")
async def show_overview(errand: NamedDependency[Errand]) -> Overview:
    """Asks the catalog and no cluster: what those are like is what a worker measured last."""
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        return await overview.read(connection, parts.migrating.revisions)
