"""What a workspace's own people see of staff's access to their rows."""

from __future__ import annotations

from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.access import AccessSeen
from router.api.shapes import List
from router.catalog.access_words import Line
from web.console.asking import Filter
from web.visitor import Visitor


@get("/w/{slug:str}/access", include_in_schema=False)
async def show_own_accesses(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: Filter = ""
) -> Template:
    """All there ever was, the newest first: what was refused or never began too."""
    room = await visitor.workspace(slug)
    asked = {"past": "true", "after": after or None}
    found = await room.api.get("/api/access", List[AccessSeen], asked)
    return room.page("staff/own_accesses.html", {"found": found})


@get("/w/{slug:str}/access/{access_id:uuid}", include_in_schema=False)
async def show_own_access(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    access_id: FromPath[UUID],
    after: Filter = "",
) -> Template:
    """Who, why, until when, and each request with its statements."""
    room = await visitor.workspace(slug)
    known = await room.api.get(f"/api/access/{access_id}", AccessSeen)
    lines: List[Line] | None = None
    if room.allows("audit.read"):
        path = f"/api/access/{access_id}/transcript"
        lines = await room.api.get(path, List[Line], {"after": after or None})
    return room.page("staff/own_access.html", {"access": known, "lines": lines})
