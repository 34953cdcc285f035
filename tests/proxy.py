"""A TCP proxy before PostgreSQL: counts round trips, holds messages back, cuts connections."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 65_536
_HEAD_BYTES = 5
#: The server's last word in a round trip: ReadyForQuery, and, as asyncpg flushes instead of
#: syncing when it prepares a statement, the description of the statement's parameters.
_LAST_WORDS = b"Zt"


class Held:
    """The first message that contains a text, held back until the test lets it go."""

    def __init__(self, needle: bytes) -> None:
        self.needle = needle
        self.reached = asyncio.Event()
        self.released = asyncio.Event()


class Proxy:
    """One server behind a port of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._held: list[Held] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = (LOOPBACK, 0)
        self.round_trips = 0
        #: While this is set, whoever comes is turned away.
        self.is_shut = False
        #: While this is set, what the server says is lost on its way.
        self.is_mute = False
        #: While this is set, nobody hears that the server has hung up.
        self.keeps_ends = False
        self.ends_kept = 0

    def hold(self, needle: bytes) -> Held:
        """Hold back the next message of a client that contains a text, and what follows it."""
        held = Held(needle)
        self._held.append(held)
        return held

    def cut(self) -> None:
        """End every connection at once, without a word."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        if self.is_shut:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._server)
            self._writers |= {writer, server_writer}
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._to_server(reader, server_writer))
                    group.create_task(self._to_client(server_reader, writer))
            finally:
                self._writers -= {writer, server_writer}
                for each in (writer, server_writer):
                    each.transport.abort()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)

    async def stop(self) -> None:
        """End what is still open."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _to_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            for held in [each for each in self._held if each.needle in data]:
                self._held.remove(held)
                held.reached.set()
                await held.released.wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    async def _to_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffered = b""
        while data := await reader.read(_CHUNK_BYTES):
            buffered = self._count(buffered + data)
            if self.is_mute:
                continue
            writer.write(data)
            await writer.drain()
        if self.keeps_ends:
            self.ends_kept += 1
            return
        writer.transport.abort()

    def _count(self, data: bytes) -> bytes:
        """Count the whole messages, each a letter and its length; return the beginning of one."""
        at = 0
        while len(data) - at >= _HEAD_BYTES:
            end = at + 1 + int.from_bytes(data[at + 1 : at + _HEAD_BYTES], "big")
            if end > len(data):
                break
            self.round_trips += data[at] in _LAST_WORDS
            at = end
        return data[at:]


@contextlib.asynccontextmanager
async def proxied(host: str, port: int) -> AsyncGenerator[Proxy]:
    """Run a proxy before a server that speaks PostgreSQL's protocol without TLS."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.serve, LOOPBACK, 0)
    try:
        proxy.address = (LOOPBACK, server.sockets[0].getsockname()[1])
        yield proxy
    finally:
        server.close()
        await proxy.stop()
        await server.wait_closed()
