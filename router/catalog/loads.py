"""Who keeps the databases busy: what gateways counted of each tenant, by the minute, for a day."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.connect import Connection
    from router.words import TenantId

_SQL = load("router.catalog", "loads.sql")
#: How long it is kept.
MINUTES_MAX = 1_440


class Measure(StrEnum):
    """By what tenants are compared."""

    BUSY = "busy"
    REQUESTS = "requests"
    WAITING = "waiting"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant's requests took since they were counted last."""

    tenant_id: TenantId
    requests: int
    busy_ms: int
    waiting_ms: int


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant and what its requests took; ``by_minute`` has the measure asked for, oldest first.

    ``busy_ms``: how long they had connections of their own. ``waiting_ms``: how long they waited
    for one and to be let in.
    """

    id: UUID
    slug: str
    name: str
    plan: str
    tier: Tier | None
    cluster: str | None
    requests: int
    busy_ms: int
    waiting_ms: int
    by_minute: tuple[int, ...]


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """The tenants that are first by a measure, over whole minutes and the one that runs."""

    begins_at: datetime
    minutes: int
    by: Measure
    items: tuple[Neighbour, ...]


async def add(connection: Connection, loads: Sequence[Load]) -> None:
    """Add what was counted to the minute that runs; tenants that are gone are left out."""
    await connection.execute(
        _SQL["add"],
        [each.tenant_id for each in loads],
        [each.requests for each in loads],
        [each.busy_ms for each in loads],
        [each.waiting_ms for each in loads],
    )


async def first(
    connection: Connection, *, minutes: int, by: Measure, cluster: str | None, items_max: int
) -> Neighbours:
    """Return who is first by a measure, the most first; who has nothing of it is not there."""
    begins_at = await connection.fetchval(_SQL["begins_at"], minutes)
    rows = await connection.fetch(_SQL["first"], begins_at, by.value, cluster, items_max)
    return Neighbours(
        begins_at=begins_at,
        minutes=minutes,
        by=by,
        items=tuple(
            Neighbour(
                id=row["id"],
                slug=row["slug"],
                name=row["name"],
                plan=row["plan"],
                tier=row["tier"] and Tier(row["tier"]),
                cluster=row["cluster"],
                requests=row["requests"],
                busy_ms=row["busy_ms"],
                waiting_ms=row["waiting_ms"],
                by_minute=_spread(row["minutes"], row["amounts"], minutes),
            )
            for row in rows
        ),
    )


async def forget_old(connection: Connection) -> None:
    """Forget what is older than a day."""
    await connection.execute(_SQL["forget_old"])


def _spread(minutes: Sequence[int], amounts: Sequence[int], length: int) -> tuple[int, ...]:
    spread = [0] * length
    for minute, amount in zip(minutes, amounts, strict=True):
        # One that began since the first question was asked is left for the next look.
        if minute < length:
            spread[minute] = amount
    return tuple(spread)
