"""The documents that ``--json`` writes: their keys are kept from release to release."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog.latest import Lately
from router.words import Isolation, Standing, TenantStatus, Tier

if TYPE_CHECKING:
    from router.catalog.operations import Operation
    from router.catalog.tenants import TenantRecord


class PlacementDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tenant's rows are."""

    tier: Tier
    cluster: str
    database: str
    schema: str
    epoch: int


class OperationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of recorded work."""

    id: UUID
    kind: str
    state: str
    step: str | None
    attempts: int
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation) -> OperationDocument:
        """Leave out what only runners look at."""
        return cls(
            id=operation.id,
            kind=operation.kind,
            state=operation.state.value,
            step=operation.step,
            attempts=operation.attempts,
            error=operation.error,
            created_at=operation.created_at,
            finished_at=operation.finished_at,
        )


class TenantDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as operators see it."""

    id: UUID
    slug: str
    name: str
    status: TenantStatus
    plan: str
    plan_version: int
    tier: Tier | None
    isolation: Isolation
    pinned_tier: Tier | None
    pinned_cluster: str | None
    pin_reason: str | None
    placement: PlacementDocument | None
    created_at: datetime
    changed_at: datetime
    standing: Standing = Standing.GOOD
    operation: OperationDocument | None = None
    lately: Lately | None = None

    @classmethod
    def of(
        cls,
        record: TenantRecord,
        *,
        operation: OperationDocument | None = None,
        lately: Lately | None = None,
    ) -> TenantDocument:
        """Flatten a record; the login of its placement is the platform's own."""
        tenant, place = record.tenant, record.tenant.placement
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            status=tenant.status,
            plan=tenant.plan,
            plan_version=record.plan_version,
            tier=tenant.tier,
            isolation=tenant.isolation,
            pinned_tier=tenant.pinned_tier,
            pinned_cluster=record.pinned_cluster,
            pin_reason=record.pin_reason,
            placement=msgspec.convert(place, PlacementDocument, from_attributes=True)
            if place
            else None,
            created_at=record.created_at,
            changed_at=record.changed_at,
            standing=tenant.standing,
            operation=operation,
            lately=lately,
        )


def fields_of(document: TenantDocument) -> dict[str, object]:
    """Spell a tenant for people: what is nested becomes one line."""
    place, operation = document.placement, document.operation
    fields: dict[str, object] = {
        "slug": document.slug,
        "name": document.name,
        "id": document.id,
        "status": document.status.value,
        "plan": f"{document.plan} (version {document.plan_version})",
        "standing": document.standing.value.replace("_", " "),
        "isolation": document.isolation.value,
        "placement": place
        and f"{place.tier.value}: {place.cluster}/{place.database}/{place.schema},"
        f" epoch {place.epoch}",
    }
    if document.pin_reason is not None:
        pin = ", ".join(filter(None, (document.pinned_tier, document.pinned_cluster)))
        fields["pin"] = f"{pin}: {document.pin_reason}"
    if operation is not None:
        fields["operation"] = f"{operation.kind} {operation.state}" + (
            f": {operation.error}" if operation.error else ""
        )
    fields["created"] = f"{document.created_at:%Y-%m-%d %H:%M:%S} UTC"
    return fields
