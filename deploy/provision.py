"""The operation that gives a new tenant its place: three steps, each safe to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import placements, tenants
from router.words import Placement, TenantStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.catalog import Catalog
    from router.store import Store
    from router.words import Tier

KIND = "provision"


class ProvisionData(msgspec.Struct, frozen=True, kw_only=True):
    """What the operation was recorded with: the names were drawn before anything was made."""

    placement: Placement


async def provision(
    catalog: Catalog, stores: Mapping[Tier, Store], tenant_id: UUID, data: ProvisionData
) -> None:
    """Make the tenant's place, record it, and open the tenant. Repeat it after any failure."""
    placement = data.placement
    await stores[placement.tier].provision(tenant_id, placement)
    async with catalog.transaction() as connection:
        tenant = await tenants.get_by_id(connection, tenant_id)
        if tenant.placement is None:
            await placements.record(connection, tenant_id, placement)
        if tenant.status is TenantStatus.PROVISIONING:
            await tenants.set_status(connection, tenant_id, TenantStatus.ACTIVE)
