"""Fact follows desire: what a worker records when somebody has changed a plan or a pin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from deploy.promoting import Outcome, Promoting
from deploy.reconcile import Reconciler, SizeRule
from promotion.wanted import MoveTo, Nothing, SettleFirst, TurnBack, Undo
from router.catalog import audit, clusters, moves, moving, operations, tenants
from router.catalog.clusters import ClusterState
from router.catalog.move_words import Move, Receipt, Stage
from router.catalog.moves import By
from router.catalog.moving import Reached
from router.catalog.operations import Claim
from router.catalog.runner import Progress
from router.errors import Unavailable, Unprocessable
from router.words import TenantStatus, Tier
from tests.gateways import Customer, GatewayWorld, expect, gateway_world, ops, sign_up
from tests.worlds import Clusters

OPERATOR = By(actor="operator:test", reason="a test asks for it")
MINE = Claim(owner="test", lease=timedelta(minutes=1))
RECEIPT = Receipt(pause_ms=5, proof=())
LATER = timedelta(days=1)


@pytest.fixture(scope="module")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(clusters) as built:
        yield built


async def set_plan(made: GatewayWorld, shop: Customer, plan: str) -> None:
    path = f"/api/ops/tenants/{shop.slug}/plan"
    expect(await made.client.post(path, json={"plan": plan}, headers=ops()), 200)


async def look(made: GatewayWorld, shop: Customer) -> Outcome:
    return await Promoting(made.platform).reconcile(shop.id)


async def open_move(made: GatewayWorld, shop: Customer) -> Move | None:
    async with made.platform.catalog.connection() as connection:
        return await moves.find_open(connection, shop.id)


async def the_move(made: GatewayWorld, shop: Customer) -> Move:
    found = await open_move(made, shop)
    assert found is not None
    return found


@asynccontextmanager
async def running(made: GatewayWorld, move: Move, kind: str = "move") -> AsyncGenerator[Progress]:
    """Hold one of a move's operations as its runner does, inside one transaction."""
    standing = {"move": move.operation, "undo": move.undo, "settle": move.settle}[kind]
    assert standing is not None
    catalog = made.platform.catalog
    async with catalog.transaction() as connection:
        claimed = await operations.claim_this(connection, MINE, standing.id)
        assert claimed is not None
    yield Progress(catalog, claimed)


async def carry_out(made: GatewayWorld, move: Move) -> Move:
    async with running(made, move) as progress, made.platform.catalog.transaction() as connection:
        await moving.decided(
            connection, progress, RECEIPT, Reached(step="flipped"), settle_after=LATER
        )
        await progress.finish_in(connection)
    return await the_move(made, _customer(move))


def _customer(move: Move) -> Customer:
    return Customer(
        id=move.tenant_id, slug=move.slug, tier=move.source.tier, email="", token="", key=""
    )


async def moved_by_plan(made: GatewayWorld) -> tuple[Customer, Move]:
    """Make a tenant whose plan was changed and whose move is decided."""
    shop = await sign_up(made.client)
    await set_plan(made, shop, "pro")
    await look(made, shop)
    return shop, await carry_out(made, await the_move(made, shop))


async def test_a_changed_plan_is_followed_by_one_move(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    assert (await look(made, shop)).decision == Nothing()
    await set_plan(made, shop, "pro")
    workers = [Promoting(made.platform) for _ in range(5)]
    outcomes = await asyncio.gather(*(each.reconcile(shop.id) for each in workers))
    assert sum(isinstance(each.decision, MoveTo) for each in outcomes) == 1
    move = await the_move(made, shop)
    assert (move.requested_by, move.reason) == ("worker", "its plan is pro")
    assert (move.target.tier, move.target.cluster) == (Tier.SCHEMA, "shared-1")
    assert (await look(made, shop)).decision == Nothing()


async def test_a_plan_that_changes_back_turns_the_move_back_and_later_begins_anew(
    made: GatewayWorld,
) -> None:
    shop = await sign_up(made.client)
    await set_plan(made, shop, "pro")
    await look(made, shop)
    first = await the_move(made, shop)
    async with running(made, first) as progress:
        await set_plan(made, shop, "starter")
        assert (await look(made, shop)).decision == TurnBack(first.id)
        assert (await the_move(made, shop)).stage is Stage.TURNING_BACK
        await set_plan(made, shop, "pro")
        assert (await look(made, shop)).decision == Nothing()
        async with made.platform.catalog.transaction() as connection:
            await moving.cancelled(connection, progress)
    assert isinstance((await look(made, shop)).decision, MoveTo)
    assert (await the_move(made, shop)).id != first.id


async def test_a_tenant_that_is_wanted_where_it_came_from_goes_back_without_copying(
    made: GatewayWorld,
) -> None:
    shop, move = await moved_by_plan(made)
    await set_plan(made, shop, "starter")
    outcome = await look(made, shop)
    assert outcome.decision == Undo(move.id)
    assert outcome.operation is not None
    assert outcome.operation.kind == "undo"
    assert (await look(made, shop)).decision == Nothing()


async def test_a_third_place_is_moved_to_once_the_first_one_is_settled(
    made: GatewayWorld,
) -> None:
    shop, move = await moved_by_plan(made)
    await set_plan(made, shop, "enterprise")
    assert (await look(made, shop)).decision == SettleFirst(move.id)
    async with made.platform.catalog.connection() as connection:
        before = await audit.list_page(connection, tenant_id=shop.id)
        assert (await look(made, shop)).decision == SettleFirst(move.id)
        after = await audit.list_page(connection, tenant_id=shop.id)
    assert after == before, "asked twice, noted once"
    async with running(made, await the_move(made, shop), "settle") as progress:
        assert (await look(made, shop)).decision == Nothing()
        async with made.platform.catalog.transaction() as connection:
            await moving.settled(connection, progress, {})
    assert (await look(made, shop)).decision == MoveTo(Tier.DATABASE, None)
    assert (await the_move(made, shop)).target.epoch == 3


async def test_what_an_operator_took_back_is_not_begun_again_by_itself(
    made: GatewayWorld,
) -> None:
    cancelled = await sign_up(made.client)
    await set_plan(made, cancelled, "pro")
    await look(made, cancelled)
    async with made.platform.catalog.transaction() as connection:
        move = await moves.find_open(connection, cancelled.id)
        assert move is not None
        await moves.request_cancel(connection, move.id, OPERATOR)
    undone, move = await moved_by_plan(made)
    async with made.platform.catalog.transaction() as connection:
        await moves.record_undo(connection, move.id, OPERATOR)
    going = await the_move(made, undone)
    async with (
        running(made, going, "undo") as progress,
        made.platform.catalog.transaction() as connection,
    ):
        await moving.undone(connection, progress, RECEIPT, Reached(step="flipped"))
        await moving.finish_undo(connection, progress)
    for shop in (cancelled, undone):
        assert (await look(made, shop)).decision == Nothing()
        await set_plan(made, shop, "enterprise")
        assert isinstance((await look(made, shop)).decision, MoveTo)


async def test_a_move_that_failed_is_not_repeated_at_once(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    await set_plan(made, shop, "pro")
    await look(made, shop)
    move = await the_move(made, shop)
    async with running(made, move) as progress, made.platform.catalog.transaction() as connection:
        await moving.failed(connection, progress, "the disk is full")
    assert (await look(made, shop)).decision == Nothing()
    await set_plan(made, shop, "pro")
    assert isinstance((await look(made, shop)).decision, MoveTo)


async def test_a_pin_is_respected(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    async with made.platform.catalog.transaction() as connection:
        await tenants.pin(connection, shop.id, tier=Tier.ROWS, cluster=None, reason="contract C-7")
    await set_plan(made, shop, "enterprise")
    assert (await look(made, shop)).decision == Nothing()
    async with made.platform.catalog.transaction() as connection:
        await tenants.pin(connection, shop.id, tier=None, cluster="shared-1", reason="C-8")
    with pytest.raises(Unprocessable, match="no dedicated cluster 'shared-1'"):
        await look(made, shop)
    async with made.platform.catalog.transaction() as connection:
        await tenants.unpin(connection, shop.id)
    assert isinstance((await look(made, shop)).decision, MoveTo)


@pytest.mark.parametrize("status", [TenantStatus.SUSPENDED, TenantStatus.MAINTENANCE])
async def test_a_closed_tenant_is_left_alone_until_it_is_open(
    made: GatewayWorld, status: TenantStatus
) -> None:
    shop = await sign_up(made.client)
    await set_plan(made, shop, "pro")
    async with made.platform.catalog.transaction() as connection:
        await tenants.set_status(connection, shop.id, status)
    assert (await look(made, shop)).decision == Nothing()
    async with made.platform.catalog.transaction() as connection:
        await tenants.set_status(connection, shop.id, TenantStatus.ACTIVE)
    assert isinstance((await look(made, shop)).decision, MoveTo)


@asynccontextmanager
async def reconciling(made: GatewayWorld, *, every_s: float) -> AsyncGenerator[None]:
    settings = msgspec.structs.replace(made.settings, reconcile_s=every_s)
    platform = made.platform
    kept, platform.settings = platform.settings, settings
    try:
        workers = [Reconciler(platform, Promoting(platform)) for _ in range(2)]
        tasks = [asyncio.create_task(each.keep()) for each in workers]
        await asyncio.sleep(0.5)
        yield
    finally:
        platform.settings = kept
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("every_s", [0.2, 60.0], ids=["by the clock", "by the news"])
async def test_two_workers_notice_a_change_within_a_second_and_record_it_once(
    made: GatewayWorld, every_s: float
) -> None:
    shops = [await sign_up(made.client) for _ in range(3)]
    noticed_s: list[float] = []
    async with reconciling(made, every_s=every_s):
        for shop in shops:
            changed_s = time.monotonic()
            await set_plan(made, shop, "pro")
            async with asyncio.timeout(20):
                while await open_move(made, shop) is None:
                    await asyncio.sleep(0.01)
            noticed_s.append(time.monotonic() - changed_s)
        await asyncio.sleep(0.3)
    # The machine may have stood still during one of them.
    assert min(noticed_s) < 1
    async with made.platform.catalog.connection() as connection:
        for shop in shops:
            page = await moves.list_page(connection, moves.MoveFilter(tenant_id=shop.id))
            assert len(page.items) == 1


async def test_a_whole_look_finds_what_a_look_at_the_recent_would_miss(
    made: GatewayWorld,
) -> None:
    shop = await sign_up(made.client)
    await set_plan(made, shop, "pro")
    async with made.platform.catalog.transaction() as connection:
        await connection.execute(
            "UPDATE catalog.tenant SET changed_at = now() - interval '1 day' WHERE id = $1", shop.id
        )
    reconciler = Reconciler(made.platform, Promoting(made.platform))
    await reconciler.look(within=timedelta(seconds=30))
    assert await open_move(made, shop) is None
    await reconciler.look(within=None)
    assert await open_move(made, shop) is not None
    assert await reconciler.look(within=None) == 0


async def test_a_tenant_that_can_not_be_moved_rests_until_it_changes(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    await set_plan(made, shop, "enterprise")
    promoting = Promoting(made.platform)
    reconciler = Reconciler(made.platform, promoting)
    async with made.platform.catalog.transaction() as connection:
        await clusters.set_state(connection, "dedicated-1", ClusterState.DRAINING)
    with pytest.raises(Unavailable):
        await promoting.reconcile(shop.id)
    await reconciler.look(within=None)
    async with made.platform.catalog.transaction() as connection:
        await clusters.set_state(connection, "dedicated-1", ClusterState.ACCEPTING)
    await reconciler.look(within=None)
    assert await open_move(made, shop) is None, "it rests"
    reconciler.heard(msgspec.json.encode({"kind": "tenant", "id": str(shop.id)}).decode())
    await reconciler.look(within=None)
    assert await open_move(made, shop) is not None


async def _judge(made: GatewayWorld, rule: str, *, rows_max: int | None) -> int:
    platform = made.platform
    kept = platform.settings
    platform.settings = msgspec.structs.replace(kept, size_rule=rule, promote_rows_max=rows_max)
    try:
        size_rule = SizeRule(platform)
        return await size_rule.look() if size_rule.is_on else 0
    finally:
        platform.settings = kept


async def test_the_size_rule_proposes_once_a_day_or_pins(made: GatewayWorld) -> None:
    small, large = await sign_up(made.client), await sign_up(made.client)
    for name in ("a", "b", "c"):
        answer = await made.client.post("/artists", json={"name": name}, headers=large.headers)
        expect(answer, 201)
    assert await _judge(made, "propose", rows_max=None) == 0
    assert await _judge(made, "propose", rows_max=1_000) == 0
    assert await _judge(made, "propose", rows_max=2) == 1
    assert await _judge(made, "propose", rows_max=2) == 0, "proposed today already"
    async with made.platform.catalog.connection() as connection:
        told = await connection.fetch(
            "SELECT * FROM catalog.outbox WHERE tenant_id = $1 AND kind <> 'key.create'", large.id
        )
        trail = await audit.list_page(connection, tenant_id=large.id)
        assert (await tenants.get(connection, large.slug)).tenant.pinned_tier is None
    assert [row["kind"] for row in told] == ["promotion.propose"]
    assert trail.items[0].deed.reason == "size rule: 3 rows are more than 2"
    assert await _judge(made, "promote", rows_max=2) == 1
    assert (await look(made, large)).decision == MoveTo(Tier.SCHEMA, None)
    assert (await the_move(made, large)).reason == "size rule: 3 rows are more than 2"
    assert await open_move(made, small) is None
