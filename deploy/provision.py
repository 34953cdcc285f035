"""The operation that gives a new tenant its place: two steps, each safe to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from deploy.making import PlatformPlaces
from router.catalog import placements, tenants
from router.words import Placement, TenantId, TenantStatus

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress

KIND = "provision"
_MADE = "made"


class ProvisionData(msgspec.Struct, frozen=True, kw_only=True):
    """What the operation was recorded with: the names were drawn before anything was made."""

    placement: Placement


class Provision:
    """Does the operation, wherever another process dropped it."""

    def __init__(self, platform: Platform) -> None:
        self._places = PlatformPlaces(platform)

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Make the tenant's place, record it, and open the tenant."""
        placement = operation.read(ProvisionData).placement
        assert operation.tenant_id is not None, "a provision is of a tenant"
        if operation.step != _MADE:
            await self._places.make(operation.tenant_id, placement, admits=True)
            await progress.advance(_MADE, f"the place is made, in tier {placement.tier.value}")
        while not await self._record(operation.tenant_id, placement, progress):
            await self._places.make_anew(operation.tenant_id, placement)

    async def _record(self, tenant_id: TenantId, placement: Placement, progress: Progress) -> bool:
        """Record the place and open the tenant; false when a migration has ended meanwhile."""
        async with self._places.recording(placement) as connection:
            if not await self._places.is_timely(connection, placement):
                return False
            tenant = await tenants.get_by_id(connection, tenant_id)
            if tenant.placement is None:
                await placements.record(connection, tenant.id, placement)
            if tenant.status is TenantStatus.PROVISIONING:
                await tenants.set_status(connection, tenant.id, TenantStatus.ACTIVE)
            await progress.finish_in(connection)
        return True
