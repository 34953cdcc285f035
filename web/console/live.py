"""Live parts of pages: the API's own events, rendered by the template that the page includes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
from litestar import Request
from litestar.response import ServerSentEventMessage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from web.visitor import Visitor

_DATA = "data:"
_DocumentT = TypeVar("_DocumentT")


class Rendered(Protocol):
    """A template, as far as a part of a page needs one."""

    def render(self, **values: object) -> str:
        """Render it."""
        ...


class _Engine(Protocol):
    """What the site brings its templates in."""

    def get_template(self, template_name: str) -> Rendered:
        """Find one by its path."""
        ...


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API tells the events, and where the page is asked for at the end."""

    events: str
    page: str


def template_of(request: Request[Any, Any, Any], path: str) -> Rendered:
    """Find the template of a part."""
    app: Any = request.app
    engine: _Engine = app.template_engine
    return engine.get_template(path)


async def stream_parts(
    visitor: Visitor,
    live: Live,
    wanted: type[_DocumentT],
    render: Callable[[_DocumentT], str],
    is_ended: Callable[[_DocumentT], bool],
) -> AsyncGenerator[ServerSentEventMessage]:
    """Render each document that the API tells; at the end have the page asked for once more."""
    async with (
        visitor.api.stream(live.events) as answer,
        contextlib.aclosing(_documents(answer.aiter_lines(), wanted)) as documents,
    ):
        async for document in documents:
            if document is None:
                yield ServerSentEventMessage(data=None, comment="nothing new")
                continue
            yield ServerSentEventMessage(event="part", data=render(document))
            if is_ended(document):
                yield ServerSentEventMessage(event="end", data=live.page)


async def _documents(
    lines: AsyncIterator[str], wanted: type[_DocumentT]
) -> AsyncGenerator[_DocumentT | None]:
    """Read the API's events; None is a sign of life."""
    async for line in lines:
        if line.startswith(_DATA):
            yield msgspec.json.decode(line.removeprefix(_DATA), type=wanted)
        elif line.startswith(":"):
            yield None
