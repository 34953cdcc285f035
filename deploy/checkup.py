"""Has the doctor look from time to time, and the canaries fly; keeps what they found."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, Gauge

from deploy.canaries import release_all
from deploy.checks import find_all
from deploy.doctor import RULES, in_order
from router.catalog import checkups, looks
from router.catalog.canaries import Canaries
from router.catalog.looks import LookKind

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.catalog import Catalog

#: How soon a look that somebody asks for begins.
_ASK_S = 2.0
_FIGURES_S = 15.0
_log = structlog.get_logger("stepwell.checkup")


class CheckupFigures:
    """Each figure is of the whole installation, so any worker's will do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._grave = Gauge(
            "stepwell_doctor_grave_findings",
            "What the doctor and the canaries found last, and that is grave",
            registry=registry,
        )
        self._seen = Gauge(
            "stepwell_canaries_seen",
            "Relations of shared tables in which one canary reached another one's rows, by role",
            registry=registry,
        )

    async def keep(self, catalog: Catalog) -> None:
        """Read until cancelled."""
        while True:
            await self.read(catalog)
            await asyncio.sleep(_FIGURES_S)

    async def read(self, catalog: Catalog) -> None:
        """Read once."""
        async with catalog.connection() as connection:
            last = await checkups.last(connection)
            flown = await looks.last(connection, LookKind.CANARIES, Canaries)
        self._grave.set(sum(each.grave for each in last.findings) if last else 0)
        self._seen.set(sum(len(each.found.seen) for each in flown if each.found))


async def keep_checked(platform: Platform) -> None:
    """Look when it is due or wanted, until cancelled; of several workers one does."""
    every = timedelta(seconds=platform.settings.checkup_s)
    while True:
        async with platform.catalog.connection() as connection:
            is_ours = await checkups.begin(connection, every=every)
        if is_ours:
            await check_up(platform)
        await asyncio.sleep(_ASK_S)


async def check_up(platform: Platform) -> None:
    """Look now, and keep what is found."""
    findings = in_order([*await find_all(platform), *await release_all(platform)])
    for finding in findings:
        if finding.grave:
            _log.error(finding.rule, object=finding.object, where=finding.where)
    async with platform.catalog.connection() as connection:
        await checkups.end(connection, rules=len(RULES), findings=findings)
