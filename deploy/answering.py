"""The worker's port: alive or not, and its figures; on loopback, for whoever supervises it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from deploy.stack.ports import LOOPBACK
from router.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_ANSWER_S_MAX = 5.0
_NOT_FOUND = (b"404 Not Found", b"text/plain", b"there are /healthz and /metrics\n")


@contextlib.asynccontextmanager
async def answering(port: int, registry: CollectorRegistry) -> AsyncGenerator[None]:
    """Answer as long as the loop turns; a port of 0 answers nowhere."""
    if port == 0:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_ANSWER_S_MAX):
                line = await reader.readline()
                while (await reader.readline()).strip():
                    pass
                writer.write(_spelled(*_answer(line, registry)))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, LOOPBACK, port)
    except OSError as error:
        raise Misconfigured(
            f"port {port} can't be listened on ({error.strerror or error}): choose another "
            "STEPWELL_WORKER_PORT"
        ) from error
    async with server:
        yield


def _answer(line: bytes, registry: CollectorRegistry) -> tuple[bytes, bytes, bytes]:
    words = line.split()
    path = words[1].partition(b"?")[0] if len(words) > 1 and words[0] == b"GET" else b""
    if path == b"/healthz":
        return b"200 OK", b"application/json", b'{"status":"alive"}'
    if path == b"/metrics":
        return b"200 OK", CONTENT_TYPE_LATEST.encode(), generate_latest(registry)
    return _NOT_FOUND


def _spelled(status: bytes, content_type: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, content_type, len(body)) + body
