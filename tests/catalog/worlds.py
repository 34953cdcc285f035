"""A PostgreSQL server that tests may kill, and catalogs on it, each a copy of one template."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg

from deploy.stack.account import find_account
from deploy.stack.binaries import find_postgres
from deploy.stack.ports import LOOPBACK, free_port
from deploy.stack.postgres import PostgresCluster, environment, initialise, reachable
from deploy.stack.processes import spawn
from migrations.apply import migrate_catalog
from router.catalog import Catalog, claims, clusters, placements, tenants
from router.connect import Address, Connection
from router.sealing import Sealer
from router.words import Cluster, ClusterRole, Placement, Tenant, TenantId, TenantStatus, Tier

START_S_MAX = 30
PASSWORD = "loopback only"
SEALER = Sealer([b"s" * 32])


class Server:
    """One cluster in a temporary folder, without fsync: a killed process loses nothing by that."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        account = find_account()
        self.cluster = PostgresCluster(
            name="catalog",
            binaries=reachable(find_postgres(), account, folder),
            account=account,
            data=str(folder / "data"),
            log=str(folder / "log"),
            port=free_port(),
            password=PASSWORD,
            settings={"fsync": "off"},
        )
        self._process: asyncio.subprocess.Process | None = None

    def address(self, database: str) -> Address:
        return Address(
            host=LOOPBACK,
            port=self.cluster.port,
            database=database,
            user=self.cluster.superuser,
            password=PASSWORD,
            tls="disable",
        )

    async def initialise(self) -> None:
        await initialise(self.cluster)

    async def start(self) -> None:
        self._process = await spawn(
            self.cluster.argv(),
            env=environment(),
            log=Path(self.cluster.log),
            uid=self.cluster.account.uid,
            gid=self.cluster.account.gid,
        )
        async with asyncio.timeout(START_S_MAX):
            while not await self._answers():
                await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.cluster.dsn(), ssl=False, timeout=10)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def stop(self, number: int = signal.SIGINT) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            await process.wait()

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.cluster.dsn(), ssl=False)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def server(folder: Path) -> AsyncGenerator[Server]:
    """Run a server that holds a migrated catalog to copy, named template_catalog."""
    made = Server(folder)
    await made.initialise()
    await made.start()
    try:
        await made.execute("CREATE DATABASE template_catalog")
        await migrate_catalog(made.address("template_catalog"))
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def catalog_on(running: Server) -> AsyncGenerator[Catalog]:
    """Lend a fresh catalog."""
    name = f"c_{uuid4().hex}"
    await running.execute(f"CREATE DATABASE {name} TEMPLATE template_catalog")
    catalog = Catalog(running.address(name))
    try:
        yield catalog
    finally:
        await catalog.close()
        await running.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def place(epoch: int = 1, *, tier: Tier = Tier.ROWS, cluster: str = "shared-1") -> Placement:
    return Placement(
        tier=tier,
        cluster=cluster,
        database="shared",
        schema="shared",
        login="stepwell_app",
        epoch=epoch,
    )


async def add_cluster(
    catalog: Catalog,
    name: str = "shared-1",
    *,
    role: ClusterRole = ClusterRole.SHARED,
    capacity: int = 1_000_000,
    region: str = "here",
) -> Cluster:
    cluster = Cluster(
        name=name,
        role=role,
        region=region,
        capacity=capacity,
        host=LOOPBACK,
        port=5432,
        shared_database="shared",
    )
    async with catalog.transaction() as connection:
        await clusters.add(connection, cluster, catalog.address, SEALER)
    return cluster


async def add_tenant(catalog: Catalog, slug: str, *, plan: str = "starter") -> Tenant:
    """Make a tenant that lives on the cluster shared-1."""
    async with catalog.transaction() as connection:
        made = await tenants.create(connection, slug=slug, name=slug.title(), plan=plan)
        await placements.record(connection, made.id, place())
        return await tenants.set_status(connection, made.id, TenantStatus.ACTIVE)


async def serve_domain(connection: Connection, tenant_id: TenantId, name: str) -> None:
    """Claim a domain, and show that it is the tenant's."""
    claimed = await claims.claim(connection, tenant_id, name)
    texts = {claimed.record_value}
    await claims.heed(connection, claimed, texts, actor="test", grace=timedelta(days=1))
