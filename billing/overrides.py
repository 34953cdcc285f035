"""Limit overrides: what one tenant may have beyond its plan, or less, until a day, and why.

The directory's view of a tenant lays them over the plan's limits, the newest on top, so they hold
on every gateway within a second. Each is ended once, by hand or by the clock, and kept.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID, uuid4

import msgspec
import structlog
from msgspec import UNSET, Meta, UnsetType

from router.catalog import audit, tenants
from router.errors import Conflict, NotFound, Unprocessable
from router.sql import load
from router.words import TenantStatus

if TYPE_CHECKING:
    import asyncpg

    from router.catalog import Catalog
    from router.connect import Connection
    from router.words import TenantId

REASON_LENGTH_MAX: Final = 500
ITEMS_MAX: Final = 200
EXPIRE_S: Final = 5.0
ACTOR: Final = "worker"
_SQL = load("billing", "overrides.sql")
_log = structlog.get_logger("stepwell.overrides")

#: What every counter of ours can hold exactly.
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]
Feature = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,59}$")]


class LimitChanges(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The limits that are other than the plan's; null takes a limit away.

    ``features`` names all that the tenant is to have, those of its plan too.
    """

    api_calls_per_month: Number | None | UnsetType = UNSET
    seats: Number | None | UnsetType = UNSET
    storage_bytes: Number | None | UnsetType = UNSET
    statement_timeout_ms: Milliseconds | UnsetType = UNSET
    requests_per_second: Number | None | UnsetType = UNSET
    requests_at_once: Number | None | UnsetType = UNSET
    features: Annotated[list[Feature], Meta(max_length=50)] | UnsetType = UNSET


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be given to whom, by whom and why. ``expires_at`` of None is until it is ended."""

    tenant_id: UUID
    limits: LimitChanges
    reason: str
    made_by: str
    expires_at: datetime | None = None


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """An override as it is kept."""

    id: UUID
    tenant_id: UUID
    limits: LimitChanges
    reason: str
    made_by: str
    made_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None


def read_limits(given: dict[str, object]) -> LimitChanges:
    """Read limits by name, numbers spelled as texts too; the error says which one is wrong."""
    known = LimitChanges.__struct_fields__
    if unknown := sorted(set(given) - set(known)):
        raise Unprocessable(f"there is no limit {unknown[0][:60]!r}; choose of {', '.join(known)}")
    try:
        return msgspec.convert(given, LimitChanges, strict=False)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"a limit is wrong: {error}") from error


async def give(connection: Connection, grant: Grant) -> Override:
    """Lay limits over those of a tenant's plan; needs a transaction."""
    if grant.limits == LimitChanges():
        raise Unprocessable("an override needs a limit: say which one, and what it is to be")
    if not 1 <= len(grant.reason.strip()) <= REASON_LENGTH_MAX:
        raise Unprocessable(f"an override needs a reason of 1 to {REASON_LENGTH_MAX} characters")
    if grant.expires_at is not None and grant.expires_at <= datetime.now(UTC):
        raise Unprocessable(f"an override can't end in the past: {grant.expires_at:%Y-%m-%d %H:%M}")
    tenant = await tenants.get_by_id(connection, grant.tenant_id)
    if tenant.status is TenantStatus.ERASED:
        raise Conflict(f"tenant {tenant.slug} was erased and has no limits any more")
    row = await connection.fetchrow(
        _SQL["give"],
        uuid4(),
        grant.tenant_id,
        msgspec.json.encode(grant.limits).decode(),
        grant.reason.strip(),
        grant.made_by,
        grant.expires_at,
    )
    assert row is not None, "an INSERT returns its row"
    return _override(row)


async def list_all(
    connection: Connection, tenant_id: TenantId, *, with_ended: bool = False
) -> list[Override]:
    """List a tenant's overrides, the newest first."""
    rows = await connection.fetch(_SQL["list"], tenant_id, with_ended, ITEMS_MAX)
    return [_override(row) for row in rows]


async def end(
    connection: Connection, override_id: UUID, *, tenant_id: TenantId | None = None
) -> Override:
    """Let the plan's limits hold again; raises NotFound for what isn't there or has ended."""
    row = await connection.fetchrow(_SQL["end"], override_id, tenant_id)
    if row is None:
        raise NotFound(f"no override {override_id} holds: it was never given, or has ended")
    return _override(row)


async def end_expired(connection: Connection) -> list[Override]:
    """End what has expired, each with its line in the audit; needs a transaction."""
    ended = [_override(row) for row in await connection.fetch(_SQL["end_expired"])]
    for override in ended:
        deed = audit.Deed(
            actor=ACTOR,
            action="limits.expire",
            target=str(override.id),
            tenant_id=override.tenant_id,
            reason=override.reason,
            detail=told(override),
        )
        await audit.write(connection, deed)
    return ended


async def keep_expiring(catalog: Catalog) -> None:
    """End overrides as they expire, until cancelled: directories hear of it by that."""
    while True:
        async with catalog.transaction() as connection:
            ended = await end_expired(connection)
        for override in ended:
            _log.info("override expired", override=str(override.id), tenant=str(override.tenant_id))
        await asyncio.sleep(EXPIRE_S)


def told(override: Override) -> dict[str, object]:
    """Say what an override holds, for the audit."""
    detail: dict[str, object] = {"limits": msgspec.to_builtins(override.limits)}
    if override.expires_at is not None:
        detail["until"] = override.expires_at.isoformat()
    return detail


def _override(row: asyncpg.Record) -> Override:
    return Override(
        id=row["id"],
        tenant_id=row["tenant_id"],
        limits=msgspec.json.decode(row["limits"], type=LimitChanges),
        reason=row["reason"],
        made_by=row["made_by"],
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
    )
