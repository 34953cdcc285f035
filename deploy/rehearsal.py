"""What a move would be, before anybody asks for it: its steps, its sizes, what it may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import msgspec

from promotion.shape import shape_of
from promotion.side import Side
from promotion.sizes import measure
from promotion.steps import steps_to
from promotion.wanted import Decision, MoveTo, Nothing, SettleFirst, TurnBack, Undo
from router.catalog.move_words import MovePlace, Rehearsal
from router.errors import Conflict, Unavailable
from router.sql import load
from router.words import TenantStatus, Tier

if TYPE_CHECKING:
    from deploy.platform import Platform
    from deploy.promoting import Outcome, Promoting
    from router.catalog.move_words import TableSize
    from router.catalog.moves import By, Goal
    from router.words import Placement, Tenant

#: What is expected where no move tells better: 2,000,000 rows took 45 s on two cores, and writers
#: of 50 transactions a second waited for 19 ms.
ROWS_A_SECOND = 40_000.0
PAUSE_MS = 20.0
#: What a move takes that has nothing to copy.
REST_S = 1.0
_SQL = load("deploy", "promoting.sql")


async def rehearse(platform: Platform, promoting: Promoting, goal: Goal, by: By) -> Rehearsal:
    """Refuse what would be refused, and tell the rest; nothing is kept."""
    outcome = await promoting.rehearse(goal, by)
    placement = _placement(outcome.tenant)
    sizes = await count(platform, outcome.tenant)
    async with platform.catalog.connection() as connection:
        known = await connection.fetchrow(_SQL["experience"])
    assert known is not None, "an aggregate has a row"
    rows = sum(each.rows for each in sizes)
    does, steps = _told(outcome.decision, placement)
    copied = rows if "move" in does else 0
    tier, cluster = _target(outcome)
    return Rehearsal(
        tenant=outcome.tenant.id,
        does=does,
        source=msgspec.convert(placement, MovePlace, from_attributes=True),
        tier=tier,
        cluster=cluster,
        steps=steps,
        tables=sizes,
        rows=rows,
        bytes=sum(each.bytes for each in sizes),
        duration_s=round(REST_S + copied / (known["rows_a_second"] or ROWS_A_SECOND), 1),
        pause_ms=round(known["pause_ms"] or PAUSE_MS, 1) if does != "nothing" else 0.0,
        experience=known["moves"],
    )


async def count(platform: Platform, tenant: Tenant) -> tuple[TableSize, ...]:
    """Count a tenant's rows, table by table."""
    if tenant.status is TenantStatus.ERASED:
        raise Conflict(f"tenant {tenant.slug} was erased: it has no rows any more")
    side = Side(fleet=platform.fleet, tenant_id=tenant.id, placement=_placement(tenant))
    try:
        return await measure(side, shape_of(platform.loaded.stored))
    except (asyncpg.PostgresError, OSError) as error:
        # It is locked, very large, or has just gone elsewhere.
        raise Unavailable(
            f"the rows of tenant {tenant.slug} can't be counted now: {error}", retry_after_s=5
        ) from error


def _placement(tenant: Tenant) -> Placement:
    if tenant.placement is None:
        raise Conflict(f"tenant {tenant.slug} has no place yet")
    return tenant.placement


def _told(decision: Decision, source: Placement) -> tuple[str, tuple[str, ...]]:
    match decision:
        case MoveTo(tier, _):
            target = msgspec.structs.replace(source, tier=tier)
            return "move", tuple(step.value for step in steps_to(target))
        case Undo():
            return "undo", ()
        case SettleFirst():
            return "settle, then move", ()
        case Nothing() | TurnBack():
            return "nothing", ()


def _target(outcome: Outcome) -> tuple[Tier | None, str | None]:
    if outcome.move is not None:
        return outcome.move.target.tier, outcome.move.target.cluster
    if isinstance(outcome.decision, MoveTo):
        return outcome.decision.tier, outcome.decision.cluster
    return None, None
