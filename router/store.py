"""The contract of a store: one isolation model, able to provision, serve, prove and erase a tenant.

Three stores keep it (pool_tier.rows, pool_tier.schemas, dedicated_tier), and one suite of tests
runs over all of them: tests/stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from router.lease import Entry, Lease
    from router.stored_rows import StoredRows
    from router.words import Cluster, Isolation, Placement, TenantId, Tier


class Store(Protocol):
    """One isolation model."""

    tier: Tier

    def draw(self, cluster: Cluster, isolation: Isolation) -> Placement:
        """Draw a placement on a cluster, at epoch 1; nothing is made yet."""
        ...

    async def provision(
        self,
        tenant_id: TenantId,
        placement: Placement,
        *,
        admits: bool = True,
        revision: str | None = None,
    ) -> None:
        """Make the placement and let the tenant in. Repeat it after any failure.

        A move makes a place that ``admits`` nobody, and opens it itself at the decision. Tables
        that are made are of a ``revision`` of the product, the newest one unless it is named.
        """
        ...

    async def lease(self, entry: Entry) -> Lease:
        """Open one transaction of one tenant; raises lease.Moved when it isn't there."""
        ...

    def rows(
        self, tenant_id: TenantId, placement: Placement
    ) -> AbstractAsyncContextManager[StoredRows]:
        """Read, write and prove a tenant's rows as the platform, in one transaction."""
        ...

    async def erase(self, tenant_id: TenantId, placement: Placement) -> Mapping[str, int]:
        """Remove the tenant and its place; returns the rows that each table had."""
        ...
