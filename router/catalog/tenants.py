"""Tenants with their slugs: an old slug still leads to its tenant, and nobody else can take it."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from router.catalog import plans
from router.catalog.catalog import Page
from router.errors import Conflict, NotFound, Unprocessable
from router.names import NAME_LENGTH_MAX, check_slug, is_slug
from router.sql import load
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from router.connect import Connection

_SQL = load("router.catalog", "tenants.sql")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{4,253}}\Z){_LABEL}(?:\.{_LABEL})+")


class TenantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with what only operators look at: never on the hot path."""

    tenant: Tenant
    plan_version: int
    pinned_cluster: str | None
    pin_reason: str | None
    created_at: datetime
    changed_at: datetime


class TenantFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tenants a list shows; ``search`` is a part of the slug or of the name."""

    plan: str | None = None
    tier: Tier | None = None
    status: TenantStatus | None = None
    search: str | None = None
    cluster: str | None = None
    standing: Standing | None = None


async def create(
    connection: Connection, *, slug: str, name: str, plan: str, isolation: Isolation | None = None
) -> Tenant:
    """Record a tenant that has no place yet. One with a database to itself is strict."""
    wanted = await plans.get(connection, plan)
    await _check_free(connection, slug)
    if isolation is None or wanted.tier is Tier.DATABASE:
        isolation = Isolation.STRICT if wanted.tier is Tier.DATABASE else Isolation.SHARED
    # A random id: its first half is the key of the tenant's advisory lock (gate/gate.sql).
    tenant_id = await connection.fetchval(
        _SQL["create"], uuid4(), slug, check_name(name), isolation, wanted.name, wanted.version
    )
    if tenant_id is None:
        raise _taken(slug)
    return await get_by_id(connection, tenant_id)


async def find_by_id(connection: Connection, tenant_id: TenantId) -> Tenant | None:
    """Find a tenant by its id."""
    return _tenant_or_none(await connection.fetchrow(_SQL["find_by_id"], tenant_id))


async def find_by_slug(connection: Connection, slug: str) -> Tenant | None:
    """Find a tenant by a slug that it has or had."""
    return _tenant_or_none(await connection.fetchrow(_SQL["find_by_slug"], slug))


async def find_by_domain(connection: Connection, name: str) -> Tenant | None:
    """Find a tenant by a domain that it has proved to be its own."""
    return _tenant_or_none(await connection.fetchrow(_SQL["find_by_domain"], name))


async def find_many(connection: Connection, tenant_ids: Iterable[TenantId]) -> list[Tenant]:
    """Find those that are there, in no order."""
    return [read_tenant(row) for row in await connection.fetch(_SQL["find_many"], [*tenant_ids])]


async def page_by_id(
    connection: Connection, *, after: TenantId | None, items_max: int
) -> list[Tenant]:
    """Read all tenants in pieces, in the order of their ids."""
    rows = await connection.fetch(_SQL["page_by_id"], after, items_max)
    return [read_tenant(row) for row in rows]


async def get_by_id(connection: Connection, tenant_id: TenantId) -> Tenant:
    """Return the tenant, or raise NotFound."""
    if (tenant := await find_by_id(connection, tenant_id)) is None:
        raise NotFound(f"there is no tenant {tenant_id}")
    return tenant


async def get(connection: Connection, reference: str) -> TenantRecord:
    """Return the tenant that a slug or an id names, or raise NotFound."""
    row: asyncpg.Record | None = None
    if (tenant_id := _as_id(reference)) is not None:
        row = await connection.fetchrow(_SQL["find_by_id"], tenant_id)
    elif is_slug(reference):
        row = await connection.fetchrow(_SQL["find_by_slug"], reference)
    if row is None:
        raise NotFound(f"there is no tenant {reference[:NAME_LENGTH_MAX]!r}")
    return _record(row)


async def list_page(
    connection: Connection, chosen: TenantFilter, *, after: str | None = None, items_max: int = 50
) -> Page[TenantRecord]:
    """List tenants by slug; ``after`` is the cursor that the page before gave."""
    rows = await connection.fetch(
        _SQL["list"],
        after,
        chosen.plan,
        chosen.tier,
        chosen.status,
        chosen.search,
        chosen.cluster,
        chosen.standing,
        items_max + 1,
    )
    items = tuple(_record(row) for row in rows[:items_max])
    return Page(items=items, next=items[-1].tenant.slug if len(rows) > items_max else None)


async def set_status(connection: Connection, tenant_id: TenantId, status: TenantStatus) -> Tenant:
    """Change whether the tenant is served. Erased is final."""
    if await connection.fetchval(_SQL["set_status"], tenant_id, status) is None:
        tenant = await get_by_id(connection, tenant_id)
        raise Conflict(f"tenant {tenant.slug} was erased and can't become {status.value}")
    return await get_by_id(connection, tenant_id)


async def set_name(connection: Connection, tenant_id: TenantId, name: str) -> Tenant:
    """Change the name that people read."""
    await connection.fetchval(_SQL["set_name"], tenant_id, check_name(name))
    return await get_by_id(connection, tenant_id)


async def set_isolation(
    connection: Connection, tenant_id: TenantId, isolation: Isolation
) -> Tenant:
    """Change whose login ought to serve the tenant; a move makes it true."""
    await connection.fetchval(_SQL["set_isolation"], tenant_id, isolation)
    return await get_by_id(connection, tenant_id)


async def set_plan(connection: Connection, tenant_id: TenantId, plan: str) -> Tenant:
    """Set what the tenant pays for, at the plan's current version. Its placement stays for now."""
    wanted = await plans.get(connection, plan)
    await connection.fetchval(_SQL["set_plan"], tenant_id, wanted.name, wanted.version)
    return await get_by_id(connection, tenant_id)


async def pin(
    connection: Connection,
    tenant_id: TenantId,
    *,
    tier: Tier | None,
    cluster: str | None,
    reason: str,
) -> Tenant:
    """Hold the tenant's tier, its cluster or both against its plan."""
    assert tier is not None or cluster is not None, "a pin holds something"
    if not reason.strip():
        raise Unprocessable("a pin needs a reason: say who wants it and why")
    await connection.fetchval(_SQL["pin"], tenant_id, tier, cluster, reason)
    return await get_by_id(connection, tenant_id)


async def unpin(connection: Connection, tenant_id: TenantId) -> Tenant:
    """Let the plan decide again."""
    await connection.fetchval(_SQL["pin"], tenant_id, None, None, None)
    return await get_by_id(connection, tenant_id)


async def rename_slug(connection: Connection, tenant_id: TenantId, slug: str) -> Tenant:
    """Give the tenant a new slug; needs a transaction. One that it had before is still its own."""
    current = await connection.fetchval(_SQL["lock"], tenant_id)
    if current is None:
        raise NotFound(f"there is no tenant {tenant_id}")
    if current != slug:
        await _check_free(connection, slug)
        await connection.execute(_SQL["retire_slug"], tenant_id)
        if await connection.fetchval(_SQL["take_slug"], tenant_id, slug) is None:
            raise _taken(slug)
        await connection.execute(_SQL["set_slug"], tenant_id, slug)
    return await get_by_id(connection, tenant_id)


async def check_free(connection: Connection, slug: str) -> None:
    """Raise what speaks against a slug for a new tenant; another one may take it a moment later."""
    await _check_free(connection, slug)
    if await find_by_slug(connection, slug) is not None:
        raise _taken(slug)


async def reserve_slugs(connection: Connection, slugs: Sequence[str], *, reason: str) -> None:
    """Keep slugs from ever naming a tenant; whoever has one keeps it."""
    await connection.execute(_SQL["reserve_slugs"], sorted(slugs), reason)


async def old_slugs(connection: Connection) -> list[tuple[str, TenantId]]:
    """Read every slug that isn't its tenant's current one."""
    return [(row["slug"], row["tenant_id"]) for row in await connection.fetch(_SQL["old_slugs"])]


async def domains(connection: Connection) -> list[tuple[str, TenantId]]:
    """Read every domain that is served."""
    return [(row["name"], row["tenant_id"]) for row in await connection.fetch(_SQL["domains"])]


def is_domain(name: str) -> bool:
    """Tell whether a text could be a domain name: cheap enough for every host."""
    return _DOMAIN.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Return the name that people read, when it is one."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise Unprocessable(
            f"a name must have 1 to {NAME_LENGTH_MAX} characters, not {len(name)}", field="name"
        )
    if not name.isprintable():
        raise Unprocessable("a name may not hold control characters", field="name")
    return name


def read_tenant(row: asyncpg.Record) -> Tenant:
    """Make the value of a row of catalog.tenant_known; what tenants have in common is shared."""
    return Tenant(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        status=TenantStatus(row["status"]),
        isolation=Isolation(row["isolation"]),
        plan=sys.intern(row["plan"]),
        limits=_limits(row["limits"]),
        placement=_placement(row),
        pinned_tier=Tier(row["pinned_tier"]) if row["pinned_tier"] else None,
        standing=Standing(row["standing"]) if row["standing"] else Standing.GOOD,
        standing_until=row["standing_until"],
    )


def _tenant_or_none(row: asyncpg.Record | None) -> Tenant | None:
    return None if row is None else read_tenant(row)


def _placement(row: asyncpg.Record) -> Placement | None:
    if row["tier"] is None:
        return None
    return Placement(
        tier=Tier(row["tier"]),
        cluster=sys.intern(row["cluster"]),
        database=sys.intern(row["database"]),
        schema=sys.intern(row["schema_name"]),
        login=sys.intern(row["login"]),
        epoch=row["epoch"],
    )


def _record(row: asyncpg.Record) -> TenantRecord:
    return TenantRecord(
        tenant=read_tenant(row),
        plan_version=row["plan_version"],
        pinned_cluster=row["pinned_cluster"],
        pin_reason=row["pin_reason"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )


@lru_cache(maxsize=1_000)
def _limits(text: str) -> Limits:
    return msgspec.json.decode(text, type=Limits)


def _as_id(reference: str) -> UUID | None:
    try:
        return UUID(reference)
    except ValueError:
        return None


async def _check_free(connection: Connection, slug: str) -> None:
    check_slug(slug)
    reason = await connection.fetchval(_SQL["is_reserved"], slug)
    if reason is not None:
        raise Unprocessable(
            f"the slug {slug!r} is reserved ({reason}); choose another one", field="slug"
        )


def _taken(slug: str) -> Conflict:
    return Conflict(f"the slug {slug!r} is taken; choose another one", field="slug")
