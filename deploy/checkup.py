"""Has the doctor look from time to time, and keeps what it found for the console."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from deploy.checks import find_all
from deploy.doctor import RULES
from router.catalog import checkups

if TYPE_CHECKING:
    from deploy.platform import Platform

#: How soon a look that somebody asks for begins.
_ASK_S = 2.0
_log = structlog.get_logger("stepwell.checkup")


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
    findings = await find_all(platform)
    for finding in findings:
        if finding.grave:
            _log.error(finding.rule, object=finding.object, where=finding.where)
    async with platform.catalog.connection() as connection:
        await checkups.end(connection, rules=len(RULES), findings=findings)
