"""How the gateway gives a new tenant its place: recorded with the tenant, run at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from deploy.operations import make_runner
from deploy.provision import KIND, ProvisionData
from router.catalog import clusters, operations, plans
from router.catalog.operations import NewOperation
from router.words import ClusterRole, Tier

if TYPE_CHECKING:
    from uuid import UUID

    from deploy.platform import Platform
    from router.catalog.operations import Operation
    from router.connect import Connection
    from router.words import Tenant

#: How long workers leave an operation to the process that recorded it and runs it at once.
HEAD_START = timedelta(seconds=5)


class Provisioning:
    """Records provisions, and runs them in this process if nobody else is faster."""

    def __init__(self, platform: Platform) -> None:
        self._stores = platform.stores
        self._runner = make_runner(platform)
        self._started: set[asyncio.Task[Operation]] = set()

    async def record(
        self, connection: Connection, tenant: Tenant, *, cluster: str | None = None
    ) -> Operation:
        """Choose a place for a tenant that has none; needs the transaction that made the tenant.

        Asked twice for one tenant, it returns the same operation.
        """
        tier = (await plans.get(connection, tenant.plan)).tier
        role = ClusterRole.DEDICATED if tier is Tier.DATABASE else ClusterRole.SHARED
        chosen = await clusters.choose(connection, role, cluster=cluster)
        placement = self._stores[tier].draw(chosen, tenant.isolation)
        return await operations.begin(
            connection,
            NewOperation(
                kind=KIND,
                tenant_id=tenant.id,
                cluster=chosen.name,
                data=ProvisionData(placement=placement),
                idempotency_key=f"{KIND} {tenant.id}",
                head_start=HEAD_START,
            ),
        )

    async def run(self, operation_id: UUID) -> Operation:
        """Run the operation now, or wait for whoever does."""
        return await self._runner.run_one(operation_id)

    async def start(self, operation_id: UUID) -> None:
        """Run the operation behind the answer to whoever asked for it."""
        task = asyncio.get_running_loop().create_task(self.run(operation_id))
        self._started.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Let what was started end, for a while; workers continue the rest."""
        await self._runner.close()
        await asyncio.gather(*self._started, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Operation]) -> None:
        self._started.discard(task)
        if not task.cancelled():
            task.exception()  # recorded in the operation; whoever waits for it looks there
