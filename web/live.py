"""Live parts of pages: what the API tells, rendered by the template that the page includes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec
from litestar import Request
from litestar.response import ServerSentEventMessage

from web.api import Refused

if TYPE_CHECKING:
    from web.api import Api

#: A stream of our own ends by itself, and the browser asks again.
LIVE_S_MAX: Final = 20.0
LOOK_S: Final = 0.5
_DATA: Final = "data:"
_T = TypeVar("_T")


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


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API tells the events, and which page is asked for at the end; empty: none."""

    events: str
    page: str = ""


def part_of(request: Request[Any, Any, Any], name: str) -> Part:
    """Find the template of a part."""
    app: Any = request.app
    engine: _Engine = app.template_engine
    return engine.get_template(name)


async def stream_parts(
    api: Api,
    live: Live,
    wanted: type[_T],
    render: Callable[[_T], str],
    is_ended: Callable[[_T], bool],
) -> AsyncGenerator[ServerSentEventMessage]:
    """Render each document that the API tells, until one is the last."""
    # Who isn't let in now, because too many watch, asks again by itself.
    with contextlib.suppress(Refused):
        async with (
            api.stream(live.events) as answer,
            contextlib.aclosing(_documents(answer.aiter_lines(), wanted)) as documents,
        ):
            async for document in documents:
                if document is None:
                    yield nothing_new()
                    continue
                yield shown(render(document))
                if is_ended(document):
                    yield over(live.page)


async def poll_parts(
    look: Callable[[], Awaitable[_T]],
    render: Callable[[_T], str],
    is_ended: Callable[[_T], bool],
    *,
    page: str = "",
) -> AsyncGenerator[ServerSentEventMessage]:
    """Render what is seen whenever it has changed: for what the API has no events of."""
    end_s, seen = time.monotonic() + LIVE_S_MAX, None
    with contextlib.suppress(Refused):
        while time.monotonic() < end_s:
            now = await look()
            yield nothing_new() if now == seen else shown(render(now))
            if is_ended(now):
                yield over(page)
                return
            seen = now
            await asyncio.sleep(LOOK_S)


def shown(html: str) -> ServerSentEventMessage:
    """Have the browser show this in place of what it shows."""
    return ServerSentEventMessage(event="part", data=html)


def over(page: str = "") -> ServerSentEventMessage:
    """Have the browser listen no more, and go on to a page if there is one."""
    return ServerSentEventMessage(event="end", data=page)


def nothing_new() -> ServerSentEventMessage:
    """Give a sign of life."""
    return ServerSentEventMessage(data=None, comment="nothing new")


async def _documents(lines: AsyncIterator[str], wanted: type[_T]) -> AsyncGenerator[_T | None]:
    """Read the API's events; None is a sign of life."""
    async for line in lines:
        if line.startswith(_DATA):
            yield msgspec.json.decode(line.removeprefix(_DATA), type=wanted)
        elif line.startswith(":"):
            yield None
