"""One box for whatever an operator was given."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from router.api.search import FOUND_MAX
from router.api.shapes import List
from router.catalog.search import Found
from web.console.asking import Filter, segment
from web.visitor import Visitor


@get("/console/search", include_in_schema=False)
async def search(visitor: NamedDependency[Visitor], *, q: Filter = "") -> Template | Redirect:
    """What leads to one tenant leads there at once."""
    await visitor.staff()
    word, found = q.strip(), List[Found](items=[])
    if word:
        found = await visitor.api.get("/api/ops/search", List[Found], {"q": word})
    if len(found.items) == 1:
        return visitor.to(f"/console/tenants/{segment(found.items[0].slug)}")
    given = {"word": word, "found": found.items, "found_max": FOUND_MAX}
    return visitor.page("console/search.html", given)
