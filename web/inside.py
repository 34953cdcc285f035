"""The way from a page to the API of the same process: HTTP without a socket.

httpx's own ASGI transport waits for the whole answer; this one hands on what comes as it comes,
which server-sent events and downloads need.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import httpx

from router.tasks import end

if TYPE_CHECKING:
    from litestar.types import ASGIApp

#: An answer waits for its reader behind this many pieces.
PIECES_AHEAD_MAX = 16
#: The name of httpx's request extension that carries who asked: address and port.
CLIENT = "stepwell.client"


class Inside(httpx.AsyncBaseTransport):
    """Sends requests to the application that it was connected with."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    def connect(self, app: ASGIApp) -> None:
        """Name the application; pages and API are parts of the same one, so it comes later."""
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as soon as the head of the answer is known."""
        assert self._app is not None, "connect() comes before the first request"
        exchange = _Exchange(await request.aread())
        # A task of its own: what the inner request binds to the log must not stay with the outer.
        exchange.run(self._app, _scope(request))
        try:
            status, headers = await exchange.head
        except BaseException:
            await exchange.aclose()
            raise
        return httpx.Response(status, headers=headers, stream=exchange)


class _Exchange(httpx.AsyncByteStream):
    """One request and its answer."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(PIECES_AHEAD_MAX)
        self._task: asyncio.Task[None] | None = None
        self._is_over = asyncio.Event()
        self.head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = (
            asyncio.get_running_loop().create_future()
        )

    def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._serve(app, scope))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
        assert self._task is not None
        await self._task

    async def aclose(self) -> None:
        """Let go: whoever still answers is told that nobody listens."""
        self._is_over.set()
        if self._task is not None:
            await end(self._task)

    async def _serve(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(cast("Any", scope), cast("Any", self._receive), cast("Any", self._send))
        except BaseException as error:
            if not self.head.done():
                self.head.set_exception(error)
                return
            raise
        finally:
            # The reader may have gone: then nobody empties the queue.
            with contextlib.suppress(asyncio.QueueFull):
                self._pieces.put_nowait(None)

    async def _receive(self) -> dict[str, Any]:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"]]
            self.head.set_result((message["status"], headers))
        elif message["type"] == "http.response.body":
            if piece := message.get("body"):
                await self._pieces.put(piece)
            if not message.get("more_body", False):
                await self._pieces.put(None)
                self._is_over.set()


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": request.extensions.get(CLIENT),
        "root_path": "",
        "state": {},
    }
