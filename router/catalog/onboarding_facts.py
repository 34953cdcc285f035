"""What the catalog says of the things that an onboarding names, read in one go."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from router.catalog import clusters, moves, onboardings, operations, plans, tenants
from router.catalog.clusters import ClusterState
from router.catalog.move_words import Stage as MoveStage
from router.catalog.onboarding_steps import Facts
from router.catalog.onboarding_words import Onboarding, PlaceKind, Receipt, Source, Stage, Terms
from router.catalog.operations import Operation, OperationState
from router.errors import PlatformError, RequestRefused
from router.words import ClusterRole, Tenant, TenantStatus, Tier

if TYPE_CHECKING:
    from uuid import UUID

    from router.catalog.onboarding_words import Place
    from router.connect import Connection

CLUSTER_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
ARCHIVE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.zip")
_ON_ITS_WAY = {MoveStage.MOVING, MoveStage.TURNING_BACK, MoveStage.UNDOING}


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Above these a second person approves: minor units a year, seats."""

    amount_max: int
    seats_max: int

    def ask_for_two(self, terms: Terms) -> bool:
        """Tell whether terms are beyond what one person may agree."""
        return terms.amount_a_year > self.amount_max or (terms.seats or 0) > self.seats_max


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The facts, with the things themselves for whoever shows them."""

    facts: Facts
    tenant: Tenant | None = None
    operation: Operation | None = None
    checking: Operation | None = None
    receipt: Receipt | None = None


async def read_facts(
    connection: Connection, onboarding: Onboarding, thresholds: Thresholds
) -> Seen:
    """Look everything up."""
    given, tenant = onboarding.document, None
    if onboarding.tenant_id is not None:
        tenant = await tenants.get_by_id(connection, onboarding.tenant_id)
    operation = await _operation(connection, given.begun)
    checking = await _operation(connection, given.checking)
    receipt = await onboardings.newest_receipt(connection, onboarding.id)
    place = None if tenant is None else tenant.placement
    at_work = checking if onboarding.stage is Stage.ACCEPTANCE else operation
    facts = Facts(
        needs_approval=thresholds.ask_for_two(given.terms),
        plan_says=await _plan_says(connection, given.terms),
        cluster_says=await _cluster_says(connection, onboarding),
        source_says=None if tenant else await _source_says(connection, onboarding),
        has_secret=onboarding.secret is not None,
        is_registered=given.is_registered,
        tenant_at=None if place is None else (place.tier, place.cluster),
        is_served=tenant is not None and tenant.status is TenantStatus.ACTIVE,
        is_moving=tenant is not None and await _is_moving(connection, tenant, operation),
        is_checking=checking is not None and not checking.state.is_ended,
        trouble=_trouble(at_work),
        has_receipt=None if receipt is None else receipt.has_passed,
        today=datetime.now(UTC).date(),
    )
    return Seen(facts=facts, tenant=tenant, operation=operation, checking=checking, receipt=receipt)


async def _operation(connection: Connection, operation_id: UUID | None) -> Operation | None:
    return None if operation_id is None else await operations.get(connection, operation_id)


async def _is_moving(connection: Connection, tenant: Tenant, operation: Operation | None) -> bool:
    going = await moves.find_open(connection, tenant.id)
    if going is not None and going.stage in _ON_ITS_WAY:
        return True
    return tenant.placement is None and operation is not None and not operation.state.is_ended


def _trouble(operation: Operation | None) -> str | None:
    if operation is None or operation.state not in {
        OperationState.FAILED,
        OperationState.CANCELLED,
    }:
        return None
    return operation.error or f"it was {operation.state.value}: begin again"


async def _plan_says(connection: Connection, terms: Terms) -> str | None:
    try:
        plan = await plans.get(connection, terms.plan)
    except RequestRefused as error:
        return error.detail
    if plan.tier is Tier.DATABASE:
        return None
    return f"the plan {plan.name} has no database of its own: choose one that has"


async def _cluster_says(connection: Connection, onboarding: Onboarding) -> str | None:
    place = onboarding.document.place
    if not place.cluster:
        is_own = place.kind is PlaceKind.OWN
        return "name the cluster that it becomes" if is_own else "choose a cluster"
    if place.kind is PlaceKind.OWN and not onboarding.document.is_registered:
        is_name = CLUSTER_NAME.fullmatch(place.cluster) is not None
        return None if is_name else "1 to 40 of a-z, 0-9 and -, a letter first"
    return await _room_says(connection, place)


async def _room_says(connection: Connection, place: Place) -> str | None:
    known = {each.cluster.name: each for each in await clusters.list_all(connection)}
    found = known.get(place.cluster)
    if found is None or found.cluster.role is not ClusterRole.DEDICATED:
        return "there is no dedicated cluster of that name"
    is_own = place.kind is PlaceKind.OWN
    if found.cluster.is_reserved and not is_own:
        return "it is a customer's own server: choose another one"
    if found.state is not ClusterState.ACCEPTING:
        return "it takes no tenants now: choose another one"
    if found.tenants >= found.cluster.capacity:
        return "it is full: choose another one, or have its capacity raised"
    return None


async def _source_says(connection: Connection, onboarding: Onboarding) -> str | None:
    given = onboarding.document.data
    try:
        match given.source:
            case Source.WORKSPACE:
                return await _workspace_says(connection, onboarding)
            case Source.ARCHIVE if ARCHIVE_NAME.fullmatch(given.archive) is None:
                return "name a file of the archive folder, as acme.zip"
            case Source.NEW | Source.ARCHIVE:
                await tenants.check_free(connection, given.slug)
                return None
    except PlatformError as error:
        return error.detail


async def _workspace_says(connection: Connection, onboarding: Onboarding) -> str | None:
    workspace = onboarding.document.data.workspace
    if not workspace:
        return "name the workspace that they have already"
    tenant = (await tenants.get(connection, workspace)).tenant
    if tenant.status is not TenantStatus.ACTIVE:
        return f"{tenant.slug} is {tenant.status.value}: it can't move"
    await onboardings.check_not_taken(connection, onboarding, tenant.id)
    return None
