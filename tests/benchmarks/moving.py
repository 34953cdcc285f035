"""The world in which tenants move: durable servers, two gateways, a worker, and clients here."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from deploy.fleet_setup import SHARED_DATABASE, bring_up_to_date, ensure_cluster
from deploy.platform import Platform, running
from deploy.promoting import Promoting
from deploy.settings import Settings
from promotion.shape import shape_of
from promotion.side import Side
from router.catalog import moves, operations, tenants
from router.catalog.moves import By, Goal
from router.catalog.operations import OperationState
from router.connect import parse_dsn
from router.words import Cluster, ClusterRole, Placement, Tier
from tests.benchmarks.cpu import Backends, postmaster
from tests.benchmarks.world import CATALOG_DATABASE, Server, make_clusters, serving
from tests.gateways import SITE, Customer, client_of, sign_up
from tests.plans import roomy_plans
from tests.promotion.clients import Shop
from tests.promotion.stock import Stock, fill
from tests.stack.worlds import open_folder
from tests.worlds import SECRET_KEY, STORE_PRODUCT, Clusters, running_clusters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path
    from uuid import UUID

    from promotion.shape import Shape
    from router.catalog.move_words import Move

BY = By(actor="operator", reason="a measurement")
AWAY = "shared-2"
_LOOK_S = 0.02
_END_S_MAX = 1_200.0


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured: rows of the small and the large tenant, and how often.

    A move beside busy neighbours takes a twentieth of the server, so a smaller one is watched.
    """

    small: int = 20_000
    large: int = 2_000_000
    beside: int = 400_000
    pairs: int = 16
    pairs_large: int = 10
    copies: int = 3
    blocks: int = 40
    calm_s: float = 15.0


MEASURE_QUICK = Measure(
    large=200_000, beside=50_000, pairs=4, pairs_large=3, copies=3, blocks=12, calm_s=5.0
)


class Traveller(msgspec.Struct, frozen=True, kw_only=True):
    """A customer with rows."""

    customer: Customer
    stock: Stock


class MovingWorld(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is; the platform is this process's own, beside those of the servers."""

    clusters: Clusters
    platform: Platform
    gateways: list[Server]
    backends: Backends
    folder: Path

    @property
    def shape(self) -> Shape:
        return shape_of(self.platform.loaded.stored)

    async def traveller(self, measure: int, *, plan: str = "starter") -> Traveller:
        """Sign somebody up and fill the shop."""
        async with client_of(self.gateways[0].port) as client:
            customer = await sign_up(client, plan=plan)
        place = await self.place(customer)
        async with self.platform.fleet.admin(place.cluster, place.database) as connection:
            stock = await fill(connection, customer.id, place, measure=measure)
        return Traveller(customer=customer, stock=stock)

    async def neighbour(self, of: Traveller, measure: int) -> Traveller:
        """Sign somebody up whose rows lie beside another one's."""
        wanted = (await self.place(of.customer)).cluster
        while True:
            made = await self.traveller(measure)
            if (await self.place(made.customer)).cluster == wanted:
                return made

    def shop(self, traveller: Traveller) -> Shop:
        """Say where clients find it."""
        ports = [gateway.port for gateway in self.gateways]
        return Shop(ports=ports, host=SITE, token=traveller.customer.key)

    async def place(self, customer: Customer) -> Placement:
        """Return where the catalog says that a customer lives."""
        async with self.platform.catalog.connection() as connection:
            tenant = await tenants.get_by_id(connection, customer.id)
        assert tenant.placement is not None, "a customer who signed up has a place"
        return tenant.placement

    async def side(self, traveller: Traveller) -> Side:
        """Return the end of a move at which a traveller is."""
        place = await self.place(traveller.customer)
        return Side(fleet=self.platform.fleet, tenant_id=traveller.customer.id, placement=place)

    async def go(self, traveller: Traveller, tier: Tier, cluster: str) -> Move:
        """Move, as an operator asks for it and the worker does it."""
        goal = Goal(tenant=str(traveller.customer.id), tier=tier, cluster=cluster)
        begun = await Promoting(self.platform).begin(goal, BY)
        assert begun.operation is not None, "the target is another place"
        await self._ended(begun.operation.id)
        return await self._move(begun.operation.id)

    async def undo(self, move_id: UUID) -> Move:
        """Go back without copying."""
        async with self.platform.catalog.transaction() as connection:
            operation = await moves.record_undo(connection, move_id, BY)
        await self._ended(operation.id)
        return await self._move(move_id)

    async def _move(self, move_id: UUID) -> Move:
        async with self.platform.catalog.connection() as connection:
            return await moves.get(connection, move_id)

    async def _ended(self, operation_id: UUID) -> None:
        async with asyncio.timeout(_END_S_MAX):
            while True:
                async with self.platform.catalog.connection() as connection:
                    operation = await operations.get(connection, operation_id)
                if operation.state.is_ended:
                    break
                await asyncio.sleep(_LOOK_S)
        if operation.state is not OperationState.DONE:
            raise SystemExit(f"{operation.kind} {operation.id} ended: {operation.error}")


@contextlib.asynccontextmanager
async def moving_world() -> AsyncGenerator[MovingWorld]:
    """Run it all. Nothing of the servers' durability is left out, as it is a part of the pause."""
    with open_folder() as folder:
        async with running_clusters(folder, settings={}) as clusters:
            settings = Settings(
                database_url=clusters.shared.dsn(CATALOG_DATABASE),
                secret_key=SECRET_KEY.decode(),
                product=STORE_PRODUCT,
                base_domain=SITE,
            )
            admin = await asyncpg.connect(clusters.shared.dsn(), ssl=False)
            await admin.execute(f"CREATE DATABASE {CATALOG_DATABASE}")
            await admin.close()
            platform = Platform(settings)
            await bring_up_to_date(platform.catalog, roomy_plans())
            async with running(platform), contextlib.AsyncExitStack() as stack:
                await make_clusters(platform, clusters)
                await _make_away(platform, clusters)
                gateway, other, _ = [
                    await stack.enter_async_context(
                        serving(kind, settings, dsn=settings.database_url)
                    )
                    for kind in ("gateway", "gateway", "worker")
                ]
                yield MovingWorld(
                    clusters=clusters,
                    platform=platform,
                    gateways=[gateway, other],
                    backends=Backends(
                        [postmaster(each.data) for each in (clusters.shared, clusters.dedicated)]
                    ),
                    folder=folder,
                )


async def _make_away(platform: Platform, clusters: Clusters) -> None:
    """Let the second server hold shared tables too, under another name."""
    admin = parse_dsn(clusters.dedicated.dsn(), name=AWAY)
    cluster = Cluster(
        name=AWAY,
        role=ClusterRole.SHARED,
        region="local",
        capacity=10_000,
        host=admin.host,
        port=admin.port,
        shared_database=f"{SHARED_DATABASE}_2",
    )
    await ensure_cluster(platform, cluster, admin)
