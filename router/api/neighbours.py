"""Noisy neighbours, for operators: which tenants keep the databases busy, and since when."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from router.api.errand import Errand
from router.catalog import loads
from router.catalog.loads import MINUTES_MAX, Measure, Neighbours

SHOWN_MAX = 50
_SHOWN = 20
_HOUR_MINUTES = 60


@get("/neighbours", tags=["operators"], summary="The tenants that keep the databases busy")
async def list_neighbours(
    errand: NamedDependency[Errand],
    *,
    minutes: Annotated[int, QueryParameter(ge=1, le=MINUTES_MAX)] = _HOUR_MINUTES,
    by: Annotated[
        Measure,
        QueryParameter(
            description=(
                "How long their requests had connections of their own, how many there were, or how"
                " long they waited for a connection and to be let in."
            )
        ),
    ] = Measure.BUSY,
    cluster: Annotated[
        str | None, QueryParameter(max_length=200, description="Those whose rows are on it now.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=SHOWN_MAX)] = _SHOWN,
) -> Neighbours:
    """The first by one measure. Gateways tell within seconds; a day is kept, by the minute."""
    async with errand.parts.catalog.connection() as connection:
        return await loads.first(
            connection, minutes=minutes, by=by, cluster=cluster or None, items_max=limit
        )
