"""Whether a tenant is served: suspended, in maintenance, or open again, each with its audit row."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from router.catalog import audit, tenants
from router.errors import Conflict
from router.words import TenantStatus

if TYPE_CHECKING:
    from router.catalog import Catalog
    from router.catalog.tenants import TenantRecord

_OPEN, _CLOSED, _SUSPENDED = (
    TenantStatus.ACTIVE,
    TenantStatus.MAINTENANCE,
    TenantStatus.SUSPENDED,
)


class Change(StrEnum):
    """What an operator may do; the name is what the audit says."""

    SUSPEND = "tenant.suspend"
    RESUME = "tenant.resume"
    CLOSE = "tenant.maintenance_on"
    OPEN = "tenant.maintenance_off"


class WantedChange(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants what, and why."""

    change: Change
    actor: str
    reason: str | None = None


#: From which statuses each change leads where.
_WAYS = {
    Change.SUSPEND: ({_OPEN, _CLOSED, _SUSPENDED}, _SUSPENDED),
    Change.RESUME: ({_OPEN, _SUSPENDED}, _OPEN),
    Change.CLOSE: ({_OPEN, _CLOSED}, _CLOSED),
    Change.OPEN: ({_OPEN, _CLOSED}, _OPEN),
}


async def apply(catalog: Catalog, reference: str, wanted: WantedChange) -> TenantRecord:
    """Change a tenant's status; one that has it already stays so. Raises Conflict for the rest."""
    sources, target = _WAYS[wanted.change]
    async with catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        if tenant.status not in sources:
            raise Conflict(
                f"tenant {tenant.slug} is {tenant.status.value}, so it can't become {target.value}"
            )
        await tenants.set_status(connection, tenant.id, target)
        await audit.write(
            connection,
            audit.Deed(
                actor=wanted.actor,
                action=wanted.change.value,
                target=tenant.slug,
                tenant_id=tenant.id,
                reason=wanted.reason,
            ),
        )
        return await tenants.get(connection, str(tenant.id))
