"""What a tenant may, limit by limit: by its plan, by what it was given beside, and what is used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from billing import overrides
from router.catalog import members, plans, usage
from router.catalog.usage import API_CALLS, STORAGE_BYTES
from router.months import month_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing.overrides import Override
    from router.catalog.tenants import TenantRecord
    from router.connect import Connection
    from router.words import Limits, Plan, Tenant

API_CALLS_LIMIT: Final = "api_calls_per_month"
SEATS_LIMIT: Final = "seats"
STORAGE_LIMIT: Final = "storage_bytes"
FEATURES: Final = "features"
#: The limits that are numbers, as they are listed.
NAMES: Final = (
    API_CALLS_LIMIT,
    SEATS_LIMIT,
    STORAGE_LIMIT,
    "requests_per_second",
    "requests_at_once",
    "statement_timeout_ms",
)


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: what holds, what the plan says, and the override that makes the difference.

    A limit of null is by contract. ``used`` is null where nothing is counted; ``until`` where the
    override lasts until it is ended.
    """

    limit: str
    used: int | None
    allowed: int | None
    by_plan: int | None
    override: UUID | None = None
    until: datetime | None = None
    reason: str | None = None


class Allowances(msgspec.Struct, frozen=True, kw_only=True):
    """All limits of one tenant, and the features beside those of its plan."""

    tenant: UUID
    plan: str
    plan_version: int
    limits: tuple[Allowance, ...]
    features: tuple[str, ...]
    features_by_plan: tuple[str, ...]
    features_override: UUID | None


async def read(connection: Connection, record: TenantRecord) -> Allowances:
    """Read all limits of a tenant as they hold now; storage as it was measured last."""
    tenant = record.tenant
    plan = await plans.get_version(connection, tenant.plan, record.plan_version)
    now = datetime.now(UTC)
    given = [
        each
        for each in await overrides.list_all(connection, tenant.id)
        if each.expires_at is None or each.expires_at > now
    ]
    return lay_out(tenant, plan, given, await _used(connection, tenant))


def lay_out(
    tenant: Tenant, plan: Plan, given: Sequence[Override], used: Mapping[str, int]
) -> Allowances:
    """Set the limits that hold beside those of the plan; ``given`` has the newest first."""
    features = _holding(given, FEATURES)
    return Allowances(
        tenant=tenant.id,
        plan=plan.name,
        plan_version=plan.version,
        limits=tuple(_allowance(name, tenant.limits, plan, given, used) for name in NAMES),
        features=tenant.limits.features,
        features_by_plan=plan.limits.features,
        features_override=features.id if features else None,
    )


def _allowance(
    name: str, limits: Limits, plan: Plan, given: Sequence[Override], used: Mapping[str, int]
) -> Allowance:
    allowed: int | None = getattr(limits, name)
    by_plan: int | None = getattr(plan.limits, name)
    override = _holding(given, name)
    return Allowance(
        limit=name,
        used=used.get(name),
        allowed=allowed,
        by_plan=by_plan,
        override=override.id if override else None,
        until=override.expires_at if override else None,
        reason=override.reason if override else None,
    )


def _holding(given: Sequence[Override], name: str) -> Override | None:
    """Return the newest override that names a limit: it lies on top."""
    return next((each for each in given if getattr(each.limits, name) is not UNSET), None)


async def _used(connection: Connection, tenant: Tenant) -> dict[str, int]:
    counted = await usage.counted(connection, tenant.id, month_of(datetime.now(UTC)))
    used = {
        API_CALLS_LIMIT: counted.get(API_CALLS, 0),
        SEATS_LIMIT: await members.count(connection, tenant.id),
    }
    storage = await usage.measured(connection, tenant.id, STORAGE_BYTES)
    return used if storage is None else {**used, STORAGE_LIMIT: storage.quantity}
