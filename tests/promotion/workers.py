"""Worker processes that a test kills, stops and wakes, each by its own number."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from deploy.settings import PREFIX, Settings
from tests.promotion.nursery import LOG

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

ROOT = Path(__file__).parents[2]
#: A worker is given up soon, and another one looks often.
HASTY = {
    "STEPWELL_OPERATION_LEASE_S": "1",
    "STEPWELL_WORKER_POLL_S": "0.1",
    "STEPWELL_LOG_LEVEL": "info",
    "STEPWELL_MOVE_SHARE_MIN": "1",
}
_WORKING = '"message":"working"'
_LIFE_S_MAX = 60.0


class Worker:
    """One worker process."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self.log = log
        #: What waitpid(2) told of its end.
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def died_of(self) -> signal.Signals | None:
        """Wait for its end, and tell which signal it was; None when it ended by itself."""
        async with asyncio.timeout(_LIFE_S_MAX):
            status = await asyncio.shield(self.ended)
        return signal.Signals(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None

    async def stands_still(self) -> None:
        """Wait until it was stopped."""
        async with asyncio.timeout(_LIFE_S_MAX):
            while self._state() != "T":
                assert not self.ended.done(), self.said()
                await asyncio.sleep(0.005)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if not self.ended.done():
            # Its death may not have been told yet.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self) -> None:
        """Ask it to end, once it has begun to listen, and see that it does."""
        async with asyncio.timeout(_LIFE_S_MAX):
            while _WORKING not in self.said() and not self.ended.done():
                await asyncio.sleep(0.02)
        self.send(signal.SIGTERM)
        assert await self.died_of() is None, self.said()

    def said(self) -> str:
        """Return what it has logged."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def _state(self) -> str | None:
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            # It has ended, and whoever waits for it is told soon.
            return None
        return text.rpartition(")")[2].split()[0]


class Nursery:
    """Where workers come from. None outlives it."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._workers: dict[int, Worker] = {}
        self._born: asyncio.Queue[Worker] = asyncio.Queue()
        self._count = 0
        self._ears = asyncio.get_running_loop().create_task(self._listen())

    async def bear(self, settings: Settings, changes: Mapping[str, str]) -> Worker:
        """Start a worker."""
        self._count += 1
        log = str(self._folder / f"worker-{self._count}.log")
        environment = {**environment_of(settings), **HASTY, **changes, LOG: log}
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(environment) + b"\n")
        async with asyncio.timeout(_LIFE_S_MAX):
            return await self._born.get()

    async def clear(self) -> None:
        """End every worker that is left."""
        for worker in self._workers.values():
            worker.send(signal.SIGKILL)
        await asyncio.gather(*[worker.died_of() for worker in self._workers.values()])

    async def close(self) -> None:
        """End every worker that is left, and the nursery after them."""
        await self.clear()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._ears

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode().split():
            pid = int(line[1])
            if line[0] == "born":
                log = self._folder / f"worker-{self._count}.log"
                self._workers[pid] = Worker(pid, log)
                self._born.put_nowait(self._workers[pid])
            else:
                self._workers[pid].ended.set_result(int(line[2]))


@contextlib.asynccontextmanager
async def nursery(folder: Path) -> AsyncGenerator[Nursery]:
    """Open a nursery whose workers log into a folder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.promotion.nursery",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    made = Nursery(process, folder)
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def program(
    settings: Settings, changes: Mapping[str, str], log: Path, *, command: str = "worker"
) -> AsyncGenerator[Worker]:
    """Run ``stepwell worker``, or ``serve``, as people do."""
    with log.open("ab") as words:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "deploy.cli",
            command,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment_of(settings), **HASTY, **changes},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=words,
            stderr=words,
        )
    worker = Worker(process.pid, log)

    async def wait() -> None:
        code = await process.wait()
        worker.ended.set_result(-code if code < 0 else code << 8)

    waiting = asyncio.get_running_loop().create_task(wait())
    try:
        yield worker
    finally:
        worker.send(signal.SIGKILL)
        await waiting


def environment_of(settings: Settings) -> dict[str, str]:
    """Spell settings as a process gets them."""
    return {
        PREFIX + field.name.upper(): str(getattr(settings, field.name))
        for field in msgspec.structs.fields(Settings)
        if getattr(settings, field.name) not in {field.default, None}
    }
