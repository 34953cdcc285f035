"""Brings what a gateway counted of its tenants to the catalog, every some seconds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import structlog

from router.catalog import loads
from router.errors import PlatformError
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.catalog import Catalog
    from router.gateway.loads import Loads

_log = structlog.get_logger("stepwell.loads")


@contextlib.asynccontextmanager
async def telling(counts: Loads, catalog: Catalog, *, every_s: float) -> AsyncGenerator[None]:
    """Tell while this lasts, and once more at its end."""
    task = asyncio.get_running_loop().create_task(_tell_forever(counts, catalog, every_s))
    try:
        yield
    finally:
        await end(task)
        await _tell(counts, catalog)


async def _tell_forever(counts: Loads, catalog: Catalog, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await _tell(counts, catalog)


async def _tell(counts: Loads, catalog: Catalog) -> None:
    taken = counts.take()
    if not taken:
        return
    try:
        async with catalog.connection() as connection:
            await loads.add(connection, taken)
    except (PlatformError, asyncpg.PostgresError, OSError, TimeoutError) as error:
        # Nothing hangs on these figures: what can't be told is forgotten, and never told twice.
        _log.warning("loads not told", tenants=len(taken), reason=str(error))
