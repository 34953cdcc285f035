"""A small HTTP client that reads any status: two hundred requests a second cost it little."""

from __future__ import annotations

import asyncio
import time

import msgspec

from deploy.stack.ports import LOOPBACK

#: uvicorn ends a connection that was idle for five seconds; begin anew well before.
_KEPT_S_MAX = 1.5
_END = b"\r\n\r\n"
_EMPTY = 204


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    body: bytes


class Wire:
    """One kept connection to one server. An error leaves open whether the request was done."""

    def __init__(self, port: int, token: str, *, host: str) -> None:
        self._port = port
        self._head = f"Host: {host}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_s = 0.0

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send a request and read its whole answer."""
        content = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {path} HTTP/1.1\r\n{self._head}"
        if content:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        reader, writer = await self._connected()
        try:
            writer.write(head.encode() + b"\r\n" + content)
            answer = await _read(reader)
        except BaseException:
            writer.transport.abort()
            self._streams = None
            raise
        self._used_s = time.monotonic()
        return answer

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            await writer.wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if time.monotonic() - self._used_s > _KEPT_S_MAX:
            await self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)
        return self._streams


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(_END)
    status = int(head.split(b" ", 2)[1])
    if status == _EMPTY:
        return Answer(status, b"")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return Answer(status, await reader.readexactly(length))
