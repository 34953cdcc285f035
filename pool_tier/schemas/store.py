"""The store of tier ``schema``: a schema with a random name in a shared database."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from router.database import admit, drop_login, drop_schema, forget, make_login, make_schema, shut
from router.fleet import APP_LOGIN
from router.lease import open_lease
from router.names import random_name
from router.stored_rows import stored_rows
from router.words import Isolation, Placement, Tier

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from router.database import Blueprint
    from router.fleet import Fleet
    from router.lease import Entry, Lease
    from router.pool import PoolLimits
    from router.product.stored_form import StoredForm
    from router.sources import Sources
    from router.stored_rows import StoredRows
    from router.words import Cluster, TenantId

_GROUPS = ("stepwell_login",)


class SchemasStore:
    """A schema a tenant, pinned to a sub-pool, so that no backend ever sees them all.

    Each schema that a backend has touched costs it some 30 kB for as long as it lives.
    """

    tier = Tier.SCHEMA

    def __init__(  # noqa: PLR0913 - what every store needs, and two things of its own
        self,
        fleet: Fleet,
        sources: Sources,
        stored: StoredForm,
        *,
        limits: PoolLimits,
        blueprint: Blueprint,
        subpools: int,
    ) -> None:
        self._fleet = fleet
        self._sources = sources
        self._stored = stored
        self._limits = limits
        self._blueprint = blueprint
        self._subpools = subpools

    def draw(self, cluster: Cluster, isolation: Isolation) -> Placement:
        """Draw a schema in the cluster's shared database; a strict tenant gets its own login."""
        return Placement(
            tier=Tier.SCHEMA,
            cluster=cluster.name,
            database=cluster.shared_database,
            schema=random_name("s_"),
            login=APP_LOGIN if isolation is Isolation.SHARED else random_name("l_"),
            epoch=1,
        )

    async def provision(
        self,
        tenant_id: TenantId,
        placement: Placement,
        *,
        admits: bool = True,
        revision: str | None = None,
    ) -> None:
        """Make the schema with all its tables in one transaction, and let the tenant in."""
        async with self._fleet.admin(placement.cluster, placement.database) as connection:
            if placement.login != APP_LOGIN:
                await make_login(
                    connection,
                    placement.login,
                    password=self._fleet.password(placement.cluster, placement.login),
                    groups=_GROUPS,
                    database=placement.database,
                )
            await make_schema(
                connection,
                placement.schema,
                tier=Tier.SCHEMA,
                grantee=placement.login,
                blueprint=self._blueprint.at(revision),
            )
            if admits:
                await admit(connection, tenant_id, placement)

    async def lease(self, entry: Entry) -> Lease:
        """Open one transaction over the sub-pool that the tenant's schema is pinned to."""
        place = entry.placement
        subpool = zlib.crc32(place.schema.encode()) % self._subpools
        source = self._sources.get(
            (self.tier, place.cluster, place.database, place.login, subpool),
            lambda: self._fleet.login_address(place, entry.lasting_settings()),
            self._limits,
        )
        return await open_lease(entry, source)

    def rows(
        self, tenant_id: TenantId, placement: Placement
    ) -> AbstractAsyncContextManager[StoredRows]:
        """Read, write and prove a tenant's rows as the platform."""
        return stored_rows(self._fleet, self._stored, tenant_id, placement)

    async def erase(self, tenant_id: TenantId, placement: Placement) -> dict[str, int]:
        """Shut the gate, count the rows, then drop the schema."""
        async with self._fleet.admin(placement.cluster, placement.database) as connection:
            await shut(connection, tenant_id)
            async with self.rows(tenant_id, placement) as rows:
                counts = {each.table: each.rows for each in await rows.digests()}
            await drop_schema(connection, placement.schema)
            await forget(connection, tenant_id)
            if placement.login != APP_LOGIN:
                await drop_login(connection, placement.login)
        return counts
