"""The dispatch: a look-up by the tier of the placement, and the answer to a stale route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import asyncpg
import msgspec

from router.connect import is_gone
from router.errors import (
    DatabaseUnreachable,
    NotYetMigrated,
    PlacementStale,
    TablesChanged,
    TenantClosed,
)
from router.lease import Entry, Moved, Timeouts, driver_error
from router.words import (
    Consistency,
    Mode,
    Placement,
    PlaceRevision,
    Tenant,
    TenantId,
    TenantStatus,
    Tier,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.fleet import Fleet
    from router.lease import Lease
    from router.store import Store

#: A tenant that moves twice while one request is on its way is followed; ten times it is not.
_ATTEMPTS_MAX = 5
#: What PostgreSQL says of a table, a column, a type or a function that isn't there.
_LACKING = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
)
#: What it, or the driver, says of a statement that was prepared for other tables.
_OUTDATED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
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

    def revision_of(self, placement: Placement) -> PlaceRevision:
        """Return at which revision a place is, from memory."""
        ...

    def doubt_revision(self, placement: Placement) -> None:
        """Know that a place's tables aren't those that statements were prepared for."""
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
                revision=self._placements.revision_of(placement),
                timeouts=msgspec.structs.replace(
                    self._timeouts[placement.tier], statement_ms=tenant.limits.statement_timeout_ms
                ),
            )
            try:
                return await self._stores[placement.tier].lease(entry)
            except Moved as moved:
                placement = await self._follow(tenant, placement, moved.place)
            except DatabaseUnreachable as error:
                # A place that was erased has no gate left to say where its tenant went.
                known = await self._follow(tenant, placement, None) if is_gone(error) else placement
                if known == placement:
                    raise
                placement = known
        raise PlacementStale(
            f"tenant {tenant.id} was not at any of {_ATTEMPTS_MAX} places it was said to be"
        )

    def explain(self, error: Exception, lease: Lease) -> Exception:
        """Say what PostgreSQL's refusal of a statement means where tables are being migrated.

        A place that is at another revision lacks what this one has; and one whose tables changed
        since a statement was prepared has it prepared anew when the request is repeated.
        """
        cause = driver_error(error)
        seen = lease.revision
        if isinstance(cause, _LACKING):
            # Whoever was told meanwhile is right too: the statement may have run before that.
            known = self._placements.revision_of(lease.placement)
            how = seen.differs_how or known.differs_how
            return error if how is None else NotYetMigrated(f"the tenant's tables {how}")
        if isinstance(cause, _OUTDATED):
            self._placements.doubt_revision(lease.placement)
            return TablesChanged("the tenant's tables were changed at this moment; try again")
        return error

    async def _follow(self, tenant: Tenant, seen: Placement, told: Placement | None) -> Placement:
        if told is not None and told.epoch > seen.epoch:
            self._placements.learn(tenant.id, told)
            return told
        known = await self._placements.refresh(tenant.id)
        if known is None:
            raise TenantClosed(f"tenant {tenant.id} was erased")
        return _open_place(known)


def _open_place(tenant: Tenant) -> Placement:
    if tenant.status is not TenantStatus.ACTIVE or tenant.placement is None:
        why = _CLOSED.get(tenant.status, "has no place yet")
        raise TenantClosed(f"tenant {tenant.slug} {why}", retry_after_s=30)
    return tenant.placement
