"""The gateway ends a request whose caller left, and nothing that is done or has no caller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from router.gateway.gateway import Gateway
from router.gateway.identity import Site

if TYPE_CHECKING:
    from litestar.types import HTTPReceiveMessage, HTTPScope, Receive, Scope, Send

DISCONNECT = {"type": "http.disconnect"}
#: Longer than the gateway waits before it begins to watch.
LONG_S = 0.5


class Caller:
    """Sends a request, and goes away when it is told to."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": [(b"host", b"example.com"), *headers],
        }
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.heard: list[dict[str, Any]] = []

    async def receive(self) -> HTTPReceiveMessage:
        return cast("HTTPReceiveMessage", await self.said.get())

    async def send(self, message: Any) -> None:  # noqa: ANN401 - ASGI's messages
        self.heard.append(message)

    async def call(self, app: Any) -> None:  # noqa: ANN401 - an ASGI application
        gateway = Gateway(app, Site.parse("example.com"), deadline_s=5)
        await gateway(cast("HTTPScope", self.scope), self.receive, self.send)


async def test_a_caller_without_a_body_who_leaves_ends_the_request() -> None:
    ended = asyncio.Event()

    async def slow(_scope: Scope, _receive: Receive, _send: Send) -> None:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            ended.set()
            raise

    caller = Caller()
    caller.said.put_nowait(DISCONNECT)
    async with asyncio.timeout(2):
        await caller.call(slow)
    assert ended.is_set()
    assert caller.heard == []


async def test_what_follows_a_complete_answer_goes_on() -> None:
    done = asyncio.Event()

    async def answers_early(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        caller.said.put_nowait(DISCONNECT)
        await asyncio.sleep(LONG_S)
        done.set()

    caller = Caller()
    await caller.call(answers_early)
    assert done.is_set()


async def test_a_body_that_comes_late_is_read_whole() -> None:
    read: list[bytes] = []

    async def reads_late(_scope: Scope, receive: Receive, _send: Send) -> None:
        await asyncio.sleep(LONG_S)
        while True:
            message = cast("dict[str, Any]", await receive())
            read.append(message["body"])
            if not message["more_body"]:
                return

    caller = Caller((b"content-length", b"2"))
    for part, is_more in ((b"a", True), (b"b", False)):
        caller.said.put_nowait({"type": "http.request", "body": part, "more_body": is_more})
    await caller.call(reads_late)
    assert read == [b"a", b"b"]


async def test_an_empty_body_is_still_there_for_who_asks_late() -> None:
    read: list[str] = []

    async def reads_late(_scope: Scope, receive: Receive, _send: Send) -> None:
        await asyncio.sleep(LONG_S)
        read.append((await receive())["type"])

    caller = Caller()
    caller.said.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    await caller.call(reads_late)
    assert read == ["http.request"]
