"""The tenant itself, as its members see it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from router.api import throttle
from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.parts import Parts
from router.api.shapes import Name, OperationShown, Word
from router.api.usage import measure
from router.catalog import archives, operations, tenants
from router.catalog.archives import ERASE
from router.catalog.operations import OperationFilter
from router.catalog.roles import Permission
from router.errors import CatalogUnreachable
from router.words import Limits, Standing, Tenant, TenantStatus, Tier


class TenantWhole(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with what its plan allows. ``usage`` is null while the catalog doesn't answer.

    ``standing`` is what it may do as far as its payments go, until the day beside it. ``ends_at``
    is the day on which it is erased, unless that is taken back.
    """

    id: UUID
    slug: str
    name: str
    status: TenantStatus
    plan: str
    tier: Tier | None
    epoch: int | None
    standing: Standing
    standing_until: datetime | None
    limits: Limits
    usage: dict[str, int] | None
    schema_revision: str | None
    operation: OperationShown | None
    ends_at: datetime | None = None


class TenantChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different; what is left out stays."""

    name: Name | UnsetType = UNSET
    slug: Word | UnsetType = UNSET


@get("/tenant", tags=["tenant"], summary="The tenant that the request names", opt={NEEDS: None})
async def show_tenant(errand: NamedDependency[MemberErrand]) -> TenantWhole:
    """`operation` is what is being done to the tenant now, if anything is."""
    return await _whole(errand.parts, errand.tenant)


@patch(
    "/tenant",
    tags=["tenant"],
    summary="Change the tenant's name or slug",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def change_tenant(
    errand: NamedDependency[MemberErrand], data: JSONBody[TenantChange]
) -> TenantWhole:
    """A slug that it had before still leads to it, and is nobody else's; five a day may be new."""
    tenant, name, slug = errand.tenant, data.name, data.slug
    if slug is not UNSET and slug != tenant.slug:
        await throttle.take(errand, throttle.RENAME, about=str(tenant.id))
        await tenants.rename_slug(await errand.connection(), tenant.id, slug)
        await errand.record("tenant.set_slug", slug, {"from": tenant.slug})
    if name is not UNSET and name.strip() != tenant.name:
        await tenants.set_name(await errand.connection(), tenant.id, name)
        await errand.record("tenant.rename", tenant.slug, {"from": tenant.name})
    await errand.commit()
    changed = await errand.parts.directory.refresh(tenant.id)
    return await _whole(errand.parts, changed or tenant)


async def _whole(parts: Parts, tenant: Tenant) -> TenantWhole:
    place = tenant.placement
    usage: dict[str, int] | None = None
    operation: OperationShown | None = None
    erased_at: datetime | None = None
    try:
        usage = {each.metric: each.used for each in await measure(parts, tenant)}
        operation = _without_error(await running_operation(parts, tenant))
        erased_at = await ends_at(parts, tenant)
        if operation is not None and (operation.kind, operation.step) == (ERASE, None):
            operation = None  # it waits for its day, which is told
    except CatalogUnreachable:
        pass  # what this process remembers is served all the same
    return TenantWhole(
        id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        status=tenant.status,
        plan=tenant.plan,
        tier=tenant.tier,
        epoch=place.epoch if place else None,
        standing=tenant.standing,
        standing_until=tenant.standing_until,
        limits=tenant.limits,
        usage=usage,
        schema_revision=await parts.revisions.revision_of(place) if place else None,
        operation=operation,
        ends_at=erased_at,
    )


async def ends_at(parts: Parts, tenant: Tenant) -> datetime | None:
    """Return the day on which the tenant is erased, if that was asked for."""
    async with parts.catalog.connection() as connection:
        planned = await archives.find_deletion(connection, tenant.id)
    return planned.due_at if planned else None


def _without_error(operation: OperationShown | None) -> OperationShown | None:
    # An attempt's error may name our servers; operators read it in theirs.
    return msgspec.structs.replace(operation, error=None) if operation else None


async def running_operation(parts: Parts, tenant: Tenant) -> OperationShown | None:
    """Return the newest operation on a tenant, unless it has ended."""
    async with parts.catalog.connection() as connection:
        page = await operations.list_page(
            connection, OperationFilter(tenant_id=tenant.id), items_max=1
        )
    latest = next(iter(page.items), None)
    if latest is None or latest.state.is_ended:
        return None
    return OperationShown.of(latest)
