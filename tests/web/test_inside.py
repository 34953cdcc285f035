"""The way inside: what it hands on, when, and what it does when somebody goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from web.inside import Inside

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send


_DEADLINE_S = 30.0


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    inside = Inside()
    inside.connect(app)
    return httpx.AsyncClient(transport=inside, base_url="http://stepwell.test")


async def start(send: Send, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-kept", b"yes")]})


async def test_a_piece_arrives_before_the_next_one_is_made() -> None:
    go_on = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"last", "more_body": False})

    seen: list[bytes] = []
    async with (
        asyncio.timeout(_DEADLINE_S),
        client_of(app) as client,
        client.stream("GET", "/") as answer,
    ):
        assert answer.headers["x-kept"] == "yes"
        async for piece in answer.aiter_raw():
            seen.append(piece)
            go_on.set()
    assert seen == [b"first", b"last"]


async def test_who_goes_ends_the_answer() -> None:
    ended = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await start(send)
            while True:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
        finally:
            ended.set()

    async with asyncio.timeout(_DEADLINE_S), client_of(app) as client:
        async with client.stream("GET", "/") as answer:
            assert answer.status_code == 200
        await ended.wait()


async def test_a_failure_before_the_answer_is_raised_to_who_asked() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("nothing here")

    async with client_of(app) as client:
        with pytest.raises(LookupError, match="nothing here"):
            await client.get("/")


async def test_the_body_and_the_caller_s_address_arrive() -> None:
    told: dict[str, Any] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert message["type"] == "http.request"
        told.update(body=message["body"], client=scope["client"], path=scope["path"])
        await start(send, 204)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with client_of(app) as client:
        request = client.build_request(
            "POST", "/a%20b?c=d", content=b"x" * 10, extensions={"stepwell.client": ("::1", 9)}
        )
        assert (await client.send(request)).status_code == 204
    assert told == {"body": b"x" * 10, "client": ("::1", 9), "path": "/a b"}
