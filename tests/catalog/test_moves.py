from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from router.catalog import Catalog, clusters, move_holds, moves, moving, operations, tenants, waves
from router.catalog.clusters import ClusterState
from router.catalog.move_words import (
    MOVE,
    PROVED,
    SETTLE,
    UNDO,
    Move,
    MoveDocument,
    MoveState,
    Receipt,
    Stage,
    TableProof,
)
from router.catalog.moves import By, MoveFilter, WantedMove
from router.catalog.moving import Noted, Reached, Wishes
from router.catalog.operations import Claim, NewOperation, Operation, Superseded
from router.catalog.runner import Progress
from router.catalog.wave_words import Direction, EntryState, LedgerEntry, Place, Rules
from router.catalog.waves import NewMigration
from router.connect import Connection
from router.errors import Conflict, NotFound, PlatformError, Unavailable, Unprocessable
from router.words import Cluster, ClusterRole, Placement, Tenant, TenantStatus, Tier
from tests.catalog.worlds import add_cluster, add_tenant, place

BY = By(actor="operator:test", reason="a test asks for it", request_id="r-1")
MINE = Claim(owner="me", lease=timedelta(minutes=1))
RECEIPT = Receipt(
    pause_ms=12.5,
    proof=(TableProof(table="note", rows=3, source_digest="a1", target_digest="a1"),),
    durations_ms={"copy": 100.0},
)
LATER = timedelta(hours=24)


async def new_tenant(catalog: Catalog) -> Tenant:
    return await add_tenant(catalog, f"m-{uuid4().hex[:12]}")


def wanted(tenant: Tenant, tier: Tier = Tier.SCHEMA, cluster: str | None = None) -> WantedMove:
    return WantedMove(tenant_id=tenant.id, tier=tier, cluster=cluster, by=BY)


def drawn(tier: Tier = Tier.SCHEMA, cluster: str = "shared-1") -> Placement:
    return msgspec.structs.replace(place(tier=tier, cluster=cluster), schema=f"s_{uuid4().hex}")


async def record(catalog: Catalog, tenant: Tenant, *, cluster: str = "shared-1") -> Move:
    async with catalog.transaction() as connection:
        return await moves.record(
            connection, wanted(tenant, cluster=cluster), drawn(cluster=cluster)
        )


async def claim(connection: Connection, operation_id: UUID) -> Operation:
    claimed = await operations.claim_this(connection, MINE, operation_id)
    assert claimed is not None
    return claimed


async def claimed(catalog: Catalog, operation_id: UUID) -> Progress:
    async with catalog.transaction() as connection:
        return Progress(catalog, await claim(connection, operation_id))


async def read(catalog: Catalog, move_id: UUID) -> Move:
    async with catalog.connection() as connection:
        return await moves.get(connection, move_id)


async def decide(catalog: Catalog, move: Move) -> Move:
    """Do what a runner does from its claim to the end of its operation."""
    progress = await claimed(catalog, move.id)
    async with catalog.transaction() as connection:
        await moving.decided(
            connection, progress, RECEIPT, Reached(step="flipped"), settle_after=LATER
        )
        await progress.finish_in(connection)
    return await read(catalog, move.id)


async def test_a_recorded_move_waits_for_a_runner(catalog: Catalog) -> None:
    tenant = await new_tenant(catalog)
    move = await record(catalog, tenant)
    assert (move.stage, move.operation.state.value) == (Stage.MOVING, "waiting")
    assert (move.source, move.target.epoch) == (place(), 2)
    document = MoveDocument.of(move)
    assert (document.id, document.tenant) == (move.id, tenant.id)
    assert (document.state, document.step, document.proof) == (MoveState.RUNNING, None, ())
    assert (document.undo_until, document.finished_at) == (None, None)
    async with catalog.connection() as connection:
        operation = await operations.get(connection, move.id)
        page = await moves.list_page(connection, MoveFilter(tenant_id=tenant.id, is_open=True))
        assert (await moves.find_open(connection, tenant.id)) == move
    assert (operation.kind, operation.cluster) == (MOVE, "shared-1")
    assert page.items == (move,)


async def test_asked_by_many_at_once_one_move_is_recorded(catalog: Catalog) -> None:
    tenant = await new_tenant(catalog)
    recorded = await asyncio.gather(*(record(catalog, tenant) for _ in range(6)))
    assert len({move.id for move in recorded}) == 1


async def test_a_tenant_with_an_open_move_gets_no_other(catalog: Catalog) -> None:
    tenant = await new_tenant(catalog)
    await add_cluster(catalog, "shared-of-open")
    move = await record(catalog, tenant)
    with pytest.raises(Conflict, match=f"{move.id} from rows on shared-1 to schema on shared-1"):
        await record(catalog, tenant, cluster="shared-of-open")
    with pytest.raises(asyncpg.UniqueViolationError, match="tenant_has_one_open_move"):
        await _copy(catalog, move)


async def _copy(catalog: Catalog, move: Move) -> None:
    async with catalog.transaction() as connection:
        other = await operations.begin(connection, NewOperation(kind=MOVE))
        await connection.execute(
            "INSERT INTO catalog.move (id, tenant_id, source, target, requested_by, reason)"
            " SELECT $1, tenant_id, source, target, 'x', 'x' FROM catalog.move WHERE id = $2",
            other.id,
            move.id,
        )


@pytest.mark.parametrize("status", [s for s in TenantStatus if s is not TenantStatus.ACTIVE])
async def test_a_tenant_that_is_not_served_is_not_moved(
    catalog: Catalog, status: TenantStatus
) -> None:
    tenant = await new_tenant(catalog)
    async with catalog.transaction() as connection:
        await tenants.set_status(connection, tenant.id, status)
    with pytest.raises(Conflict, match=f"is {status.value}: only an active one moves"):
        await record(catalog, tenant)


async def test_a_move_that_can_not_be_is_refused_with_its_reason(catalog: Catalog) -> None:
    tenant = await new_tenant(catalog)
    await add_cluster(catalog, "full-1", capacity=1)
    await add_cluster(catalog, "emptied-1")
    await add_cluster(catalog, "own-1", role=ClusterRole.DEDICATED)
    async with catalog.transaction() as connection:
        await clusters.set_state(connection, "emptied-1", ClusterState.DRAINING)
    await record(catalog, await new_tenant(catalog), cluster="full-1")
    refusals: list[tuple[Tier, str | None, type[PlatformError], str]] = [
        (Tier.ROWS, None, Conflict, "is in tier rows on shared-1 already"),
        (Tier.ROWS, "shared-1", Conflict, "is in tier rows on shared-1 already"),
        (Tier.ROWS, "full-1", Unavailable, "is full"),
        (Tier.ROWS, "emptied-1", Unavailable, "accepts tenants"),
        (Tier.ROWS, "own-1", Unprocessable, "no shared cluster 'own-1'"),
        (Tier.SCHEMA, "nowhere", Unprocessable, "no shared cluster 'nowhere'"),
        (Tier.DATABASE, "shared-1", Unprocessable, "no dedicated cluster 'shared-1'"),
    ]
    for tier, cluster, kind, message in refusals:
        with pytest.raises(kind, match=message):
            async with catalog.transaction() as connection:
                await moves.find_target(connection, wanted(tenant, tier, cluster))
    async with catalog.connection() as connection:
        assert await moves.find_open(connection, tenant.id) is None


async def test_a_full_cluster_keeps_its_own_tenants_when_their_tier_changes(
    catalog: Catalog,
) -> None:
    await add_cluster(catalog, "own-2", role=ClusterRole.DEDICATED, capacity=1)
    tenant = await new_tenant(catalog)
    async with catalog.transaction() as connection:
        found = await moves.find_target(connection, wanted(tenant))
        assert not isinstance(found, Move)
        assert found.name == "shared-1"
        await clusters.set_state(connection, "shared-1", ClusterState.DRAINING)
        found = await moves.find_target(connection, wanted(tenant))
        assert not isinstance(found, Move)
        assert found.name != "shared-1"
        await clusters.set_state(connection, "shared-1", ClusterState.ACCEPTING)


async def test_a_tenant_keeps_its_room_at_the_source_until_its_move_is_settled(
    catalog: Catalog,
) -> None:
    await add_cluster(catalog, "narrow-1", capacity=1)
    tenant = await new_tenant(catalog)
    there = await decide(catalog, await record(catalog, tenant, cluster="narrow-1"))
    await settle(catalog, there)
    async with catalog.transaction() as connection:
        back = await moves.record(connection, wanted(tenant, Tier.ROWS, "shared-1"), place())
    await decide(catalog, back)
    with pytest.raises(Unavailable, match="is full"):
        await record(catalog, await new_tenant(catalog), cluster="narrow-1")
    await settle(catalog, back)
    await record(catalog, await new_tenant(catalog), cluster="narrow-1")


async def test_nobody_moves_from_tables_at_which_a_migration_works(catalog: Catalog) -> None:
    tenant, source = await new_tenant(catalog), place()
    new = NewMigration(target="2", source="1", direction=Direction.UP, rules=Rules(), by=BY)
    line = LedgerEntry(
        cluster=source.cluster,
        database=source.database,
        schema=source.schema,
        revision="2",
        state=EntryState.RUNNING,
        wave=1,
        attempts=1,
    )
    async with catalog.transaction() as connection:
        migration = await waves.begin(connection, new)
        await waves.write(connection, migration.id, [line])
    with pytest.raises(Conflict, match=f"while the migration {migration.id} works"):
        await record(catalog, tenant)
    done = msgspec.structs.replace(line, state=EntryState.DONE)
    async with catalog.transaction() as connection:
        await waves.write(connection, migration.id, [done])
    assert (await record(catalog, tenant)).stage is Stage.MOVING
    async with catalog.transaction() as connection:
        await waves.cancel(connection, migration.id, BY)


async def test_nobody_moves_among_tables_of_another_revision(catalog: Catalog) -> None:
    tenant, source = await new_tenant(catalog), place()
    here = Place(
        cluster=source.cluster, database=source.database, schema=source.schema, tier=source.tier
    )
    newer = msgspec.structs.replace(wanted(tenant), revision="2")
    async with catalog.transaction() as connection:
        await waves.saw(connection, {here: "1"})
    async with catalog.transaction() as connection:
        with pytest.raises(Conflict, match="at revision 1, and rows are moved at 2 only"):
            await moves.find_target(connection, newer)
    async with catalog.transaction() as connection:
        await waves.saw(connection, {here: "2"})
        assert isinstance(await moves.find_target(connection, newer), Cluster)
        await waves.gone(connection, [here])


async def test_progress_is_noted_by_whoever_holds_the_move(catalog: Catalog) -> None:
    move = await record(catalog, await new_tenant(catalog))
    progress = await claimed(catalog, move.id)
    async with catalog.transaction() as connection:
        noted = Noted(rows_total=10, rows_copied=4)
        heard = await moving.note_progress(connection, progress.operation, noted)
        assert heard == Wishes(heard_at=heard.heard_at)
        await moving.note_progress(connection, progress.operation, Noted(lag_rows=7))
    seen = MoveDocument.of(await read(catalog, move.id))
    assert (seen.rows_total, seen.rows_copied, seen.lag_rows) == (10, 4, 7)
    async with catalog.transaction() as connection:
        await moves.request_cancel(connection, move.id, BY)
    async with catalog.transaction() as connection:
        heard = await moving.note_progress(connection, progress.operation, Noted())
        assert heard.cancel_requested_at is not None
        await operations.release(connection, progress.operation)
        await claim(connection, move.id)
        with pytest.raises(Superseded):
            await moving.note_progress(connection, progress.operation, Noted(rows_copied=9))
    assert (await read(catalog, move.id)).rows_copied == 4


async def test_the_decision_commits_with_route_receipt_settling_audit_and_outbox(
    catalog: Catalog,
) -> None:
    tenant = await new_tenant(catalog)
    move = await decide(catalog, await record(catalog, tenant))
    assert (move.stage, move.receipt) == (Stage.DECIDED, RECEIPT)
    document = MoveDocument.of(move)
    assert (document.state, document.step) == (MoveState.DONE, "flipped")
    assert (document.pause_ms, document.proof) == (12.5, RECEIPT.proof)
    assert document.undo_until is not None
    assert document.undo_until > datetime.now(UTC) + timedelta(hours=23)
    async with catalog.connection() as connection:
        assert (await tenants.get_by_id(connection, tenant.id)).placement == move.target
        assert move.settle is not None
        settling = await operations.get(connection, move.settle.id)
        told = await connection.fetch(
            "SELECT kind, payload FROM catalog.outbox WHERE tenant_id = $1", tenant.id
        )
        deeds = await connection.fetch(
            "SELECT action, reason, request_id FROM catalog.audit WHERE tenant_id = $1 ORDER BY id",
            tenant.id,
        )
        claimable = await operations.claim_next(connection, MINE, [SETTLE])
    assert (settling.kind, moving.move_of(settling), claimable) == (SETTLE, move.id, None)
    assert [row["kind"] for row in told] == ["move.decide"]
    assert str(move.id) in told[0]["payload"]
    assert [tuple(row) for row in deeds] == [
        ("move.record", BY.reason, "r-1"),
        ("move.decide", BY.reason, None),
    ]


async def test_a_decision_of_a_replaced_runner_changes_nothing(catalog: Catalog) -> None:
    tenant = await new_tenant(catalog)
    move = await record(catalog, tenant)
    stale = await claimed(catalog, move.id)
    async with catalog.transaction() as connection:
        await operations.release(connection, stale.operation)
        await claim(connection, move.id)
    with pytest.raises(Superseded):
        async with catalog.transaction() as connection:
            await moving.decided(
                connection, stale, RECEIPT, Reached(step="flipped"), settle_after=LATER
            )
    assert (await read(catalog, move.id)).stage is Stage.MOVING
    async with catalog.connection() as connection:
        assert (await tenants.get_by_id(connection, tenant.id)).placement == place()


async def test_a_decision_recorded_again_changes_nothing(catalog: Catalog) -> None:
    move = await record(catalog, await new_tenant(catalog))
    progress = await claimed(catalog, move.id)
    other = msgspec.structs.replace(RECEIPT, pause_ms=99)
    for receipt in (RECEIPT, other):
        async with catalog.transaction() as connection:
            await moving.decided(
                connection, progress, receipt, Reached(step="flipped"), settle_after=LATER
            )
    assert (await read(catalog, move.id)).receipt == RECEIPT


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("proof = '[]'", "receipt_never_changes"),
        ("pause_ms = 1", "receipt_never_changes"),
        ("decided_at = now()", "receipt_never_changes"),
        ("target = source", "move_keeps_its_places"),
        ("reason = 'another'", "move_keeps_its_places"),
        ("ended_at = now()", "decided_move_ends_settled_or_undone"),
    ],
)
async def test_what_is_certain_about_a_move_stays(
    catalog: Catalog, change: str, constraint: str
) -> None:
    move = await decide(catalog, await record(catalog, await new_tenant(catalog)))
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        async with catalog.transaction() as connection:
            await connection.execute(f"UPDATE catalog.move SET {change} WHERE id = $1", move.id)  # noqa: S608 - a word of the list above
    assert caught.value.constraint_name == constraint


@pytest.mark.parametrize("statement", ["DELETE FROM catalog.move", "TRUNCATE catalog.move CASCADE"])
async def test_a_move_is_never_deleted(catalog: Catalog, statement: str) -> None:
    await record(catalog, await new_tenant(catalog))
    with pytest.raises(asyncpg.CheckViolationError, match="kept for ever"):
        async with catalog.transaction() as connection:
            await connection.execute(statement)


async def test_a_move_that_nobody_began_is_cancelled_at_once(catalog: Catalog) -> None:
    tenant = await new_tenant(catalog)
    move = await record(catalog, tenant)
    async with catalog.transaction() as connection:
        cancelled = await moves.request_cancel(connection, move.id, BY)
    assert (cancelled.stage, MoveDocument.of(cancelled).state) == (
        Stage.ENDED,
        MoveState.CANCELLED,
    )
    with pytest.raises(Conflict, match="is cancelled: nothing is left to cancel"):
        async with catalog.transaction() as connection:
            await moves.request_cancel(connection, move.id, BY)
    assert (await record(catalog, tenant)).id != move.id


async def test_a_move_at_work_is_turned_back_by_its_runner(catalog: Catalog) -> None:
    move = await record(catalog, await new_tenant(catalog))
    progress = await claimed(catalog, move.id)
    async with catalog.transaction() as connection:
        asked = await moves.request_cancel(connection, move.id, BY)
        assert await moves.request_cancel(connection, move.id, BY) == asked
    assert (asked.stage, MoveDocument.of(asked).state) == (Stage.TURNING_BACK, MoveState.RUNNING)
    async with catalog.transaction() as connection:
        await moving.cancelled(connection, progress)
    assert progress.operation.state.is_ended
    seen = await read(catalog, move.id)
    assert (seen.stage, MoveDocument.of(seen).state) == (Stage.ENDED, MoveState.CANCELLED)


async def test_a_move_that_failed_for_good_and_was_turned_back_may_be_repeated(
    catalog: Catalog,
) -> None:
    tenant = await new_tenant(catalog)
    move = await record(catalog, tenant)
    progress = await claimed(catalog, move.id)
    async with catalog.transaction() as connection:
        await moving.failed(connection, progress, "the target's disk is full")
    document = MoveDocument.of(await read(catalog, move.id))
    assert (document.state, document.error) == (MoveState.FAILED, "the target's disk is full")
    assert document.finished_at is not None
    assert (await record(catalog, tenant)).id != move.id


async def test_a_failed_move_that_is_still_open_goes_on_when_it_is_asked_for_again(
    catalog: Catalog,
) -> None:
    tenant = await new_tenant(catalog)
    for ask in ("record", "cancel"):
        move = await record(catalog, tenant)
        progress = await claimed(catalog, move.id)
        async with catalog.transaction() as connection:
            await progress.fail_in(connection, "ten runners died")
        if ask == "record":
            assert (await record(catalog, tenant)).id == move.id
        else:
            async with catalog.transaction() as connection:
                await moves.request_cancel(connection, move.id, BY)
        assert (await read(catalog, move.id)).operation.state.value == "waiting"
        async with catalog.transaction() as connection:
            await moving.cancelled(connection, Progress(catalog, await claim(connection, move.id)))


async def settle(catalog: Catalog, move: Move) -> Move:
    async with catalog.transaction() as connection:
        operation = await moves.settle_now(connection, move.id, BY)
        progress = Progress(catalog, await claim(connection, operation.id))
        await moving.settled(connection, progress, {"note": 3})
    return await read(catalog, move.id)


async def test_a_settled_move_can_not_be_undone(catalog: Catalog) -> None:
    move = await settle(
        catalog, await decide(catalog, await record(catalog, await new_tenant(catalog)))
    )
    document = MoveDocument.of(move)
    assert (move.stage, document.state) == (Stage.ENDED, MoveState.DONE)
    assert document.settled_at is not None
    assert document.undo_until is None
    for ask in (moves.record_undo, moves.settle_now):
        with pytest.raises(Conflict, match="is settled: it can't be"):
            async with catalog.transaction() as connection:
                await ask(connection, move.id, BY)


async def test_settling_is_hastened_by_a_command(catalog: Catalog) -> None:
    move = await decide(catalog, await record(catalog, await new_tenant(catalog)))
    async with catalog.transaction() as connection:
        operation = await moves.settle_now(connection, move.id, BY)
        assert await moves.settle_now(connection, move.id, BY) == operation
        due = await operations.claim_next(connection, MINE, [SETTLE])
        assert due is not None
        assert due.id == operation.id
        settling = await moves.get(connection, move.id)
        assert settling.stage is Stage.SETTLING
        with pytest.raises(Conflict, match="is settling: it can't be undone"):
            await moves.record_undo(connection, move.id, BY)


async def test_an_undone_move_leads_back_to_its_source_one_epoch_later(catalog: Catalog) -> None:
    tenant = await new_tenant(catalog)
    move = await decide(catalog, await record(catalog, tenant))
    async with catalog.transaction() as connection:
        first = await moves.record_undo(connection, move.id, BY)
        assert await moves.record_undo(connection, move.id, BY) == first
    assert (first.kind, moving.move_of(first)) == (UNDO, move.id)
    asked = await read(catalog, first.id)
    assert (asked.id, asked.stage) == (move.id, Stage.UNDOING)
    assert MoveDocument.of(asked).state is MoveState.RUNNING
    with pytest.raises(Conflict, match="is undoing: it can't be settled"):
        async with catalog.transaction() as connection:
            await moves.settle_now(connection, move.id, BY)
    progress = await claimed(catalog, first.id)
    async with catalog.transaction() as connection:
        await moving.undone(connection, progress, RECEIPT, Reached(step="flipped"))
        back = (await tenants.get_by_id(connection, tenant.id)).placement
        assert back == moving.way_back(move) == place(3)
        assert (await moves.get(connection, move.id)).stage is Stage.UNDOING
        await moving.finish_undo(connection, progress)
    done = await read(catalog, move.id)
    assert (done.stage, MoveDocument.of(done).state) == (Stage.ENDED, MoveState.UNDONE)
    assert done.undo_receipt == RECEIPT
    async with catalog.connection() as connection:
        assert move.settle is not None
        assert (await operations.get(connection, move.settle.id)).state.value == "cancelled"


async def test_an_undoing_that_is_given_up_leaves_the_move_to_be_settled(catalog: Catalog) -> None:
    move = await decide(catalog, await record(catalog, await new_tenant(catalog)))
    async with catalog.transaction() as connection:
        operation = await moves.record_undo(connection, move.id, BY)
        progress = Progress(catalog, await claim(connection, operation.id))
        await moving.give_up_undo(
            connection, progress, "writes never paused", settle_after=timedelta()
        )
        again = await moves.get(connection, move.id)
        assert (again.stage, MoveDocument.of(again).state) == (Stage.DECIDED, MoveState.DONE)
        assert (await operations.claim_next(connection, MINE, [SETTLE])) is not None


async def test_an_undoing_that_failed_is_never_settled_and_goes_on_when_asked_again(
    catalog: Catalog,
) -> None:
    move = await decide(catalog, await record(catalog, await new_tenant(catalog)))
    async with catalog.transaction() as connection:
        operation = await moves.record_undo(connection, move.id, BY)
        progress = Progress(catalog, await claim(connection, operation.id))
        await progress.fail_in(connection, "the network is gone")
        failed = await moves.get(connection, move.id)
        assert failed.stage is Stage.UNDOING
        assert MoveDocument.of(failed).error == "the network is gone"
        with pytest.raises(Conflict, match="can't be settled"):
            await moves.settle_now(connection, move.id, BY)
        again = await moves.record_undo(connection, move.id, BY)
    assert (again.id, again.state.value) == (operation.id, "waiting")


async def test_the_moves_ahead_on_a_cluster_are_counted(catalog: Catalog) -> None:
    await add_cluster(catalog, "busy-1")
    recorded = [
        await record(catalog, await new_tenant(catalog), cluster="busy-1") for _ in range(3)
    ]
    async with catalog.connection() as connection:
        assert await moving.open_moves_on(connection, "busy-1") == 3
        ahead = [
            await moving.open_moves_on(connection, "busy-1", ahead_of=move.id) for move in recorded
        ]
    assert ahead == [0, 1, 2]
    await decide(catalog, recorded[0])
    async with catalog.connection() as connection:
        assert await moving.open_moves_on(connection, "busy-1") == 2


async def test_nobody_waits_for_a_move_that_is_paused_or_held(catalog: Catalog) -> None:
    await add_cluster(catalog, "calm-1")
    recorded = [
        await record(catalog, await new_tenant(catalog), cluster="calm-1") for _ in range(3)
    ]
    async with catalog.transaction() as connection:
        await move_holds.pause(connection, recorded[0].id, BY)
        await move_holds.hold(connection, recorded[1].id, BY)
        assert await moving.open_moves_on(connection, "calm-1") == 2
    progress = await claimed(catalog, recorded[1].id)
    await progress.advance(PROVED)
    async with catalog.transaction() as connection:
        assert await moving.open_moves_on(connection, "calm-1") == 1
        await move_holds.resume(connection, recorded[0].id, BY)
        await move_holds.cut_over(connection, recorded[1].id, BY)
        assert await moving.open_moves_on(connection, "calm-1") == 3


async def test_every_change_of_a_move_is_news(catalog: Catalog) -> None:
    listener = await catalog.listen()
    heard = list[str]()

    def hear(*told: object) -> None:
        heard.append(str(told[-1]))

    await listener.add_listener("stepwell_move", hear)
    try:
        move = await decide(catalog, await record(catalog, await new_tenant(catalog)))
        await listener.execute("SELECT 1")
        before = len(heard)
        async with catalog.transaction() as connection:
            operation = await moves.record_undo(connection, move.id, BY)
        async with catalog.transaction() as connection:
            await claim(connection, operation.id)
        await listener.execute("SELECT 1")
    finally:
        await listener.close()
    assert set(heard) == {str(move.id)}
    assert 3 <= before < len(heard)


async def test_pages_of_moves_follow_each_other(catalog: Catalog) -> None:
    recorded = [await record(catalog, await new_tenant(catalog)) for _ in range(3)]
    async with catalog.connection() as connection:
        first = await moves.list_page(connection, MoveFilter(), items_max=2)
        assert first.next is not None
        second = await moves.list_page(
            connection, MoveFilter(), before=UUID(first.next), items_max=1
        )
    assert [move.id for move in (*first.items, *second.items)] == [
        move.id for move in reversed(recorded)
    ]


async def test_a_move_that_is_not_there_is_not_found(catalog: Catalog) -> None:
    for ask in (moves.request_cancel, moves.record_undo, moves.settle_now):
        with pytest.raises(NotFound, match="there is no move"):
            async with catalog.transaction() as connection:
                await ask(connection, uuid4(), BY)
