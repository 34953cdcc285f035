"""The store of tier ``rows``: shared tables; a tenant's place is one row of gate.home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.database import SHARED_SCHEMA, admit, drop_login, forget, make_login, shut
from router.fleet import APP_LOGIN
from router.lease import open_lease
from router.names import random_name
from router.stored_rows import stored_rows
from router.words import Isolation, Placement, Tier

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from router.fleet import Fleet
    from router.lease import Entry, Lease
    from router.pool import PoolLimits
    from router.product.stored_form import StoredForm
    from router.sources import Sources
    from router.stored_rows import StoredRows
    from router.words import Cluster, TenantId

#: What a tenant's own login may do here: call the gate, and use the shared tables through it.
_GROUPS = ("stepwell_login", "stepwell_rows")


class RowsStore:
    """Shared tables. Every tenant of one database is served over the same few connections."""

    tier = Tier.ROWS

    def __init__(
        self, fleet: Fleet, sources: Sources, stored: StoredForm, *, limits: PoolLimits
    ) -> None:
        self._fleet = fleet
        self._sources = sources
        self._stored = stored
        self._limits = limits

    def draw(self, cluster: Cluster, isolation: Isolation) -> Placement:
        """Draw a placement in the cluster's shared tables; a strict tenant gets its own login."""
        return Placement(
            tier=Tier.ROWS,
            cluster=cluster.name,
            database=cluster.shared_database,
            schema=SHARED_SCHEMA,
            login=APP_LOGIN if isolation is Isolation.SHARED else random_name("l_"),
            epoch=1,
        )

    async def provision(
        self,
        tenant_id: TenantId,
        placement: Placement,
        *,
        admits: bool = True,
        revision: str | None = None,  # noqa: ARG002 - the tables are at one already
    ) -> None:
        """Let the tenant in; the tables are there already."""
        async with self._fleet.admin(placement.cluster, placement.database) as connection:
            if placement.login != APP_LOGIN:
                await make_login(
                    connection,
                    placement.login,
                    password=self._fleet.password(placement.cluster, placement.login),
                    groups=_GROUPS,
                    database=placement.database,
                )
            if admits:
                await admit(connection, tenant_id, placement)

    async def lease(self, entry: Entry) -> Lease:
        """Open one transaction over the shared connections, or over the strict tenant's own."""
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
        """Shut the gate, then delete the tenant's rows from every shared table."""
        async with self._fleet.admin(placement.cluster, placement.database) as connection:
            await shut(connection, tenant_id)
            async with self.rows(tenant_id, placement) as rows:
                counts = await rows.delete_all()
            await forget(connection, tenant_id)
            if placement.login != APP_LOGIN:
                await drop_login(connection, placement.login)
        return counts
