"""The store of tier ``database``: a database with a random name on a dedicated cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.database import (
    admit,
    drop_database,
    drop_login,
    make_database,
    make_login,
    make_schema,
    prepare_database,
    shut,
)
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

#: The schema of the tenant's tables in its own database: there is nobody to hide its name from.
DATA_SCHEMA = "data"
_GROUPS = ("stepwell_login",)


class DatabaseStore:
    """A database a tenant, entered by that tenant's login alone: always ``strict``."""

    tier = Tier.DATABASE

    def __init__(
        self,
        fleet: Fleet,
        sources: Sources,
        stored: StoredForm,
        *,
        limits: PoolLimits,
        blueprint: Blueprint,
    ) -> None:
        self._fleet = fleet
        self._sources = sources
        self._stored = stored
        self._limits = limits
        self._blueprint = blueprint

    def draw(self, cluster: Cluster, isolation: Isolation) -> Placement:  # noqa: ARG002 - both have their own login here
        """Draw a database and a login on the cluster."""
        return Placement(
            tier=Tier.DATABASE,
            cluster=cluster.name,
            database=random_name("d_"),
            schema=DATA_SCHEMA,
            login=random_name("l_"),
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
        """Make the login, the database, its gate and its tables, and let the tenant in.

        CREATE DATABASE can't be part of a transaction: each part looks first whether it was made.
        """
        cluster = self._fleet.cluster(placement.cluster)
        async with self._fleet.admin(placement.cluster, cluster.maintenance_database) as connection:
            await make_login(
                connection,
                placement.login,
                password=self._fleet.password(placement.cluster, placement.login),
                groups=_GROUPS,
            )
            await make_database(connection, placement.database)
        async with self._fleet.admin(placement.cluster, placement.database) as connection:
            await prepare_database(
                connection,
                login=placement.login,
                key=self._fleet.key(placement.cluster, placement.database),
                blueprint=self._blueprint,
            )
            await make_schema(
                connection,
                placement.schema,
                tier=Tier.DATABASE,
                grantee=placement.login,
                blueprint=self._blueprint.at(revision),
            )
            if admits:
                await admit(connection, tenant_id, placement)

    async def lease(self, entry: Entry) -> Lease:
        """Open one transaction over the tenant's own connections."""
        place = entry.placement
        source = self._sources.get(
            (self.tier, place.cluster, place.database, place.login, 0),
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
        """Shut the gate, count the rows, then drop the database and the login."""
        async with self._fleet.admin(placement.cluster, placement.database) as connection:
            await shut(connection, tenant_id)
            async with self.rows(tenant_id, placement) as rows:
                counts = {each.table: each.rows for each in await rows.digests()}
        cluster = self._fleet.cluster(placement.cluster)
        async with self._fleet.admin(placement.cluster, cluster.maintenance_database) as connection:
            await drop_database(connection, placement.database)
            await drop_login(connection, placement.login)
        return counts
