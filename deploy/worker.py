"""``stepwell worker``: everything that happens without a request."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import structlog
import uvloop

from deploy import logs
from deploy.checks import check_revision
from deploy.operations import make_runner
from deploy.platform import Platform, running
from deploy.promoting import Promoting
from deploy.reconcile import Reconciler, SizeRule
from deploy.reference import ReferenceKeeper
from deploy.stack.ports import LOOPBACK
from deploy.tidy import tidy
from deploy.watchdog import watch
from router.errors import Misconfigured, PlatformError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from deploy.settings import Settings

REPEAT_S = 5.0
_ALIVE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n"
    b'Connection: close\r\n\r\n{"status":"alive"}'
)
_log = structlog.get_logger("stepwell.worker")


def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; raises Misconfigured before anything is touched, or never."""
    logs.configure(log_format=settings.log_format, level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    platform = Platform(settings)
    await check_revision(platform)
    async with running(platform), _answering(settings.worker_port):
        _log.info("working", product=settings.product)
        await _work_until(stop, platform)
    _log.info("stopped")


async def _work_until(stop: asyncio.Event, platform: Platform) -> None:
    chores = [
        asyncio.create_task(_for_ever("reference tables", ReferenceKeeper(platform).keep)),
        asyncio.create_task(_for_ever("watchdog", lambda: watch(platform))),
        asyncio.create_task(_for_ever("tidying", lambda: tidy(platform))),
        asyncio.create_task(_for_ever("reconcile", Reconciler(platform, Promoting(platform)).keep)),
        asyncio.create_task(_for_ever("size rule", SizeRule(platform).keep)),
    ]
    try:
        await make_runner(platform).run_forever(stop)
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)


async def _for_ever(name: str, chore: Callable[[], Awaitable[None]]) -> None:
    """Begin a chore again whatever ended it: one that fails must not take the others along."""
    while True:
        try:
            await chore()
        except PlatformError as error:
            _log.warning("chore interrupted", chore=name, reason=error.detail)
        except Exception:  # noqa: BLE001 - whatever it is, the other chores go on
            _log.exception("chore failed", chore=name)
        await asyncio.sleep(REPEAT_S)


@contextlib.asynccontextmanager
async def _answering(port: int) -> AsyncGenerator[None]:
    """Answer /healthz on loopback, as long as the loop turns."""
    if port == 0:
        yield
        return
    try:
        server = await asyncio.start_server(_answer, LOOPBACK, port)
    except OSError as error:
        raise Misconfigured(
            f"port {port} can't be listened on ({error.strerror or error}): choose another "
            "STEPWELL_WORKER_PORT"
        ) from error
    async with server:
        yield


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(REPEAT_S):
            while (await reader.readline()).strip():
                pass
            writer.write(_ALIVE)
            await writer.drain()
    writer.close()
