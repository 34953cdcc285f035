"""A server that answers as a test says: what Stripe would never say, and what it says too late."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from billing.stripe_provider import StripeProvider, StripeSettings, make_stripe_provider

KEY = "sk_test_of_the_provider_tests"
SECRET = "whsec_of_the_provider_tests"
LOOPBACK = "127.0.0.1"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``params`` are the query's and the form's, by their spelling on the wire."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    status: int = 200
    body: bytes = b"{}"
    delay_s: float = 0.0
    headers: dict[str, str] = {}


Script: TypeAlias = Callable[[Asked], Awaitable[Said]]


def signature(body: str, secret: str, *, age_s: int = 0) -> dict[str, str]:
    """Sign a body as Stripe would have so long ago; returns the header."""
    at = int(time.time()) - age_s
    text = f"{at}.{body}".encode()
    return {"Stripe-Signature": f"t={at},v1={hmac.digest(secret.encode(), text, 'sha256').hex()}"}


def said(answer: object, *, status: int = 200) -> Said:
    return Said(status=status, body=json.dumps(answer).encode())


def failed(status: int, kind: str, **more: str) -> Said:
    return said({"error": {"type": kind, **more}}, status=status)


@asynccontextmanager
async def answering(
    script: Script, *, answer_s_max: float = 5.0, call_s_max: float = 10.0
) -> AsyncGenerator[StripeProvider]:
    """Lend a provider whose Stripe is this script."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            answer = await script(await _read(reader))
            await asyncio.sleep(answer.delay_s)
            writer.write(_wire(answer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # whoever asked has gone
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    provider = make_stripe_provider(
        StripeSettings(
            api_key=KEY,
            webhook_secrets=(SECRET,),
            api_base=f"http://{LOOPBACK}:{port}",
            answer_s_max=answer_s_max,
            call_s_max=call_s_max,
        )
    )
    try:
        yield provider
    finally:
        await provider.close()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = head.split(" ")
    parts = urlsplit(target)
    params = {**parse_qs(parts.query), **parse_qs(body.decode(), keep_blank_values=True)}
    return Asked(
        method=method,
        path=parts.path,
        params={name: values[-1] for name, values in params.items()},
        headers=headers,
    )


def _wire(answer: Said) -> bytes:
    headers = {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
        "connection": "close",
        **answer.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} Said\r\n{lines}\r\n".encode() + answer.body
