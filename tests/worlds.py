"""Worlds: real servers, real stores, real tenants, each in a place of its own."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dedicated_tier import DatabaseStore
from deploy.stack.account import find_account
from deploy.stack.binaries import find_postgres
from deploy.stack.parts import postgres_part
from deploy.stack.postgres import PostgresCluster, postgres_cluster
from deploy.stack.supervisor import supervise
from migrations.product.render import blueprint_of, reference_sql
from pool_tier.rows import RowsStore
from pool_tier.schemas import SchemasStore
from router.capability import derive_gate_key
from router.connect import Address, Connection, connect, parse_dsn
from router.database import (
    SHARED_SCHEMA,
    Blueprint,
    drop_database,
    make_database,
    make_schema,
    prepare_cluster,
    prepare_database,
)
from router.dispatch import Dispatch
from router.fleet import APP_LOGIN, ClusterAccess, Fleet
from router.lease import Entry, Lease, Timeouts
from router.names import random_name
from router.pool import Budget, PoolLimits
from router.product.plug import LoadedProduct, load
from router.sealing import derive_password
from router.sources import Sources
from router.words import (
    Cluster,
    ClusterRole,
    Consistency,
    Isolation,
    Limits,
    Mode,
    Placement,
    PlaceRevision,
    Tenant,
    TenantId,
    TenantStatus,
    Tier,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from deploy.stack.binaries import PostgresBinaries
    from router.store import Store

ROOT = Path(__file__).parents[1]
SECRET_KEY = b"a secret key for tests of 32 bytes or more"
STORE_PRODUCT = "examples.store.product:product"
#: No test pulls the plug of the machine, and a killed process loses nothing without fsync.
DURABLE = {"fsync": "off", "full_page_writes": "off"}
#: Loses the last commits with the server: for tests that end none.
FAST = {**DURABLE, "synchronous_commit": "off"}


class Clusters(msgspec.Struct, frozen=True, kw_only=True):
    """The two servers of one test run: tenants share the first one."""

    shared: PostgresCluster
    dedicated: PostgresCluster


@contextlib.asynccontextmanager
async def running_clusters(
    folder: Path,
    *,
    binaries: PostgresBinaries | None = None,
    settings: Mapping[str, str] = FAST,
) -> AsyncGenerator[Clusters]:
    """Run two clusters under a supervisor in this process."""
    async with supervise(folder, say=lambda _: None) as supervisor:
        described = [
            await postgres_cluster(
                supervisor.folder,
                name,
                binaries=binaries or find_postgres(),
                account=find_account(),
                settings=settings,
            )
            for name in ("shared-1", "dedicated-1")
        ]
        await supervisor.start(*[postgres_part(each) for each in described])
        yield Clusters(shared=described[0], dedicated=described[1])


class World:
    """The three stores over two clusters, without catalog or gateway.

    Two of them over one ``shared_database`` are two gateways: they share servers and nothing else.
    """

    def __init__(
        self,
        clusters: Clusters,
        loaded: LoadedProduct,
        shared_database: str,
        *,
        limits: PoolLimits = PoolLimits(),  # noqa: B008 - a frozen value
        connections_max: int = 64,
    ) -> None:
        self.clusters = clusters
        self.loaded = loaded
        self.limits = limits
        self.shared_database = shared_database
        self.key_id = 1
        self._access = {
            name: _access(name, role, cluster, shared_database)
            for name, role, cluster in (
                ("shared-1", ClusterRole.SHARED, clusters.shared),
                ("dedicated-1", ClusterRole.DEDICATED, clusters.dedicated),
            )
        }
        self.fleet = Fleet(SECRET_KEY, access=self._access.get, key_id=lambda: self.key_id)
        self.sources = Sources(Budget(connections_max=connections_max), pools_max=50)
        self.blueprint = blueprint_of(loaded)
        self.stores = _stores(self)
        self.directory = Placements()
        self.dispatch = Dispatch(
            self.stores, self.fleet, self.directory, {tier: Timeouts() for tier in Tier}
        )

    @property
    def shared_address(self) -> Address:
        """The administrator's address of the shared database."""
        return self.fleet.admin_address("shared-1", self.shared_database)

    def address_of(self, placement: Placement) -> Address:
        """The administrator's address of the database of a placement."""
        return self.fleet.admin_address(placement.cluster, placement.database)

    def through(self, name: str, pooler: tuple[str, int], *, keeps_statements: bool) -> None:
        """Let leases reach a cluster by another address from their next connection on."""
        known = self._access[name]
        self._access[name] = msgspec.structs.replace(
            known,
            cluster=msgspec.structs.replace(
                known.cluster, pooler=pooler, pooler_statements=keeps_statements
            ),
        )

    def twin(self, *, limits: PoolLimits | None = None, connections_max: int = 64) -> World:
        """Make another gateway that knows the same tenants at the places where they are now."""
        other = World(
            self.clusters,
            self.loaded,
            self.shared_database,
            limits=limits or self.limits,
            connections_max=connections_max,
        )
        other.directory.tenants.update(self.directory.tenants)
        return other

    async def tenant(self, tier: Tier, isolation: Isolation = Isolation.SHARED) -> Tenant:
        """Provision a new tenant in a tier."""
        store = self.stores[tier]
        cluster = self._access["dedicated-1" if tier is Tier.DATABASE else "shared-1"].cluster
        placement = store.draw(cluster, isolation)
        tenant = Tenant(
            id=uuid.uuid4(),
            slug=random_name("test-"),
            name="A tenant of a test",
            status=TenantStatus.ACTIVE,
            isolation=isolation,
            plan="any",
            limits=Limits(),
            placement=placement,
        )
        await store.provision(tenant.id, placement)
        self.directory.tenants[tenant.id] = tenant
        return tenant

    @contextlib.asynccontextmanager
    async def lease(
        self,
        tenant: Tenant,
        mode: Mode = Mode.WRITE,
        consistency: Consistency = Consistency.READ_COMMITTED,
    ) -> AsyncGenerator[Lease]:
        """Open a lease; commit it at the end, or take it back when the test fails inside."""
        lease = await self.dispatch.open(tenant, mode, consistency)
        try:
            yield lease
        except BaseException:
            await lease.rollback()
            raise
        await lease.commit()

    def entry(self, tenant: Tenant, mode: Mode = Mode.WRITE) -> Entry:
        """Make the entry of a tenant as the dispatch would."""
        assert tenant.placement is not None
        key = self.fleet.key(tenant.placement.cluster, tenant.placement.database)
        return Entry(tenant_id=tenant.id, placement=tenant.placement, key=key, mode=mode)

    @contextlib.asynccontextmanager
    async def admin(self, placement: Placement | None = None) -> AsyncGenerator[Connection]:
        """Connect as the administrator to a placement's database, else to the shared one."""
        address = self.address_of(placement) if placement else self.shared_address
        connection = await connect(address, purpose="test")
        try:
            yield connection
        finally:
            await connection.close()


class Placements:
    """The part of the directory that the dispatch asks; the catalog has tests of its own."""

    def __init__(self) -> None:
        self.tenants: dict[TenantId, Tenant] = {}
        self.refreshed = 0

    def learn(self, tenant_id: TenantId, placement: Placement) -> None:
        known = self.tenants[tenant_id]
        self.tenants[tenant_id] = msgspec.structs.replace(known, placement=placement)

    async def refresh(self, tenant_id: TenantId) -> Tenant | None:
        self.refreshed += 1
        return self.tenants.get(tenant_id)

    def revision_of(self, placement: Placement) -> PlaceRevision:  # noqa: ARG002 - nobody migrates here
        return PlaceRevision()

    def doubt_revision(self, placement: Placement) -> None:
        """Nothing is known that could be doubted."""


@contextlib.asynccontextmanager
async def world(clusters: Clusters, product: str = STORE_PRODUCT) -> AsyncGenerator[World]:
    """Build a world of its own in two running clusters: a fresh shared database, nobody in it."""
    async with world_of(clusters, load(product)) as made:
        yield made


@contextlib.asynccontextmanager
async def world_of(clusters: Clusters, loaded: LoadedProduct) -> AsyncGenerator[World]:
    """Build a world around a product that is loaded already."""
    made = World(clusters, loaded, random_name("w_"))
    try:
        await prepare(made)
        yield made
    finally:
        await made.sources.close()
        async with made.fleet.admin("shared-1", "postgres") as connection:
            await drop_database(connection, made.shared_database)


@contextlib.asynccontextmanager
async def scratch_database(clusters: Clusters, loaded: LoadedProduct) -> AsyncGenerator[Address]:
    """Lend a database with a gate and the product's reference tables, and nothing else."""
    admin = parse_dsn(clusters.shared.dsn(), name="shared-1")
    name = random_name("scratch_")
    scratch = msgspec.structs.replace(admin, database=name)
    connection = await connect(admin, purpose="test")
    try:
        # The login is the whole cluster's: any other password would shut the other worlds out.
        password = derive_password(SECRET_KEY, f"login shared-1 {APP_LOGIN}")
        await prepare_cluster(connection, app_password=password)
        await make_database(connection, name)
        inside = await connect(scratch, purpose="test")
        try:
            key = derive_gate_key(SECRET_KEY, key_id=1, cluster="shared-1", database=name)
            empty = Blueprint(head="", schema_sql="", reference_sql=reference_sql(loaded))
            await prepare_database(inside, login=APP_LOGIN, key=key, blueprint=empty)
        finally:
            await inside.close()
        yield scratch
    finally:
        await drop_database(connection, name)
        await connection.close()


async def prepare(made: World) -> None:
    """Do what ``stepwell cluster add`` does."""
    for name in ("shared-1", "dedicated-1"):
        async with made.fleet.admin(name, "postgres") as connection:
            await prepare_cluster(connection, app_password=made.fleet.password(name, APP_LOGIN))
            if name == "shared-1":
                await make_database(connection, made.shared_database)
    async with made.fleet.admin("shared-1", made.shared_database) as connection:
        await prepare_database(
            connection,
            login=APP_LOGIN,
            key=made.fleet.key("shared-1", made.shared_database),
            blueprint=made.blueprint,
        )
        await make_schema(
            connection,
            SHARED_SCHEMA,
            tier=Tier.ROWS,
            grantee="stepwell_rows",
            blueprint=made.blueprint,
        )


def _stores(made: World) -> Mapping[Tier, Store]:
    stored, limits = made.loaded.stored, made.limits
    return {
        Tier.ROWS: RowsStore(made.fleet, made.sources, stored, limits=limits),
        Tier.SCHEMA: SchemasStore(
            made.fleet, made.sources, stored, limits=limits, blueprint=made.blueprint, subpools=2
        ),
        Tier.DATABASE: DatabaseStore(
            made.fleet, made.sources, stored, limits=limits, blueprint=made.blueprint
        ),
    }


def _access(
    name: str, role: ClusterRole, cluster: PostgresCluster, shared_database: str
) -> ClusterAccess:
    admin = parse_dsn(cluster.dsn(), name=name)
    return ClusterAccess(
        cluster=Cluster(
            name=name,
            role=role,
            region="local",
            capacity=1_000,
            host=admin.host,
            port=admin.port,
            shared_database=shared_database,
        ),
        admin=admin,
    )
