"""Where the workspace's rows are, with the last proof and every move that there was."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from router.api.location import Location
from router.api.onmoves import OwnMove
from router.api.shapes import List
from web.visitor import Visitor

MOVES_ON_A_PAGE = 20
CURSOR_LENGTH_MAX = 200
After = Annotated[str | None, QueryParameter(name="after", max_length=CURSOR_LENGTH_MAX)]


@get("/w/{slug:str}/location", include_in_schema=False)
async def show(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: After = None
) -> Template:
    """The newest move first."""
    room = await visitor.workspace(slug)
    params = {"limit": MOVES_ON_A_PAGE, "after": after}
    moves = await room.api.get("/api/moves", List[OwnMove], params)
    given = {
        "location": await room.api.get("/api/location", Location),
        "moves": moves.items,
        "next": moves.next,
    }
    return room.page("workspace/location.html", given)
