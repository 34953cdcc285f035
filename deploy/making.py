"""Making a tenant's place and recording it: for provisions and for moves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from deploy import reference
from deploy.doctor import DatabaseName
from deploy.gates import recording
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from deploy.platform import Platform
    from router.connect import Connection
    from router.words import Placement, TenantId


class PlatformPlaces:
    """Places of every tier, through the stores."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def make(
        self, tenant_id: TenantId, placement: Placement, *, admits: bool = False
    ) -> None:
        """Make a place whole, with its reference tables; repeat it after any failure."""
        await self._platform.stores[placement.tier].provision(tenant_id, placement, admits=admits)
        if placement.tier is Tier.DATABASE:
            admin = self._platform.fleet.admin_address(placement.cluster, placement.database)
            await reference.copy_to(self._platform, admin)

    @asynccontextmanager
    async def recording(self, placement: Placement) -> AsyncGenerator[Connection]:
        """Lend the transaction that records the place; a new database has all gate keys then."""
        if placement.tier is not Tier.DATABASE:
            async with self._platform.catalog.transaction() as connection:
                yield connection
            return
        name = DatabaseName(cluster=placement.cluster, database=placement.database)
        admin = self._platform.fleet.admin_address(placement.cluster, placement.database)
        async with recording(self._platform, name, admin) as connection:
            yield connection
