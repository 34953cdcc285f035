"""Live parts of pages: what the API streams, rendered by the template that the page includes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from litestar import Request
from litestar.response import ServerSentEventMessage

_T = TypeVar("_T")
_DATA = "data:"


class Part(Protocol):
    """A template, as far as a part of a page needs one."""

    def render(self, values: Mapping[str, object], /) -> str:
        """Render it."""
        ...


class _Engine(Protocol):
    """What the site brings its templates in."""

    def get_template(self, template_name: str) -> Part:
        """Find one by its path."""
        ...


def part_of(request: Request[Any, Any, Any], name: str) -> Part:
    """Find the template of a part."""
    app: Any = request.app
    engine: _Engine = app.template_engine
    return engine.get_template(name)


async def documents(lines: AsyncIterator[str], wanted: type[_T]) -> AsyncGenerator[_T | None]:
    """Read the API's events; None is a sign of life."""
    async for line in lines:
        if line.startswith(_DATA):
            yield msgspec.json.decode(line.removeprefix(_DATA), type=wanted)
        elif line.startswith(":"):
            yield None


def shown(html: str) -> ServerSentEventMessage:
    """Have the browser show this in place of what it shows."""
    return ServerSentEventMessage(event="part", data=html)


def over(path: str = "") -> ServerSentEventMessage:
    """Have the browser listen no more, and go on to a path if there is one."""
    return ServerSentEventMessage(event="end", data=path)


def nothing_new() -> ServerSentEventMessage:
    """Give a sign of life."""
    return ServerSentEventMessage(data=None, comment="nothing new")
