"""A minimal HTTP client over one kept connection: what it costs, every variant pays alike."""

from __future__ import annotations

import asyncio
import time

from deploy.stack.ports import LOOPBACK

#: uvicorn ends a connection that was idle for five seconds; begin anew well before.
_KEPT_S_MAX = 1.5
_END = b"\r\n\r\n"
_OK = (b"200", b"201")


class Client:
    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._used_s = 0.0

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the answer's body; an answer that isn't good ends the run."""
        reader, writer = await self._connection()
        writer.write(request)
        head = await reader.readuntil(_END)
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        if head.split(b" ", 2)[1] not in _OK:
            raise SystemExit(f"{request.decode()!r} was answered with {head + body!r}")
        return body

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()
        self._reader = self._writer = None

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        now_s = time.monotonic()
        if now_s - self._used_s > _KEPT_S_MAX:
            await self.close()
        self._used_s = now_s
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(LOOPBACK, self._port)
        return self._reader, self._writer


def request(method: str, path: str, *, token: str, body: bytes = b"") -> bytes:
    """Spell a request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\n"
    )
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
