"""Writes down the end of staff's accesses whose time is over: the tenant sees it in its audit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from router.catalog import access
from router.catalog.access_words import By

if TYPE_CHECKING:
    from deploy.platform import Platform

#: Nothing hangs on it: an access whose time is over is good for nothing, written down or not.
ROUND_S = 10.0


async def end_accesses(platform: Platform) -> None:
    """Go round until cancelled."""
    while True:
        async with platform.catalog.transaction() as connection:
            await access.end_run_out(connection, by=By(actor="worker", name="worker"))
        await asyncio.sleep(ROUND_S)
