"""PgBouncer in transaction mode before the clusters of a world."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from deploy.stack.account import find_account
from deploy.stack.binaries import find_pgbouncer
from deploy.stack.parts import pgbouncer_part
from deploy.stack.pgbouncer import PgBouncer
from deploy.stack.ports import LOOPBACK
from deploy.stack.supervisor import supervise
from tests.stack.worlds import open_folder
from tests.worlds import Clusters, World, world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PROGRAM = find_pgbouncer()
MISSING = "PgBouncer isn't installed"
#: Few servers for many clients, so that a transaction rarely gets the server of the one before.
SETTINGS = {
    "default_pool_size": "3",
    # A request for a database that is gone would otherwise wait for two minutes.
    "query_wait_timeout": "3",
    "server_login_retry": "1",
    "auth_query": "SELECT usename, passwd FROM pg_shadow WHERE usename = $1",
}


@contextlib.asynccontextmanager
async def pooled_world(clusters: Clusters) -> AsyncGenerator[World]:
    """Build a world whose leases pass a pooler; the platform's own work goes past it."""
    async with world(clusters) as made, poolers(clusters) as addresses:
        for name, address in addresses.items():
            made.through(name, address, keeps_statements=False)
        yield made
        await made.sources.close()


@contextlib.asynccontextmanager
async def poolers(clusters: Clusters) -> AsyncGenerator[dict[str, tuple[str, int]]]:
    """Run a pooler before each cluster; it looks passwords up in the cluster itself."""
    assert PROGRAM is not None, MISSING
    servers = {"shared-1": clusters.shared, "dedicated-1": clusters.dedicated}
    with open_folder() as folder:
        async with supervise(folder, say=lambda _: None) as supervisor:
            described = {
                name: PgBouncer(
                    program=PROGRAM,
                    account=find_account(),
                    folder=str(folder / f"pgbouncer-{name}"),
                    port=supervisor.folder.port(f"pgbouncer-{name}"),
                    server_port=server.port,
                    users={server.superuser: server.password},
                    admin=server.superuser,
                    settings={**SETTINGS, "auth_user": server.superuser},
                )
                for name, server in servers.items()
            }
            await supervisor.start(
                *[
                    pgbouncer_part(each, name=f"pgbouncer-{name}")
                    for name, each in described.items()
                ]
            )
            yield {name: (LOOPBACK, each.port) for name, each in described.items()}
