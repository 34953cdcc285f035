"""The operation that gives a new tenant its place: two steps, each safe to repeat."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from deploy import reference
from deploy.doctor import DatabaseName
from deploy.gates import recording
from router.catalog import placements, tenants
from router.words import Placement, TenantId, TenantStatus, Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from deploy.platform import Platform
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress
    from router.connect import Connection

KIND = "provision"
_MADE = "made"


class ProvisionData(msgspec.Struct, frozen=True, kw_only=True):
    """What the operation was recorded with: the names were drawn before anything was made."""

    placement: Placement


class Provision:
    """Does the operation, wherever another process dropped it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Make the tenant's place, record it, and open the tenant."""
        placement = operation.read(ProvisionData).placement
        assert operation.tenant_id is not None, "a provision is of a tenant"
        if operation.step != _MADE:
            await self._make(operation.tenant_id, placement)
            await progress.advance(_MADE, f"the place is made, in tier {placement.tier.value}")
        async with self._recording(placement) as connection:
            tenant = await tenants.get_by_id(connection, operation.tenant_id)
            if tenant.placement is None:
                await placements.record(connection, tenant.id, placement)
            if tenant.status is TenantStatus.PROVISIONING:
                await tenants.set_status(connection, tenant.id, TenantStatus.ACTIVE)
            await progress.finish_in(connection)

    async def _make(self, tenant_id: TenantId, placement: Placement) -> None:
        await self._platform.stores[placement.tier].provision(tenant_id, placement)
        if placement.tier is Tier.DATABASE:
            admin = self._platform.fleet.admin_address(placement.cluster, placement.database)
            await reference.copy_to(self._platform, admin)

    @asynccontextmanager
    async def _recording(self, placement: Placement) -> AsyncGenerator[Connection]:
        """Lend the transaction that records the place; a new database has all gate keys then."""
        if placement.tier is not Tier.DATABASE:
            async with self._platform.catalog.transaction() as connection:
                yield connection
            return
        name = DatabaseName(cluster=placement.cluster, database=placement.database)
        admin = self._platform.fleet.admin_address(placement.cluster, placement.database)
        async with recording(self._platform, name, admin) as connection:
            yield connection
