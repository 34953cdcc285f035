"""The calls about what was used and what may be: statements for members, limits for operators."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from billing import allowances, overrides
from billing.allowances import Allowances
from billing.overrides import Grant, LimitChanges, Override
from billing.statement import Statement, state
from router.api import router_behind
from router.api.door import NEEDS, admit_member, admit_operator
from router.api.errand import Errand, MemberErrand
from router.api.ops import Reference
from router.api.parts import Parts
from router.api.shapes import List
from router.api.usage import Metric, measure
from router.catalog import tenants
from router.catalog.roles import Permission
from router.months import Month, month_of, read_month
from router.words import Tenant, TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ControllerRouterHandler

MonthName = Annotated[
    str | None, QueryParameter(max_length=20, description="As 2026-11; this month by default.")
]
WithEnded = Annotated[bool, QueryParameter(description="Show those that have ended, too.")]


class NewOverride(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which limits are to be other than the plan's, and until when; without end when null."""

    limits: LimitChanges
    until: Annotated[datetime, Meta(tz=True)] | None = None


def usage_routers(parts: Parts) -> list[Router]:
    """Make the routes; each kind of caller has its own door."""
    return [
        router_behind(parts, admit_member, _MEMBERS),
        router_behind(parts, admit_operator, _OPERATORS, path="/api/ops"),
    ]


@get(
    "/usage/statement",
    tags=["tenant"],
    summary="A month's usage, added up from the ledger's entries",
    opt={NEEDS: Permission.BILLING_READ},
)
async def show_statement(
    errand: NamedDependency[MemberErrand], month: MonthName = None
) -> Statement:
    """By metric and day. `differences` names each hour whose totals the ledger doesn't bear out."""
    return await _statement(errand, errand.tenant.id, month)


@get("/tenants/{tenant:str}/usage", tags=["operators"], summary="What a tenant uses of what it may")
async def show_ops_usage(errand: NamedDependency[Errand], tenant: Reference) -> List[Metric]:
    """The tenant's own `GET /api/usage`."""
    return List(items=await measure(errand.parts, await _find(errand, tenant)))


@get(
    "/tenants/{tenant:str}/usage/statement",
    tags=["operators"],
    summary="A tenant's month, added up from the ledger's entries",
)
async def show_ops_statement(
    errand: NamedDependency[Errand], tenant: Reference, month: MonthName = None
) -> Statement:
    """Of an erased tenant too: the ledger outlives it."""
    found = await _find(errand, tenant)
    return await _statement(errand, found.id, month)


@post(
    "/tenants/{tenant:str}/limits",
    status_code=201,
    tags=["operators"],
    summary="Give a tenant limits other than its plan's",
)
async def give_limits(
    errand: NamedDependency[Errand], tenant: Reference, data: JSONBody[NewOverride]
) -> Override:
    """They hold at once, over those of earlier overrides, until they end."""
    connection = await errand.connection()
    found = (await tenants.get(connection, tenant)).tenant
    grant = Grant(
        tenant_id=found.id,
        limits=data.limits,
        reason=errand.reason or "",
        made_by=errand.actor,
        expires_at=data.until,
    )
    given = await overrides.give(connection, grant)
    await _tell(errand, "limits.give", given)
    return given


@get(
    "/tenants/{tenant:str}/limits",
    tags=["operators"],
    summary="Limits that a tenant was given beside its plan's",
)
async def list_limits(
    errand: NamedDependency[Errand], tenant: Reference, *, ended: WithEnded = False
) -> List[Override]:
    """The newest first: it lies on top."""
    found = await _find(errand, tenant)
    async with errand.parts.catalog.connection() as connection:
        listed = await overrides.list_all(connection, found.id, with_ended=ended)
    return List(items=listed)


@get(
    "/tenants/{tenant:str}/allowances",
    tags=["operators"],
    summary="Each limit of a tenant: its plan's, what holds, and what is used",
)
async def show_allowances(errand: NamedDependency[Errand], tenant: Reference) -> Allowances:
    """With the override that makes the difference, and its end."""
    async with errand.parts.catalog.connection() as connection:
        return await allowances.read(connection, await tenants.get(connection, tenant))


@delete(
    "/tenants/{tenant:str}/limits/{override_id:uuid}",
    status_code=200,
    tags=["operators"],
    summary="Let the plan's limits hold again",
)
async def end_limits(
    errand: NamedDependency[Errand], tenant: Reference, override_id: FromPath[UUID]
) -> Override:
    """What was given is kept, with the time of its end."""
    connection = await errand.connection()
    found = (await tenants.get(connection, tenant)).tenant
    ended = await overrides.end(connection, override_id, tenant_id=found.id)
    await _tell(errand, "limits.end", ended)
    return ended


_MEMBERS: Sequence[ControllerRouterHandler] = (show_statement,)
_OPERATORS: Sequence[ControllerRouterHandler] = (
    show_ops_usage,
    show_ops_statement,
    give_limits,
    list_limits,
    show_allowances,
    end_limits,
)


async def _statement(errand: Errand, tenant_id: TenantId, month: str | None) -> Statement:
    wanted: Month = month_of(datetime.now(UTC)) if month is None else read_month(month)
    async with errand.parts.catalog.connection() as connection:
        return await state(connection, tenant_id, wanted)


async def _find(errand: Errand, reference: str) -> Tenant:
    async with errand.parts.catalog.connection() as connection:
        return (await tenants.get(connection, reference)).tenant


async def _tell(errand: Errand, action: str, override: Override) -> None:
    tenant_id = override.tenant_id
    await errand.note(action, override.id, tenant_id=tenant_id, detail=overrides.told(override))
    # This gateway heeds the change before it answers, the others within a second.
    errand.behind(lambda: errand.parts.directory.refresh(tenant_id))
