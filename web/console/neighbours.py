"""Who keeps the databases busy, as lines over the last hours and as a table."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Template

from router.api.fleet import ClusterShown
from router.api.shapes import List
from router.catalog.loads import Measure, Neighbours
from web import plots
from web.console.asking import Filter, chosen
from web.visitor import Visitor

#: What can be chosen, and what it is called.
SPANS: Final = ((15, "15 minutes"), (60, "an hour"), (360, "6 hours"), (1_440, "a day"))
MEASURES: Final = (
    (Measure.BUSY, "time on a connection"),
    (Measure.REQUESTS, "requests"),
    (Measure.WAITING, "time in line"),
)
_UNITS: Final = {
    Measure.BUSY: "milliseconds a minute on a connection",
    Measure.REQUESTS: "requests a minute",
    Measure.WAITING: "milliseconds a minute in line",
}


@get("/console/neighbours", include_in_schema=False)
async def show_neighbours(
    visitor: NamedDependency[Visitor],
    *,
    by: Annotated[Measure, QueryParameter()] = Measure.BUSY,
    minutes: Annotated[int, QueryParameter(ge=1, le=SPANS[-1][0])] = SPANS[1][0],
    cluster: Filter = "",
) -> Template:
    """The first by one measure; the first five of them are drawn."""
    await visitor.staff()
    asked = {"by": by.value, "minutes": str(minutes), **chosen(cluster=cluster)}
    found = await visitor.api.get("/api/ops/neighbours", Neighbours, asked)
    clusters = await visitor.api.get("/api/ops/clusters", List[ClusterShown])
    given = {
        "found": found,
        "plot": plots.draw([each.by_minute for each in found.items]),
        "series_max": plots.SERIES_MAX,
        "points_max": plots.POINTS_MAX,
        "unit": _UNITS[by],
        "spans": SPANS,
        "measures": MEASURES,
        "clusters": [each.name for each in clusters.items],
        "cluster": cluster.strip(),
    }
    return visitor.page("console/neighbours.html", given)
