"""Moves: what operators and the reconcile may ask of them, and what is refused.

Everything here needs a transaction; what a runner records is in moving.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import msgspec

from router.catalog import audit, clusters, operations, tenants, waves
from router.catalog.catalog import Page
from router.catalog.clusters import ClusterState
from router.catalog.move_words import (
    MOVE,
    UNDO,
    Hold,
    Move,
    Receipt,
    Stage,
    Standing,
    TableProof,
    Wanted,
    place_told,
)
from router.catalog.operations import NewOperation, Operation, OperationState
from router.errors import Conflict, NotFound, Unprocessable
from router.sql import load
from router.words import Cluster, ClusterRole, Placement, Tenant, TenantId, TenantStatus, Tier

if TYPE_CHECKING:
    import asyncpg

    from router.connect import Connection

_SQL = load("router.catalog", "moves.sql")
_RETRY_AFTER_S = 1
_PAUSES_LOOKED_AT = 50
#: How long it may take at least until a migration has come to a place.
_MIGRATED_AFTER_S = 60
_StructT = TypeVar("_StructT")


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and why: for the audit."""

    actor: str
    reason: str
    request_id: str | None = None


class WantedMove(Wanted, frozen=True, kw_only=True):
    """Who is to go there, and who wants it; without a cluster the tenant stays where it can."""

    tenant_id: TenantId
    by: By
    #: Rows are moved at this revision of the product only; None doesn't look at it.
    revision: str | None = None
    #: It stops before its switch, until somebody says the word.
    holds: bool = False


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for. ``tenant`` is a slug or an id; without a tier the plan decides.

    ``holds``: the move stops before its switch, until somebody says the word.
    """

    tenant: str
    tier: Tier | None
    cluster: str | None = None
    holds: bool = False


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a goal: an operation, or none where the tenant is as it ought to be.

    ``is_settling``: the operation settles an earlier move, and the wanted one can't be recorded
    before that is done.
    """

    tenant: Tenant
    operation: Operation | None
    is_settling: bool = False


class MoveFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which moves a list shows."""

    tenant_id: TenantId | None = None
    is_open: bool = False


class AboutMove(msgspec.Struct, frozen=True, kw_only=True):
    """What the data of the operations of kind keep, undo and settle always hold."""

    move: UUID


async def get(connection: Connection, move_id: UUID) -> Move:
    """Return the move that has this id, or one of whose operations has it; or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], move_id)
    if row is None:
        raise NotFound(f"there is no move {move_id}")
    return _move(row)


async def find_open(connection: Connection, tenant_id: TenantId) -> Move | None:
    """Return the one move of a tenant that something is left to do for."""
    row = await connection.fetchrow(_SQL["find_open"], tenant_id)
    return None if row is None else _move(row)


async def find_decided(connection: Connection, tenant_id: TenantId) -> Move | None:
    """Return the last move that brought a tenant elsewhere, taken back since or not."""
    row = await connection.fetchrow(_SQL["find_decided"], tenant_id)
    return None if row is None else _move(row)


async def usual_pause_ms(connection: Connection) -> float | None:
    """Return for how long the last moves of all tenants held writes; None before there was one."""
    usual: float | None = await connection.fetchval(_SQL["usual_pause"], _PAUSES_LOOKED_AT)
    return usual


async def list_page(
    connection: Connection, chosen: MoveFilter, *, before: UUID | None = None, items_max: int = 50
) -> Page[Move]:
    """List moves, the newest first; ``before`` is the cursor that the last page gave."""
    rows = await connection.fetch(
        _SQL["list"], chosen.tenant_id, chosen.is_open, before, items_max + 1
    )
    items = tuple(_move(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


async def hold_tenant(connection: Connection, tenant_id: TenantId) -> None:
    """Make whoever else decides about this tenant's moves wait until the transaction ends."""
    await connection.execute(_SQL["hold_tenant"], tenant_id)


async def find_target(connection: Connection, wanted: WantedMove) -> Cluster | Move:
    """Return the cluster to draw a place on, locked; or the open move that goes there already.

    Raises RequestRefused or Unavailable, each with its reason, for what can't be.
    """
    tenant, source = await _movable(connection, wanted.tenant_id)
    going = await find_open(connection, tenant.id)
    if wanted.is_met_by(source) and (going is None or going.stage is Stage.DECIDED):
        raise Conflict(f"tenant {tenant.slug} is in tier {place_told(source)} already")
    if going is not None:
        if going.stage is Stage.MOVING and wanted.is_met_by(going.target):
            return going
        raise _open(tenant, going)
    await _no_wave(connection, tenant, source)
    await _check_revision(connection, f"tenant {tenant.slug}", source, wanted)
    role = role_of(wanted.tier)
    if wanted.cluster in {None, source.cluster}:
        home = await _home(connection, source.cluster, role)
        if home is not None:
            return home
    return await clusters.choose(connection, role, cluster=wanted.cluster)


async def record(connection: Connection, wanted: WantedMove, target: Placement) -> Move:
    """Record a move to a place that was drawn and not made; its epoch is set here.

    Asked twice for one tenant, it returns the same move; one that failed goes on. Raises as
    ``find_target``.
    """
    chosen = await find_target(connection, msgspec.structs.replace(wanted, cluster=target.cluster))
    if isinstance(chosen, Move):
        await _wake_failed(connection, chosen.operation)
        return await _hold_back(connection, chosen, wanted)
    tenant, source = await _movable(connection, wanted.tenant_id)
    if wanted.tier is not target.tier:
        raise Unprocessable(f"a place in tier {target.tier.value} isn't in {wanted.tier.value}")
    await _no_wave(connection, tenant, target)
    if target.tier is Tier.ROWS:
        await _check_revision(connection, "the cluster's shared tables", target, wanted)
    target = msgspec.structs.replace(target, epoch=source.epoch + 1)
    operation = await operations.begin(
        connection, NewOperation(kind=MOVE, tenant_id=tenant.id, cluster=target.cluster)
    )
    await connection.execute(
        _SQL["record"],
        operation.id,
        tenant.id,
        encoded(source),
        encoded(target),
        wanted.by.actor,
        wanted.by.reason,
    )
    detail: dict[str, object] = {"from": place_told(source), "to": place_told(target)}
    recorded = await get(connection, operation.id)
    await note(connection, recorded, "move.record", wanted.by, detail)
    return await _hold_back(connection, recorded, wanted)


async def request_cancel(connection: Connection, move_id: UUID, by: By) -> Move:
    """Have a move turned back before its decision; one that nobody has begun ends at once."""
    move = await locked(connection, move_id)
    if move.stage is Stage.TURNING_BACK:
        return move
    if move.stage is not Stage.MOVING:
        way_out = "undo it instead" if move.stage is Stage.DECIDED else "nothing is left to cancel"
        raise Conflict(f"the move {move.told()} is {spelled(move)}: {way_out}")
    await connection.execute(_SQL["request_cancel"], move.id, by.actor)
    await note(connection, move, "move.cancel", by)
    if await connection.fetchval(_SQL["end_unbegun"], move.id) is None:
        await connection.execute(_SQL["wake"], move.id)
    return await get(connection, move.id)


async def record_undo(connection: Connection, move_id: UUID, by: By) -> Operation:
    """Record that a decided move is to be taken back without copying; one that failed goes on.

    The operation's data are an AboutMove: whoever adds to them keeps ``move``.
    """
    move = await locked(connection, move_id)
    if move.stage is Stage.UNDOING and move.undo is not None:
        await _wake_failed(connection, move.undo)
        return await operations.get(connection, move.undo.id)
    _assert_decided(move, "undone")
    assert move.settle is not None, "a decided move has its settling"
    if await connection.fetchval(_SQL["stop_settling"], move.settle.id) is None:
        raise Conflict(f"the move {move.told()} is being settled: its source is being erased")
    tenant = await tenants.get_by_id(connection, move.tenant_id)
    await _no_wave(connection, tenant, move.source, move.target)
    await stop_keeping(connection, move.id)
    operation = await operations.begin(
        connection,
        NewOperation(kind=UNDO, tenant_id=move.tenant_id, data=AboutMove(move=move.id)),
    )
    await connection.execute(_SQL["set_undo"], move.id, operation.id, by.actor)
    await note(connection, move, "move.undo", by)
    return operation


async def settle_now(connection: Connection, move_id: UUID, by: By) -> Operation:
    """Have the source of a decided move erased without further delay; then nothing is undone."""
    move = await locked(connection, move_id)
    if move.stage is not Stage.SETTLING:
        _assert_decided(move, "settled")
        if await connection.fetchval(_SQL["settle_now"], move.id) is not None:
            await note(connection, move, "move.settle", by)
    assert move.settle is not None, "a decided move has its settling"
    await connection.execute(_SQL["wake"], move.settle.id)
    return await operations.get(connection, move.settle.id)


async def stop_keeping(connection: Connection, move_id: UUID) -> None:
    """Have nobody bring changes to a move's source any more: it is gone back to, or erased.

    A keeper that stands still doesn't hear of it; homes.oust_others() sees to that one.
    """
    await connection.execute(_SQL["stop_keeping"], move_id)


def role_of(tier: Tier) -> ClusterRole:
    """Return which kind of cluster has places of a tier."""
    return ClusterRole.DEDICATED if tier is Tier.DATABASE else ClusterRole.SHARED


async def put_out(
    connection: Connection, kind: str, tenant_id: TenantId, payload: dict[str, object]
) -> None:
    """Leave a message for others, in the transaction of what it tells of."""
    await connection.execute(_SQL["put_out"], kind, tenant_id, encoded(payload))


async def _movable(connection: Connection, tenant_id: TenantId) -> tuple[Tenant, Placement]:
    await hold_tenant(connection, tenant_id)
    tenant = await tenants.get_by_id(connection, tenant_id)
    if tenant.status is not TenantStatus.ACTIVE or tenant.placement is None:
        raise Conflict(f"tenant {tenant.slug} is {tenant.status.value}: only an active one moves")
    return tenant, tenant.placement


async def _home(connection: Connection, name: str, role: ClusterRole) -> Cluster | None:
    """Return the tenant's own cluster if it may stay there: it takes no more room than it has."""
    await connection.execute(_SQL["hold_cluster"], name)
    found = await clusters.find(connection, name)
    if found is None or found.cluster.role is not role or found.state is not ClusterState.ACCEPTING:
        return None
    return found.cluster


async def _no_wave(connection: Connection, tenant: Tenant, *places: Placement) -> None:
    """Refuse to touch places at which a migration works; it begins at none that a move needs."""
    await waves.take_turns(connection)
    at_work = await waves.at_work(connection, [_key(place) for place in places])
    if at_work is not None:
        raise Conflict(
            f"tenant {tenant.slug} can't be moved while the migration {at_work} works at its "
            "tables",
            retry_after_s=_RETRY_AFTER_S,
        )


async def _check_revision(
    connection: Connection, who: str, place: Placement, wanted: WantedMove
) -> None:
    """Have a move wait that would end among other tables than it began with."""
    found = await waves.revision_at(connection, _key(place))
    if None not in {found, wanted.revision} and found != wanted.revision:
        raise Conflict(
            f"{who}: at revision {found}, and rows are moved at {wanted.revision} only; the move "
            "waits for `stepwell migrate tenants`",
            retry_after_s=_MIGRATED_AFTER_S,
        )


def _key(place: Placement) -> tuple[str, str, str]:
    return (place.cluster, place.database, place.schema)


async def locked(connection: Connection, move_id: UUID) -> Move:
    """Return a move that nobody else changes until the transaction ends, or raise NotFound."""
    if await connection.fetchval(_SQL["hold"], move_id) is None:
        raise NotFound(f"there is no move {move_id}")
    return await get(connection, move_id)


async def _hold_back(connection: Connection, move: Move, wanted: WantedMove) -> Move:
    by = wanted.by
    if not wanted.holds:
        return move
    if await connection.fetchval(_SQL["hold_back"], move.id, by.actor, by.reason) is not None:
        await note(connection, move, "move.hold", by)
    return await get(connection, move.id)


async def _wake_failed(connection: Connection, operation: Standing) -> None:
    if operation.state is OperationState.FAILED:
        await connection.execute(_SQL["wake"], operation.id)


def _assert_decided(move: Move, wish: str) -> None:
    if move.stage is not Stage.DECIDED:
        raise Conflict(f"the move {move.told()} is {spelled(move)}: it can't be {wish}")
    if not move.operation.state.is_ended:
        raise Conflict(
            f"the move {move.told()} is just being finished: try again in a moment",
            retry_after_s=_RETRY_AFTER_S,
        )


def spelled(move: Move) -> str:
    """Say in a word how far a move is."""
    if move.settled_at is not None:
        return "settled"
    if move.undone_at is not None:
        return "undone"
    if move.stage is Stage.ENDED:
        return move.operation.state.value
    return move.stage.value


def _open(tenant: Tenant, going: Move) -> Conflict:
    ways_out = {
        Stage.MOVING: "wait for it or cancel it",
        Stage.DECIDED: "settle it or undo it first",
    }
    way_out = ways_out.get(going.stage, "wait for its end")
    return Conflict(f"tenant {tenant.slug} has an open move, {going.told()}: {way_out}")


async def note(
    connection: Connection, move: Move, action: str, by: By, detail: dict[str, object] | None = None
) -> None:
    """Write down in the audit what somebody asked of a move."""
    deed = audit.Deed(
        actor=by.actor,
        action=action,
        target=str(move.id),
        tenant_id=move.tenant_id,
        reason=by.reason,
        detail=detail or {},
        request_id=by.request_id,
    )
    await audit.write(connection, deed)


def encoded(value: object) -> str:
    """Spell a value as JSON, for a parameter of type jsonb."""
    return msgspec.json.encode(value).decode()


def _move(row: asyncpg.Record) -> Move:
    return Move(
        id=row["id"],
        tenant_id=row["tenant_id"],
        slug=row["slug"],
        source=msgspec.json.decode(row["source"], type=Placement),
        target=msgspec.json.decode(row["target"], type=Placement),
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        reason=row["reason"],
        rows_total=row["rows_total"],
        rows_copied=row["rows_copied"],
        lag_rows=row["lag_rows"],
        cancel_requested_at=row["cancel_requested_at"],
        decided_at=row["decided_at"],
        receipt=None if row["decided_at"] is None else _receipt(row),
        settle_after=row["settle_after"],
        settled_at=row["settled_at"],
        undo_receipt=_decoded(row["undo_receipt"], Receipt),
        undone_at=row["undone_at"],
        ended_at=row["ended_at"],
        operation=msgspec.json.decode(row["operation"], type=Standing),
        settle=_decoded(row["settle"], Standing),
        undo=_decoded(row["undo"], Standing),
        keep=_decoded(row["keep"], Standing),
        hold=_decoded(row["hold"], Hold) or Hold(),
    )


def _receipt(row: asyncpg.Record) -> Receipt:
    return Receipt(
        pause_ms=row["pause_ms"],
        proof=msgspec.json.decode(row["proof"], type=tuple[TableProof, ...]),
        durations_ms=msgspec.json.decode(row["durations_ms"], type=dict[str, float]),
    )


def _decoded(text: str | None, kind: type[_StructT]) -> _StructT | None:
    return None if text is None else msgspec.json.decode(text, type=kind)
