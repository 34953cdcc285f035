"""How moves begin: an operator's goal or the reconcile's look, decided by the same function.

A move is recorded in one transaction with the pin that asked for it. Before that the target's
cluster is asked whether it answers, outside of any transaction.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from deploy.rehearsal import count, rehearse
from promotion.wanted import (
    Decision,
    MoveTo,
    Nothing,
    SettleFirst,
    Subject,
    TurnBack,
    Undo,
    decide,
)
from router.catalog import audit, clusters, moves, operations, tenants
from router.catalog.move_words import Move, Stage
from router.catalog.moves import Begun, By, Goal, MoveFilter, WantedMove
from router.catalog.moving import ACTOR
from router.catalog.operations import OperationState
from router.errors import Conflict, DatabaseUnreachable, Unavailable, Unprocessable
from router.sql import load
from router.words import Tenant, TenantId, Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.platform import Platform
    from router.catalog.move_words import Rehearsal, TableSize
    from router.catalog.operations import Operation
    from router.catalog.tenants import TenantRecord
    from router.connect import Connection

#: How long a move that failed isn't begun again by itself.
FAILURE_REST = timedelta(minutes=10)
#: How long a request waits for an earlier move to be settled.
SETTLE_WAIT_S_MAX = 20.0
_LOOK_S = 0.05
_PROBE = "SELECT 1"
_SQL = load("deploy", "promoting.sql")
_log = structlog.get_logger("stepwell.promoting")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided for a tenant, and what came of it; ``cluster`` is where a new move leads."""

    tenant: Tenant
    decision: Decision
    cluster: str | None = None
    move: Move | None = None
    operation: Operation | None = None


class _Rehearsed(Exception):
    """Ends a transaction that was only to show what would come of it."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Promoting:
    """Records moves, undoings and settlings as plans, pins and operators want them."""

    def __init__(self, platform: Platform, *, settle_wait_s_max: float = SETTLE_WAIT_S_MAX) -> None:
        self._platform = platform
        self._catalog = platform.catalog
        self._settle_wait_s_max = settle_wait_s_max

    async def check(self, goal: Goal, by: By) -> str | None:
        """Refuse a goal that can't be reached; return the cluster it leads to, which answers."""
        outcome = await self.rehearse(goal, by)
        if outcome.cluster is not None:
            await self._probe(outcome.cluster)
        return outcome.cluster

    async def rehearse(self, goal: Goal, by: By) -> Outcome:
        """Tell what would come of a goal; nothing of it is kept."""
        try:
            async with self._catalog.transaction() as connection:
                raise _Rehearsed(await self._pursue(connection, goal, by, cluster=None))  # noqa: TRY301 - nothing else takes a transaction back
        except _Rehearsed as rehearsed:
            return rehearsed.outcome

    async def foresee(self, goal: Goal, by: By) -> Rehearsal:
        """Tell operators what would come of a goal, and what it may take; nothing is kept."""
        return await rehearse(self._platform, self, goal, by)

    async def sizes(self, tenant: Tenant) -> tuple[TableSize, ...]:
        """Count a tenant's rows, table by table; raises Unavailable where that takes too long."""
        return await count(self._platform, tenant)

    async def record(
        self, connection: Connection, goal: Goal, by: By, *, cluster: str | None
    ) -> Begun:
        """Pin the tenant, or take its pins away, and record what brings it there.

        Needs a transaction; ``cluster`` is what ``check`` returned.
        """
        outcome = await self._pursue(connection, goal, by, cluster=cluster)
        return Begun(
            tenant=outcome.tenant,
            operation=outcome.operation,
            is_settling=isinstance(outcome.decision, SettleFirst),
        )

    async def begin(self, goal: Goal, by: By) -> Begun:
        """Do all of it: check, record, and wait where an earlier move must be settled first."""
        cluster = await self.check(goal, by)
        async with self._catalog.transaction() as connection:
            begun = await self.record(connection, goal, by, cluster=cluster)
        if not begun.is_settling:
            return begun
        return await self.after_settling(begun)

    async def after_settling(self, begun: Begun) -> Begun:
        """Wait until the earlier move is settled and the wanted one recorded, here or elsewhere."""
        assert begun.operation is not None, "settling is an operation"
        end_s = time.monotonic() + self._settle_wait_s_max
        while time.monotonic() < end_s:
            async with self._catalog.connection() as connection:
                earlier = await moves.get(connection, begun.operation.id)
            _check_settling(earlier)
            if earlier.stage is Stage.ENDED:
                return await self._follow_up(begun.tenant, earlier)
            await asyncio.sleep(_LOOK_S)
        raise Unavailable(
            f"the earlier move of tenant {begun.tenant.slug} is still being settled; the wanted "
            "one begins by itself after that: ask again to hear of it",
            retry_after_s=5,
        )

    async def _follow_up(self, tenant: Tenant, earlier: Move) -> Begun:
        """Record what is wanted after a move that is settled, or find what a worker recorded."""
        await self.reconcile(tenant.id)
        async with self._catalog.connection() as connection:
            page = await moves.list_page(connection, MoveFilter(tenant_id=tenant.id), items_max=1)
            latest = page.items[0]
            if latest.id == earlier.id:
                raise Conflict(f"tenant {tenant.slug} is wanted where it is by now")
            operation = await operations.get(connection, latest.id)
        return Begun(tenant=tenant, operation=operation)

    async def reconcile(self, tenant_id: TenantId) -> Outcome:
        """Bring one tenant nearer to where its plan and pins want it."""
        async with self._catalog.transaction() as connection:
            record, decision = await self._consider(connection, tenant_id)
            cluster = None
            if isinstance(decision, MoveTo):
                wanted = self._wanted(record, decision, decision.cluster)
                found = await moves.find_target(connection, wanted)
                cluster = None if isinstance(found, Move) else found.name
        if isinstance(decision, Nothing):
            return Outcome(tenant=record.tenant, decision=decision)
        if cluster is not None:
            await self._probe(cluster)
        async with self._catalog.transaction() as connection:
            # Once more, under the tenant's lock: two workers look at the same time.
            await moves.hold_tenant(connection, tenant_id)
            record, decision = await self._consider(connection, tenant_id)
            return await self._heed(connection, record, decision, cluster=cluster)

    async def _consider(
        self, connection: Connection, tenant_id: TenantId
    ) -> tuple[TenantRecord, Decision]:
        record = await tenants.get(connection, str(tenant_id))
        subject = await read_subject(connection, record.tenant)
        return record, decide(subject, await moves.find_open(connection, tenant_id))

    async def _heed(
        self,
        connection: Connection,
        record: TenantRecord,
        decision: Decision,
        *,
        cluster: str | None,
    ) -> Outcome:
        by, operation = _reason(record), None
        match decision:
            case MoveTo():
                wanted = self._wanted(record, decision, decision.cluster or cluster)
                outcome = await self._record(connection, record.tenant, wanted)
                return msgspec.structs.replace(outcome, decision=decision)
            case Undo(move_id):
                operation = await moves.record_undo(connection, move_id, by)
            case SettleFirst(move_id):
                operation = await moves.settle_now(connection, move_id, by)
            case TurnBack(move_id):
                await moves.request_cancel(connection, move_id, by)
            case Nothing():
                pass
        return Outcome(tenant=record.tenant, decision=decision, operation=operation)

    async def _pursue(
        self, connection: Connection, goal: Goal, by: By, *, cluster: str | None
    ) -> Outcome:
        tenant = (await tenants.get(connection, goal.tenant)).tenant
        await moves.hold_tenant(connection, tenant.id)
        await _pin(connection, tenant, goal, by)
        subject = await read_subject(connection, tenant)
        going = await moves.find_open(connection, tenant.id)
        decision = decide(msgspec.structs.replace(subject, is_held_off=False), going)
        operation: Operation | None = None
        if goal.holds and isinstance(decision, Undo | SettleFirst):
            raise _not_held(tenant, decision)
        match decision:
            case Undo(move_id):
                operation = await moves.record_undo(connection, move_id, by)
            case SettleFirst(move_id):
                operation = await moves.settle_now(connection, move_id, by)
            case MoveTo() | TurnBack() | Nothing():
                return await self._go(connection, tenant, _Asked(goal, by, subject, going), cluster)
        return Outcome(tenant=tenant, decision=decision, operation=operation)

    async def _go(
        self, connection: Connection, tenant: Tenant, asked: _Asked, cluster: str | None
    ) -> Outcome:
        """Record a move, find the one that goes there already, or say why neither can be."""
        going, subject = asked.going, asked.subject
        if going is not None and going.stage is Stage.SETTLING and going.settle is not None:
            operation = await moves.settle_now(connection, going.id, asked.by)
            if not _is_home(subject):
                return Outcome(tenant=tenant, decision=SettleFirst(going.id), operation=operation)
        is_still = going is None or going.stage in {Stage.DECIDED, Stage.SETTLING}
        if asked.goal.tier is None and _is_home(subject) and is_still:
            return Outcome(tenant=tenant, decision=Nothing())
        wanted = WantedMove(
            tenant_id=tenant.id,
            tier=subject.pinned_tier or subject.plan_tier,
            cluster=subject.pinned_cluster or cluster,
            by=asked.by,
            revision=self._platform.blueprint.head,
            holds=asked.goal.holds,
        )
        return await self._record(connection, tenant, wanted)

    async def _record(self, connection: Connection, tenant: Tenant, wanted: WantedMove) -> Outcome:
        decision = MoveTo(wanted.tier, wanted.cluster)
        found = await moves.find_target(connection, wanted)
        if isinstance(found, Move):
            # It goes there already: its own cluster is what was wanted.
            wanted = msgspec.structs.replace(wanted, cluster=found.target.cluster)
            move = await moves.record(connection, wanted, found.target)
            cluster = None
        else:
            place = self._platform.stores[wanted.tier].draw(found, tenant.isolation)
            move, cluster = await moves.record(connection, wanted, place), found.name
        operation = await operations.get(connection, move.id)
        return Outcome(
            tenant=tenant, decision=decision, cluster=cluster, move=move, operation=operation
        )

    def _wanted(self, record: TenantRecord, decision: MoveTo, cluster: str | None) -> WantedMove:
        return WantedMove(
            tenant_id=record.tenant.id,
            tier=decision.tier,
            cluster=cluster,
            by=_reason(record),
            revision=self._platform.blueprint.head,
        )

    async def _probe(self, cluster: str) -> None:
        known = self._platform.fleet.cluster(cluster)
        try:
            async with self._platform.fleet.admin(cluster, known.maintenance_database) as admin:
                await admin.execute(_PROBE)
        except DatabaseUnreachable as error:
            _log.warning("cluster doesn't answer", cluster=cluster, reason=error.detail)
            raise Unavailable(
                f"cluster {cluster} doesn't answer, so nobody is moved there now"
            ) from error


class _Asked(msgspec.Struct, frozen=True):
    goal: Goal
    by: By
    subject: Subject
    going: Move | None


async def read_subject(connection: Connection, tenant: Tenant) -> Subject:
    """Read what the plan and the pins want of a tenant."""
    row = await connection.fetchrow(_SQL["subject"], tenant.id, ACTOR, FAILURE_REST)
    assert row is not None, "a tenant has a plan"
    return Subject(
        status=tenant.status,
        placement=tenant.placement,
        plan_tier=Tier(row["plan_tier"]),
        pinned_tier=Tier(row["pinned_tier"]) if row["pinned_tier"] else None,
        pinned_cluster=row["pinned_cluster"],
        is_held_off=row["is_held_off"],
    )


async def list_recent(connection: Connection, within: timedelta) -> list[TenantId]:
    """Return the tenants where something happened of late, or is under way."""
    return [row["id"] for row in await connection.fetch(_SQL["recent"], within)]


async def list_misplaced(
    connection: Connection,
    among: Sequence[TenantId] | None,
    *,
    after: TenantId | None,
    items_max: int,
) -> list[TenantId]:
    """Return tenants, of all or among some, that aren't and don't go where they are wanted."""
    rows = await connection.fetch(_SQL["misplaced"], among, after, items_max)
    return [row["id"] for row in rows]


async def _pin(connection: Connection, tenant: Tenant, goal: Goal, by: By) -> None:
    if goal.cluster is not None and await clusters.find(connection, goal.cluster) is None:
        raise Unprocessable(f"there is no cluster {goal.cluster[:40]!r}")
    is_pin = goal.tier is not None or goal.cluster is not None
    if is_pin:
        await tenants.pin(
            connection, tenant.id, tier=goal.tier, cluster=goal.cluster, reason=by.reason
        )
    else:
        await tenants.unpin(connection, tenant.id)
    deed = audit.Deed(
        actor=by.actor,
        action="tenant.pin" if is_pin else "tenant.unpin",
        target=tenant.slug,
        tenant_id=tenant.id,
        reason=by.reason,
        detail={"tier": goal.tier, "cluster": goal.cluster} if is_pin else {},
        request_id=by.request_id,
    )
    await audit.write(connection, deed)


def _not_held(tenant: Tenant, decision: Undo | SettleFirst) -> Conflict:
    if isinstance(decision, Undo):
        return Conflict(
            f"tenant {tenant.slug} would go back where it came from, which copies nothing and "
            "stops nowhere: settle its last move first, or ask without a hold"
        )
    return Conflict(
        f"tenant {tenant.slug} has a move that must be settled before the next one, which can only "
        f"be held once it is recorded: settle the move {decision.move} first"
    )


def _check_settling(earlier: Move) -> None:
    if earlier.settle is not None and earlier.settle.state is OperationState.FAILED:
        raise Conflict(
            f"the earlier move {earlier.told()} can't be settled: {earlier.settle.error}"
        )


def _is_home(subject: Subject) -> bool:
    alone = msgspec.structs.replace(subject, is_held_off=False)
    return isinstance(decide(alone, None), Nothing)


def _reason(record: TenantRecord) -> By:
    wish = record.pin_reason or f"its plan is {record.tenant.plan}"
    return By(actor=ACTOR, reason=wish)
