"""The dispatch: a look-up by the tier of the placement, and the answer to a stale route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from router.errors import PlacementStale, TenantClosed
from router.lease import Entry, Moved, Timeouts
from router.words import Consistency, Mode, Placement, Tenant, TenantId, TenantStatus, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.fleet import Fleet
    from router.lease import Lease
    from router.store import Store

#: A tenant that moves twice while one request is on its way is followed; ten times it is not.
_ATTEMPTS_MAX = 5
_CLOSED = {
    TenantStatus.PROVISIONING: "is being provisioned",
    TenantStatus.MAINTENANCE: "is in maintenance",
    TenantStatus.SUSPENDED: "is suspended; an owner can settle that under billing",
    TenantStatus.ERASED: "was erased",
}


class Placements(Protocol):
    """What the dispatch needs of the directory."""

    def learn(self, tenant_id: TenantId, placement: Placement) -> None:
        """Remember a newer placement."""
        ...

    async def refresh(self, tenant_id: TenantId) -> Tenant | None:
        """Ask the catalog."""
        ...


class Dispatch:
    """Opens leases wherever a tenant's rows are now."""

    def __init__(
        self,
        stores: Mapping[Tier, Store],
        fleet: Fleet,
        placements: Placements,
        timeouts: Mapping[Tier, Timeouts],
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._placements = placements
        self._timeouts = timeouts

    async def open(
        self,
        tenant: Tenant,
        mode: Mode,
        consistency: Consistency = Consistency.READ_COMMITTED,
    ) -> Lease:
        """Open a lease at the tenant's placement, following it if it has moved meanwhile.

        Nothing has run when a gate refuses, so nobody notices. Raises TenantClosed when the tenant
        isn't served at all, PlacementStale when it can't be found where anybody says it is.
        """
        placement = _open_place(tenant)
        for _ in range(_ATTEMPTS_MAX):
            entry = Entry(
                tenant_id=tenant.id,
                placement=placement,
                key=self._fleet.key(placement.cluster, placement.database),
                mode=mode,
                consistency=consistency,
                timeouts=msgspec.structs.replace(
                    self._timeouts[placement.tier], statement_ms=tenant.limits.statement_timeout_ms
                ),
            )
            try:
                return await self._stores[placement.tier].lease(entry)
            except Moved as moved:
                placement = await self._follow(tenant, placement, moved)
        raise PlacementStale(
            f"tenant {tenant.id} was not at any of {_ATTEMPTS_MAX} places it was said to be"
        )

    async def _follow(self, tenant: Tenant, seen: Placement, moved: Moved) -> Placement:
        if moved.place is not None and moved.place.epoch > seen.epoch:
            self._placements.learn(tenant.id, moved.place)
            return moved.place
        known = await self._placements.refresh(tenant.id)
        if known is None:
            raise TenantClosed(f"tenant {tenant.id} was erased")
        return _open_place(known)


def _open_place(tenant: Tenant) -> Placement:
    if tenant.status is not TenantStatus.ACTIVE or tenant.placement is None:
        why = _CLOSED.get(tenant.status, "has no place yet")
        raise TenantClosed(f"tenant {tenant.slug} {why}", retry_after_s=30)
    return tenant.placement
