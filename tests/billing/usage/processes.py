"""Gateway processes that a test kills, and callers who remember what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator

import httpx
import msgspec

from deploy.settings import PREFIX, Settings
from deploy.stack.ports import LOOPBACK, free_port
from tests.gateways import client_of
from tests.promotion.workers import environment_of
from tests.worlds import ROOT

_START_S_MAX = 60.0
_OK = 200
_REFUSED = 429


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that a caller got."""

    at_s: float
    port: int
    status: int


class Process:
    """One gateway on one port, again and again."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.benchmarks.server",
            "gateway",
            str(self.port),
            cwd=ROOT,
            env=kept | environment_of(self._settings),
        )
        async with asyncio.timeout(_START_S_MAX):
            while not await self._listens():
                assert self._process.returncode is None, "a gateway ended before it listened"
                await asyncio.sleep(0.05)

    async def end(self, number: int = signal.SIGKILL) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            await process.wait()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


@contextlib.asynccontextmanager
async def processes(settings: Settings, count: int) -> AsyncGenerator[list[Process]]:
    """Run some gateway processes; whatever a test did to them, none is left."""
    made = [Process(settings) for _ in range(count)]
    try:
        await asyncio.gather(*[each.start() for each in made])
        yield made
    finally:
        for each in made:
            await each.end()


class Callers:
    """People who call all the time, whatever happens, and note each answer."""

    def __init__(self, made: list[Process], headers: dict[str, str]) -> None:
        self._headers = headers
        self._clients = {each.port: client_of(each.port) for each in made}
        self.answers: list[Answered] = []
        self._stop = asyncio.Event()

    @contextlib.asynccontextmanager
    async def calling(self, each: int) -> AsyncGenerator[None]:
        """Let so many people call each process."""
        tasks = [
            asyncio.create_task(self._call(port)) for port in self._clients for _ in range(each)
        ]
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.gather(*tasks)
            for client in self._clients.values():
                await client.aclose()

    def admitted(
        self, port: int | None = None, *, since_s: float = 0, until_s: float = 1e18
    ) -> int:
        """Count good answers."""
        return sum(
            each.status == _OK
            and (port is None or each.port == port)
            and since_s <= each.at_s <= until_s
            for each in self.answers
        )

    def refused_lately(self) -> bool:
        """Tell whether nobody got anything of late."""
        return all(each.status == _REFUSED for each in self.answers[-50:])

    async def _call(self, port: int) -> None:
        client = self._clients[port]
        while not self._stop.is_set():
            try:
                answer = await client.get("/artists?limit=1", headers=self._headers)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            self.answers.append(
                Answered(at_s=time.monotonic(), port=port, status=answer.status_code)
            )
            if answer.status_code != _OK:
                await asyncio.sleep(0.05)
