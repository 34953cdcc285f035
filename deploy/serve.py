"""``stepwell serve``: one gateway process, from its settings to its last answered request."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import structlog
import uvicorn
import uvloop

from deploy import logs
from deploy.app import create_app
from deploy.checks import check_isolation, check_revision
from deploy.heap import freeze_heap
from deploy.platform import Platform, running
from router.errors import Misconfigured

if TYPE_CHECKING:
    from deploy.settings import Settings

#: How long requests that are being answered may take after SIGTERM.
SHUTDOWN_S_MAX = 15
BACKLOG = 2_048
_log = structlog.get_logger("stepwell.serve")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises Misconfigured before the first request, or never."""
    logs.configure(log_format=settings.log_format, level=settings.log_level)
    listening = _listen(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_examine(settings))
            runner.run(_serve(settings, listening))
    finally:
        listening.close()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=BACKLOG, reuse_port=False
        )
    except OSError as error:
        raise Misconfigured(
            f"{settings.host}:{settings.port} can't be listened on ({error.strerror or error}): "
            "choose another STEPWELL_HOST or STEPWELL_PORT"
        ) from error


async def _examine(settings: Settings) -> None:
    """Find out what keeps this process from serving, while that is still one sentence."""
    platform = Platform(settings)
    await check_revision(platform)
    async with running(platform):
        await check_isolation(platform)


async def _serve(settings: Settings, listening: socket.socket) -> None:
    app = create_app(settings)
    freeze_heap()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S_MAX,
        )
    )
    # uvicorn handles these itself and raises them once more at the end, for whoever was there
    # before it: nobody, for an end that was asked for is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    host, port = listening.getsockname()[:2]
    _log.info("serving", address=f"{host}:{port}", product=settings.product)
    await server.serve(sockets=[listening])
    _log.info("stopped")


def _leave(number: int, frame: object) -> None:
    """Do nothing: the server has stopped already."""
