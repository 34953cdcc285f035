"""The workspace's own trail: what its people did, and what operators did to it, and why."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from router.api.audit import AuditLine
from router.api.members import Member
from router.api.shapes import List
from web.visitor import Visitor, Workspace

CURSOR_LENGTH_MAX = 200
After = Annotated[str | None, QueryParameter(name="after", max_length=CURSOR_LENGTH_MAX)]


@get("/w/{slug:str}/audit", include_in_schema=False)
async def show(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    *,
    staff: Annotated[str, QueryParameter(max_length=10)] = "",
    after: After = None,
) -> Template:
    """The newest first, page by page; `staff` leaves out what the workspace's own people did."""
    room = await visitor.workspace(slug)
    asked = {"after": after, "staff": "true" if staff else None}
    page = await room.api.get("/api/audit", List[AuditLine], asked)
    given = {
        "lines": page.items,
        "next": page.next,
        "names": await _names(room),
        "after": after,
        "by_staff": bool(staff),
    }
    return room.page("workspace/audit.html", given)


async def _names(room: Workspace) -> dict[str, str]:
    """Return whose the actors' ids are; who has left is shown by the id alone."""
    if not room.allows("members.read"):
        return {}
    members = (await room.api.get("/api/members", List[Member])).items
    return {f"account:{member.user}": member.email for member in members}
