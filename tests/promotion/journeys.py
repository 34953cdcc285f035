"""A tenant that travels: two gateways, a worker's runner in this process, and three clusters."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from deploy.fleet_setup import ensure_cluster
from deploy.operations import make_runner
from deploy.promoting import Promoting
from router.catalog import moves, tenants
from router.catalog.moves import By, Goal
from router.catalog.operations import OperationState
from router.connect import connect, parse_dsn
from router.database import drop_database
from router.names import random_name
from router.words import Cluster, ClusterRole, Placement, Tier
from tests.gateways import Customer, GatewayWorld, expect, gateway_world, sign_up
from tests.plans import roomy_plans

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from router.catalog.move_words import Move
    from router.catalog.operations import Operation
    from router.catalog.runner import Runner
    from tests.worlds import Clusters

BY = By(actor="operator", reason="a test asks for it")
EXPORTED = (
    "artist",
    "genre",
    "media_type",
    "album",
    "track",
    "playlist",
    "playlist_track",
    "employee",
    "customer",
    "invoice",
    "invoice_line",
)


class Journey:
    """One customer, and where it goes."""

    def __init__(self, made: GatewayWorld, customer: Customer, runner: Runner) -> None:
        self.made = made
        self.customer = customer
        self.runner = runner
        self.promoting = Promoting(made.platform)

    async def placement(self) -> Placement:
        """Return where the catalog says that the customer lives."""
        async with self.made.platform.catalog.connection() as connection:
            tenant = await tenants.get_by_id(connection, self.customer.id)
        assert tenant.placement is not None
        return tenant.placement

    async def record(self, tier: Tier, cluster: str | None = None) -> UUID:
        """Ask for a move as an operator does."""
        goal = Goal(tenant=str(self.customer.id), tier=tier, cluster=cluster)
        begun = await self.promoting.begin(goal, BY)
        assert begun.operation is not None
        return begun.operation.id

    async def go(self, tier: Tier, cluster: str | None = None) -> Move:
        """Move, and see that it came through."""
        operation = await self.run(await self.record(tier, cluster))
        assert operation.state is OperationState.DONE, operation.error
        assert (await self.placement()).tier is tier
        return await self.move(operation.id)

    async def run(self, operation_id: UUID) -> Operation:
        """Run an operation to its end, through every attempt."""
        async with asyncio.timeout(120):
            while True:
                operation = await self.runner.run_one(operation_id)
                if operation.state.is_ended:
                    return operation
                await asyncio.sleep(0.05)

    async def settle(self, move_id: UUID) -> Operation:
        """Erase the source now."""
        async with self.made.platform.catalog.transaction() as connection:
            operation = await moves.settle_now(connection, move_id, BY)
        return await self.run(operation.id)

    async def undo(self, move_id: UUID) -> Operation:
        """Go back without copying."""
        async with self.made.platform.catalog.transaction() as connection:
            operation = await moves.record_undo(connection, move_id, BY)
        return await self.run(operation.id)

    async def move(self, move_id: UUID) -> Move:
        """Return a move as the catalog knows it now."""
        async with self.made.platform.catalog.connection() as connection:
            return await moves.get(connection, move_id)

    async def exports(self) -> dict[str, bytes]:
        """Return every table as the customer gets it."""
        found: dict[str, bytes] = {}
        for table in EXPORTED:
            answer = await self.made.client.get(
                f"/export/{table}", headers={"Authorization": f"Bearer {self.customer.key}"}
            )
            assert answer.status_code == 200, answer.text
            found[table] = answer.content
        return found

    async def post(self, path: str, body: dict[str, Any], gateway: int = 0) -> dict[str, Any]:
        """Write something as the customer does."""
        client = self.made.gateways[gateway].client
        headers = {"Authorization": f"Bearer {self.customer.key}"}
        return expect(await client.post(path, json=body, headers=headers), 201)


@contextlib.asynccontextmanager
async def journey(
    clusters: Clusters, *, gateways: int = 1, changes: dict[str, Any] | None = None
) -> AsyncGenerator[Journey]:
    """Build the world of one customer in tier rows, with a second shared cluster to go to."""
    # Its own clients are the only neighbours here, and how they are spared is tested elsewhere.
    changes = {"move_share_min": 1.0, **(changes or {})}
    async with (
        gateway_world(clusters, gateways=gateways, changes=changes, plans=roomy_plans()) as made,
        _second_shared_cluster(made, clusters),
    ):
        runner = make_runner(made.platform)
        customer = await sign_up(made.client)
        yield Journey(made, customer, runner)
        await runner.close()


@contextlib.asynccontextmanager
async def _second_shared_cluster(made: GatewayWorld, clusters: Clusters) -> AsyncGenerator[None]:
    """Let the second server hold shared tables too, under another name."""
    database = random_name("w_")
    admin = parse_dsn(clusters.dedicated.dsn(), name="shared-2")
    cluster = Cluster(
        name="shared-2",
        role=ClusterRole.SHARED,
        region="local",
        capacity=1_000,
        host=admin.host,
        port=admin.port,
        shared_database=database,
    )
    await ensure_cluster(made.platform, cluster, admin)
    try:
        yield
    finally:
        connection = await connect(admin, purpose="test")
        await drop_database(connection, database)
        await connection.close()
