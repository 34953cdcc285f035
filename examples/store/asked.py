"""What handlers ask for: the open session, a row's number, a page."""

from __future__ import annotations

from typing import Annotated, Final

from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 200
CURSOR_CHARS_MAX: Final = 40

Db = NamedDependency[AsyncSession]
RowKey = FromPath[int]
Limit = Annotated[
    int, QueryParameter(ge=1, le=LIMIT_MAX, description="How many rows a page has at most.")
]
After = Annotated[
    str | None,
    QueryParameter(max_length=CURSOR_CHARS_MAX, description="The `next` of the page before."),
]
