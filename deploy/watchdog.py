"""Ends what outlived its limits: a tenant can lift a timeout of its session, and not this."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import structlog

from router.errors import PlatformError
from router.sql import load
from router.words import ClusterRole, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.platform import Platform
    from router.words import Cluster

_SQL = load("deploy", "watchdog.sql")
_TIERS = {
    ClusterRole.SHARED: (Tier.ROWS, Tier.SCHEMA),
    ClusterRole.DEDICATED: (Tier.DATABASE,),
}
_log = structlog.get_logger("stepwell.watchdog")


async def watch(platform: Platform) -> None:
    """Look at every cluster now and then, until cancelled."""
    while True:
        await asyncio.sleep(platform.settings.watchdog_pause_s)
        try:
            statement_s = await _limits(platform)
        except PlatformError as error:
            _log.warning("limits not read", reason=error.detail)
            continue
        for access in platform.directory.clusters():
            try:
                await end_overdue(platform, access.cluster, statement_s)
            except (PlatformError, asyncpg.PostgresError, OSError) as error:
                _log.warning("cluster not watched", cluster=access.cluster.name, reason=str(error))


async def end_overdue(
    platform: Platform, cluster: Cluster, statement_s: Mapping[Tier, float]
) -> int:
    """End the overdue transactions of one cluster; returns how many there were."""
    margin_s = platform.settings.watchdog_margin_s
    longest_s = max(statement_s[tier] for tier in _TIERS[cluster.role])
    async with platform.fleet.admin(cluster.name, cluster.maintenance_database) as connection:
        overdue = await connection.fetch(
            _SQL["overdue"],
            longest_s + margin_s,
            platform.settings.request_deadline_s + margin_s,
        )
        for row in overdue:
            _log.warning(
                "transaction ended",
                cluster=cluster.name,
                database=row["database"],
                login=row["login"],
                age_s=round(row["age_s"], 1),
            )
            await connection.execute(_SQL["end"], row["pid"])
    return len(overdue)


async def _limits(platform: Platform) -> dict[Tier, float]:
    async with platform.catalog.connection() as connection:
        rows = await connection.fetch(_SQL["limits"])
    found = {Tier(row["tier"]): row["statement_ms"] / 1_000 for row in rows}
    # A tier that no plan sells any more may still hold tenants.
    return {tier: found.get(tier, platform.settings.request_deadline_s) for tier in Tier}
