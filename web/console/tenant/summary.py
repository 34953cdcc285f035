"""The first page about a tenant: how it is, and what happened to it."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.shapes import List
from router.catalog.timeline import LifeEvent
from web.console.asking import Filter
from web.console.tenant.dossier import open_dossier
from web.visitor import Visitor

TAB: Final = ""
EVENTS_SHOWN_MAX = 20


@get("/console/tenants/{slug:str}", include_in_schema=False)
async def show_summary(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: Filter = ""
) -> Template:
    """The newest event first."""
    await visitor.staff()
    dossier = await open_dossier(visitor, slug, has_size=True)
    asked: dict[str, str | int | None] = {
        "limit": EVENTS_SHOWN_MAX,
        "after": after.strip() or None,
    }
    events = await visitor.api.get(f"{dossier.api}/timeline", List[LifeEvent], asked)
    return dossier.page(TAB, {"events": events})
