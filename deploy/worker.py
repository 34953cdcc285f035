"""``stepwell worker``: everything that happens without a request."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from deploy import logs, payments
from deploy.accesses import end_accesses
from deploy.answering import answering
from deploy.billing_chores import billing_chores
from deploy.checks import check_revision
from deploy.checkup import CheckupFigures, keep_checked
from deploy.domains import DomainKeeper
from deploy.heap import freeze_heap
from deploy.keeping import Keeping
from deploy.mail.chores import mail_chores
from deploy.operations import make_runner
from deploy.platform import Platform, running
from deploy.promoting import Promoting
from deploy.reconcile import Reconciler, SizeRule
from deploy.reference import ReferenceKeeper
from deploy.sealing import keep_sealed
from deploy.servers import keep_measured
from deploy.tidy import tidy
from deploy.watchdog import watch
from router.errors import PlatformError
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from deploy.settings import Settings
    from router.catalog.runner import Runner

REPEAT_S = 5.0
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
    registry, provider = CollectorRegistry(), payments.make_provider(settings)
    figures = CheckupFigures(registry)
    async with running(platform), answering(settings.worker_port, registry):
        _log.info("working", product=settings.product)
        chores = {
            "reference tables": ReferenceKeeper(platform).keep,
            "checkup": lambda: keep_checked(platform),
            "checkup figures": lambda: figures.keep(platform.catalog),
            "cluster figures": lambda: keep_measured(platform),
            "watchdog": lambda: watch(platform),
            "domains": DomainKeeper(platform).keep,
            "archives": Keeping(platform).keep,
            "tidying": lambda: tidy(platform),
            "run out accesses": lambda: end_accesses(platform),
            "audit seals": lambda: keep_sealed(platform),
            "reconcile": Reconciler(platform, Promoting(platform)).keep,
            "size rule": SizeRule(platform).keep,
            **billing_chores(platform, provider, registry),
            **mail_chores(platform, registry),
        }
        freeze_heap()
        try:
            await _work_until(stop, make_runner(platform, registry), chores)
        finally:
            if provider is not None:
                await provider.close()
    _log.info("stopped")


async def _work_until(
    stop: asyncio.Event, runner: Runner, chores: Mapping[str, Callable[[], Awaitable[None]]]
) -> None:
    tasks = [asyncio.create_task(_for_ever(name, chore)) for name, chore in chores.items()]
    try:
        await runner.run_forever(stop)
    finally:
        await end(*tasks)


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
