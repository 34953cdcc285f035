"""The operators' calls about tenants. Each change says why (X-Reason), in its audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from router.api.errand import Errand
from router.api.invitations import InvitationMade, letter_of
from router.api.parts import AgreedPlan, BillingTold
from router.api.shapes import Email, Limit, List, Name, OperationShown, Word
from router.api.tenant import ends_at, running_operation
from router.api.usage import storage_bytes
from router.catalog import invitations, latest, members, tenants
from router.catalog.latest import Lately
from router.catalog.tenants import TenantFilter, TenantRecord
from router.connect import Connection
from router.errors import Conflict
from router.words import (
    Isolation,
    Limits,
    Placement,
    Standing,
    Tenant,
    TenantId,
    TenantStatus,
    Tier,
)

CONTRACT_LENGTH_MAX = 500
Reference = Annotated[str, PathParameter(description="The tenant's slug or id.", max_length=200)]
Filter = Annotated[str | None, QueryParameter(max_length=200)]


class NewTenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was sold to whom. ``contract`` is the operators' own reference.

    With one the plan is agreed: it stands over whatever the tenant buys.
    """

    name: Name
    slug: Word
    plan: Word
    owner_email: Email
    cluster: Word | None = None
    contract: Annotated[str, Meta(max_length=CONTRACT_LENGTH_MAX)] | None = None


class PlanChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the tenant pays for from now on."""

    plan: Word


class Maintenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the tenant is closed for maintenance."""

    on: bool = True


class OpsPlacement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tenant's rows are."""

    tier: Tier
    cluster: str
    database: str
    schema: str
    epoch: int

    @classmethod
    def of(cls, placement: Placement) -> OpsPlacement:
        """Show a placement, without its login."""
        return cls(
            tier=placement.tier,
            cluster=placement.cluster,
            database=placement.database,
            schema=placement.schema,
            epoch=placement.epoch,
        )


class OpsTenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as operators see it; ``placement`` is null until it has a place.

    ``members``, ``size_bytes``, ``billing``, ``operation`` and ``ends_at`` take a question each, so
    lists leave them null; so is the size in shared tables, and while the tenant is closed.
    ``ends_at`` is the day on which it is erased, unless that is taken back. ``lately`` is what was
    counted and measured of it before; null in the answers of changes.
    """

    id: UUID
    slug: str
    name: str
    status: TenantStatus
    plan: str
    plan_version: int
    limits: Limits
    standing: Standing
    standing_until: datetime | None
    isolation: Isolation
    pinned_tier: Tier | None
    pinned_cluster: str | None
    pin_reason: str | None
    placement: OpsPlacement | None
    created_at: datetime
    changed_at: datetime
    members: int | None = None
    size_bytes: int | None = None
    billing: BillingTold | None = None
    operation: OperationShown | None = None
    ends_at: datetime | None = None
    lately: Lately | None = None

    @classmethod
    def of(cls, record: TenantRecord) -> OpsTenant:
        """Show a tenant."""
        tenant = record.tenant
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            status=tenant.status,
            plan=tenant.plan,
            plan_version=record.plan_version,
            limits=tenant.limits,
            standing=tenant.standing,
            standing_until=tenant.standing_until,
            isolation=tenant.isolation,
            pinned_tier=tenant.pinned_tier,
            pinned_cluster=record.pinned_cluster,
            pin_reason=record.pin_reason,
            placement=OpsPlacement.of(tenant.placement) if tenant.placement else None,
            created_at=record.created_at,
            changed_at=record.changed_at,
        )


class Onboarded(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant, and the operation that makes its place.

    ``invitation`` is there for an owner whose address nobody has proved: send its token there.
    """

    tenant: OpsTenant
    operation: OperationShown
    invitation: InvitationMade | None


@post("/tenants", status_code=202, tags=["operators"], summary="Onboard a tenant")
async def onboard(errand: NamedDependency[Errand], data: JSONBody[NewTenant]) -> Onboarded:
    """Answers when all is recorded; the operation goes on behind it."""
    connection = await errand.connection()
    tenant = await tenants.create(connection, slug=data.slug, name=data.name, plan=data.plan)
    operation = await errand.parts.provisioning.record(connection, tenant, cluster=data.cluster)
    invitation = await invitations.make_owner(connection, tenant.id, data.owner_email)
    if invitation is not None:
        site_url = errand.parts.site_url
        await errand.write(letter_of(invitation, tenant=tenant, site_url=site_url))
    detail: dict[str, object] = {"plan": tenant.plan, "owner": data.owner_email}
    if data.contract:
        detail["contract"] = data.contract
        agreed = AgreedPlan(plan=data.plan, reason=data.contract)
        await errand.parts.billing.agree(connection, tenant, agreed)
    await errand.note("tenant.create", tenant.id, tenant_id=tenant.id, detail=detail)
    record = await tenants.get(connection, str(tenant.id))
    errand.behind(lambda: errand.parts.provisioning.start(operation.id))
    return Onboarded(
        tenant=OpsTenant.of(record),
        operation=OperationShown.of(operation),
        invitation=InvitationMade.of(invitation) if invitation else None,
    )


@get("/tenants", tags=["operators"], summary="Tenants, by slug")
async def list_tenants(  # noqa: PLR0913 - each argument is one filter of the query
    errand: NamedDependency[Errand],
    *,
    plan: Filter = None,
    tier: FromQuery[Tier | None] = None,
    status: FromQuery[TenantStatus | None] = None,
    search: Filter = None,
    cluster: Filter = None,
    standing: FromQuery[Standing | None] = None,
    limit: Limit = 50,
    after: Filter = None,
) -> List[OpsTenant]:
    """`search` is a part of the slug or of the name. `lately` says how busy and large they are."""
    chosen = TenantFilter(
        plan=plan, tier=tier, status=status, search=search, cluster=cluster, standing=standing
    )
    async with errand.parts.catalog.connection() as connection:
        page = await tenants.list_page(connection, chosen, after=after, items_max=limit)
        lately = await _lately(errand, connection, page.items)
    shown = [
        msgspec.structs.replace(OpsTenant.of(record), lately=lately.get(record.tenant.id))
        for record in page.items
    ]
    return List(items=shown, next=page.next)


@get("/tenants/{tenant:str}", tags=["operators"], summary="One tenant, with its size")
async def show_ops_tenant(
    errand: NamedDependency[Errand],
    tenant: Reference,
    *,
    size: Annotated[
        bool,
        QueryParameter(
            description="False: its size isn't asked for where its rows are, nor `lately` counted."
        ),
    ] = True,
) -> OpsTenant:
    """By slug, by a former slug, or by id."""
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        record = await tenants.get(connection, tenant)
        count = await members.count(connection, record.tenant.id)
        lately = await _lately(errand, connection, [record] if size else [])
    return msgspec.structs.replace(
        OpsTenant.of(record),
        members=count,
        size_bytes=await storage_bytes(parts, record.tenant) if size else None,
        billing=await parts.billing.told(record.tenant),
        operation=await running_operation(parts, record.tenant),
        ends_at=await ends_at(parts, record.tenant),
        lately=lately.get(record.tenant.id),
    )


@post("/tenants/{tenant:str}/plan", status_code=200, tags=["operators"], summary="Change a plan")
async def set_plan(
    errand: NamedDependency[Errand], tenant: Reference, data: JSONBody[PlanChange]
) -> OpsTenant:
    """Its limits hold at once; a worker moves the rows to its tier, unless a pin holds them.

    What operators set stands over what the tenant buys, until `DELETE …/contract` releases it.
    """
    found, connection = await _get(errand, tenant), await errand.connection()
    agreed = AgreedPlan(plan=data.plan, reason=errand.reason or "")
    await errand.parts.billing.agree(connection, found, agreed)
    # The same plan again is its current version, and moves are looked at anew.
    await tenants.set_plan(connection, found.id, data.plan)
    detail: dict[str, object] = {"from": found.plan, "to": data.plan}
    await errand.note("tenant.plan", found.id, tenant_id=found.id, detail=detail)
    return await _shown(errand, found.id)


@post(
    "/tenants/{tenant:str}/suspend", status_code=200, tags=["operators"], summary="Suspend a tenant"
)
async def suspend(errand: NamedDependency[Errand], tenant: Reference) -> OpsTenant:
    """Nothing of its product is served until it is resumed; its people can still log in."""
    return await _set_status(errand, tenant, TenantStatus.SUSPENDED, "tenant.suspend")


@post(
    "/tenants/{tenant:str}/resume", status_code=200, tags=["operators"], summary="Resume a tenant"
)
async def resume(errand: NamedDependency[Errand], tenant: Reference) -> OpsTenant:
    """Ends a suspension or a maintenance."""
    return await _set_status(errand, tenant, TenantStatus.ACTIVE, "tenant.resume")


@post(
    "/tenants/{tenant:str}/maintenance",
    status_code=200,
    tags=["operators"],
    summary="Begin or end a tenant's maintenance",
)
async def maintain(
    errand: NamedDependency[Errand], tenant: Reference, data: JSONBody[Maintenance]
) -> OpsTenant:
    """While it lasts, requests to the product get 503 with Retry-After."""
    wanted = TenantStatus.MAINTENANCE if data.on else TenantStatus.ACTIVE
    return await _set_status(errand, tenant, wanted, "tenant.maintenance")


async def _set_status(
    errand: Errand, reference: str, wanted: TenantStatus, action: str
) -> OpsTenant:
    found = await _get(errand, reference)
    if found.placement is None:
        raise Conflict(f"tenant {found.slug} has no place yet: it is {found.status.value}")
    if found.status is TenantStatus.SUSPENDED and action == "tenant.maintenance":
        raise Conflict(f"tenant {found.slug} is suspended: resume it first")
    await tenants.set_status(await errand.connection(), found.id, wanted)
    detail: dict[str, object] = {"from": found.status.value, "to": wanted.value}
    await errand.note(action, found.id, tenant_id=found.id, detail=detail)
    return await _shown(errand, found.id)


async def _lately(
    errand: Errand, connection: Connection, records: Sequence[TenantRecord]
) -> dict[TenantId, Lately]:
    ids = [record.tenant.id for record in records]
    return await latest.of(connection, ids, revisions=errand.parts.migrating.revisions)


async def _get(errand: Errand, reference: str) -> Tenant:
    return (await tenants.get(await errand.connection(), reference)).tenant


async def _shown(errand: Errand, tenant_id: TenantId) -> OpsTenant:
    # This gateway heeds the change before it answers, the others within a second.
    errand.behind(lambda: errand.parts.directory.refresh(tenant_id))
    return OpsTenant.of(await tenants.get(await errand.connection(), str(tenant_id)))
