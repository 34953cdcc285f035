"""Looks at the clusters' servers: at once for whoever asks, and by the clock for the overview."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import structlog

from router.catalog import clusters, looks
from router.catalog.looks import LookKind
from router.catalog.servers import (
    GROUPS_MAX,
    ClusterMeasured,
    ConnectionGroup,
    DatabaseSize,
    ServerSeen,
)
from router.connect import connect
from router.errors import DatabaseUnreachable, PlatformError
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from deploy.platform import Platform
    from router.connect import Connection
    from router.fleet import Fleet

#: Somebody waits for this one.
SEEN_S_MAX = 1.5
#: Nobody waits for this one, and a thousand databases take their time.
MEASURED_S_MAX = 60.0
_TURN_S_MAX = 5.0
_SQL = load("deploy", "servers.sql")
_log = structlog.get_logger("stepwell.servers")


class Servers:
    """Asks servers how they are, and never longer than somebody would wait."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def look(self, cluster: str) -> ServerSeen:
        """Ask now; raises DatabaseUnreachable for a server that doesn't answer in time."""
        async with _asking(self._fleet, cluster, s_max=SEEN_S_MAX) as asked:
            return await _see(asked)

    async def measure(self, cluster: str) -> ClusterMeasured:
        """Ask for the sizes of all databases too; raises DatabaseUnreachable."""
        async with _asking(self._fleet, cluster, s_max=MEASURED_S_MAX) as asked:
            seen = await _see(asked)
            sizes = await asked.fetch(_SQL["sizes"], GROUPS_MAX)
        return ClusterMeasured(
            version=seen.version,
            connections_used=seen.connections_used,
            connections_max=seen.connections_max,
            connections_reserved=seen.connections_reserved,
            databases=sizes[0]["databases"] if sizes else 0,
            bytes=sizes[0]["bytes_all"] if sizes else 0,
            largest=tuple(
                DatabaseSize(database=row["database"], bytes=row["bytes"]) for row in sizes
            ),
        )


async def keep_measured(platform: Platform) -> None:
    """Measure each cluster by the clock, until cancelled; of several workers one does."""
    every_s = platform.settings.cluster_look_s
    while True:
        await measure_due(platform, every=timedelta(seconds=every_s))
        await asyncio.sleep(min(every_s, _TURN_S_MAX))


async def measure_due(platform: Platform, *, every: timedelta) -> None:
    """Measure the clusters whose time has come, and keep what was seen or why nothing was."""
    async with platform.catalog.connection() as connection:
        names = [record.cluster.name for record in await clusters.list_all(connection)]
        await looks.forget_others(connection, LookKind.CLUSTER, names)
        due = [
            name
            for name in names
            if await looks.begin(connection, LookKind.CLUSTER, name, every=every)
        ]
    async with asyncio.TaskGroup() as group:
        for name in due:
            group.create_task(_measure(platform, name))


async def _measure(platform: Platform, name: str) -> None:
    try:
        measured = await Servers(platform.fleet).measure(name)
    except PlatformError as error:
        _log.warning("cluster not measured", cluster=name, reason=error.detail)
        async with platform.catalog.connection() as connection:
            await looks.fail(connection, LookKind.CLUSTER, name, error=error.detail)
        return
    async with platform.catalog.connection() as connection:
        await looks.end(connection, LookKind.CLUSTER, name, measured)


async def _see(asked: Connection) -> ServerSeen:
    server = await asked.fetchrow(_SQL["server"])
    assert server is not None, "a SELECT without FROM returns a row"
    groups = await asked.fetch(_SQL["connections"], GROUPS_MAX)
    return ServerSeen(
        version=server["version"],
        started_at=server["started_at"],
        connections_used=groups[0]["connections_used"] if groups else 0,
        connections_max=server["connections_max"],
        connections_reserved=server["connections_reserved"],
        connections=tuple(
            ConnectionGroup(
                database=row["database"],
                login=row["login"],
                state=row["state"],
                count=row["count"],
            )
            for row in groups
        ),
    )


@asynccontextmanager
async def _asking(fleet: Fleet, cluster: str, *, s_max: float) -> AsyncGenerator[Connection]:
    """Open a connection for questions that are broken off in time, here and at the server."""
    address = fleet.admin_address(cluster, fleet.cluster(cluster).maintenance_database)
    careful = {
        "statement_timeout": f"{s_max * 1_000:.0f}",
        "default_transaction_read_only": "on",
        "search_path": "pg_catalog",
    }
    address = msgspec.structs.replace(address, settings={**address.settings, **careful})
    try:
        async with asyncio.timeout(s_max):
            connection = await connect(address, purpose="look", connect_s_max=s_max)
            try:
                yield connection
            finally:
                # Not close(): a server that hangs wouldn't even take a farewell.
                connection.terminate()
    except TimeoutError as error:
        raise DatabaseUnreachable(
            f"cluster {cluster} didn't answer within {s_max:g} s: look at its server"
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise DatabaseUnreachable(f"cluster {cluster} can't be asked: {error}") from error
