"""The operators' calls about moves, before anybody carries one out."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from router.catalog import clusters, moving, operations
from router.catalog.clusters import ClusterState
from router.catalog.move_words import Receipt, TableProof
from router.catalog.moving import Noted, Reached
from router.catalog.operations import Claim
from router.catalog.runner import Progress
from router.connect import Address
from router.words import Cluster, ClusterRole, Tier
from tests.gateways import (
    Customer,
    GatewayWorld,
    expect,
    gateway,
    make_tenant,
    ops,
    sign_up,
)

KEYS = {
    *("id", "tenant", "source", "target", "state", "step", "rows_copied", "rows_total"),
    *("lag_rows", "pause_ms", "proof", "attempts", "started_at", "finished_at", "error"),
    *("settled_at", "undo_until", "awaits_cut_over", "hurried_at", "log_bytes"),
    *("paused_at", "paused_by", "paused_reason", "held_at", "held_by", "held_reason"),
}
WORDS = ("pause", "resume", "hold", "release", "cut-over")
MINE = Claim(owner="test", lease=timedelta(minutes=1))
RECEIPT = Receipt(
    pause_ms=9.5,
    proof=(TableProof(table="artist", rows=1, source_digest="7", target_digest="7"),),
)


async def ask(made: GatewayWorld, tenant: str, tier: str, **more: object) -> httpx.Response:
    body = {"tenant": tenant, "tier": tier, **more}
    return await made.client.post("/api/ops/moves", json=body, headers=ops())


async def begin(made: GatewayWorld, tenant: str, tier: str, **more: object) -> str:
    return str(expect(await ask(made, tenant, tier, **more), 202)["operation"]["id"])


async def shown(made: GatewayWorld, move_id: str) -> dict[str, Any]:
    return expect(await made.client.get(f"/api/ops/moves/{move_id}", headers=ops()), 200)


async def tell(made: GatewayWorld, move_id: str, what: str, status: int = 202) -> dict[str, Any]:
    answer = await made.client.post(f"/api/ops/moves/{move_id}/{what}", headers=ops())
    return expect(answer, status)


async def tenant_of(made: GatewayWorld, slug: str) -> dict[str, Any]:
    return expect(await made.client.get(f"/api/ops/tenants/{slug}", headers=ops()), 200)


async def claim(made: GatewayWorld, operation_id: str) -> Progress:
    """Take an operation as a runner does."""
    catalog = made.platform.catalog
    async with catalog.transaction() as connection:
        claimed = await operations.claim_this(connection, MINE, uuid.UUID(operation_id))
        assert claimed is not None
    return Progress(catalog, claimed)


async def carry_out(made: GatewayWorld, move_id: str) -> None:
    """Record what a runner records when it has moved a tenant, and move nothing."""
    progress = await claim(made, move_id)
    async with made.platform.catalog.transaction() as connection:
        await moving.decided(
            connection, progress, RECEIPT, Reached(step="flipped"), settle_after=timedelta(days=1)
        )
        await progress.finish_in(connection)


async def settle(made: GatewayWorld, operation_id: str) -> None:
    progress = await claim(made, operation_id)
    async with made.platform.catalog.transaction() as connection:
        await moving.settled(connection, progress, {"artist": 1})


async def test_a_move_is_recorded_with_its_pin_and_waits(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    told = expect(await ask(made, shop.slug, "schema"), 202)
    assert (told["operation"]["kind"], told["operation"]["state"]) == ("move", "waiting")
    move = await shown(made, told["operation"]["id"])
    assert move.keys() == KEYS
    assert (move["tenant"], move["state"]) == (str(shop.id), "running")
    assert (move["source"]["tier"], move["target"]["tier"]) == ("rows", "schema")
    assert move["target"].keys() == {"tier", "cluster", "database", "schema", "epoch"}
    assert move["target"]["epoch"] == move["source"]["epoch"] + 1
    tenant = await tenant_of(made, shop.slug)
    assert (tenant["pinned_tier"], tenant["pin_reason"]) == ("schema", "a test asks for it")
    assert tenant["placement"]["tier"] == "rows"
    listed = await made.client.get(f"/api/ops/moves?tenant={shop.slug}", headers=ops())
    assert expect(listed, 200) == {"items": [move], "next": None}
    trail = await made.client.get(f"/api/ops/audit?tenant={shop.slug}", headers=ops())
    deeds = [line["action"] for line in expect(trail, 200)["items"]]
    assert deeds[:2] == ["move.record", "tenant.pin"]


async def test_asked_again_the_same_move_is_answered(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    asked = [begin(made, shop.slug, "database") for _ in range(4)]
    assert len(set(await asyncio.gather(*asked))) == 1


async def test_an_idempotency_key_repeats_the_answer(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    headers = {**ops(), "Idempotency-Key": uuid.uuid4().hex}
    body = {"tenant": shop.slug, "tier": "schema"}
    first = await made.client.post("/api/ops/moves", json=body, headers=headers)
    again = await made.client.post("/api/ops/moves", json=body, headers=headers)
    assert expect(first, 202) == expect(again, 202)
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "what",
    ["", "/{id}/cancel", "/{id}/undo", "/{id}/settle", *(f"/{{id}}/{word}" for word in WORDS)],
)
async def test_every_change_of_a_move_says_why(made: GatewayWorld, what: str) -> None:
    path = "/api/ops/moves" + what.format(id=uuid.uuid4())
    body = {"tenant": "x", "tier": "rows"} if not what else None
    answer = await made.client.post(path, json=body, headers=ops(None))
    assert "X-Reason" in expect(answer, 400)["detail"]


async def refused(
    made: GatewayWorld, shop: Customer, status: int, told: str, *, tier: str, **more: object
) -> None:
    """Ask for a move that can't be, and see that nothing has changed."""
    before = await tenant_of(made, shop.slug)
    problem = expect(await ask(made, shop.slug, tier, **more), status)
    assert told in problem["detail"]
    assert await tenant_of(made, shop.slug) == before


async def test_a_tenant_is_not_moved_to_where_it_is(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    await refused(made, shop, 409, "is in tier rows on shared-1 already", tier="rows")
    await refused(made, shop, 409, "already", tier="rows", cluster="shared-1")


@pytest.mark.parametrize(
    ("tier", "cluster", "status", "told"),
    [
        ("schema", "nowhere", 422, "there is no cluster 'nowhere'"),
        ("schema", "dedicated-1", 422, "no shared cluster 'dedicated-1'"),
        ("database", "shared-1", 422, "no dedicated cluster 'shared-1'"),
        ("attic", None, 422, "attic"),
    ],
)
async def test_a_place_that_can_not_be_is_refused(  # noqa: PLR0913, PLR0917 - one for each column of the list
    made: GatewayWorld, shop: Customer, tier: str, cluster: str | None, status: int, told: str
) -> None:
    answer = await ask(made, shop.slug, tier, cluster=cluster)
    assert told in str(expect(answer, status))
    assert (await tenant_of(made, shop.slug))["pinned_tier"] is None


async def test_a_tenant_that_is_closed_is_not_moved(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    for what, status in (
        ("suspend", "suspended"),
        ("resume", None),
        ("maintenance", "maintenance"),
    ):
        path = f"/api/ops/tenants/{shop.slug}/{what}"
        expect(await made.client.post(path, headers=ops(), json={}), 200)
        if status is not None:
            await refused(made, shop, 409, f"is {status}", tier="schema")


async def test_a_moving_tenant_is_not_sent_elsewhere(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    await refused(made, shop, 409, f"has an open move, {move_id}", tier="database")


async def test_a_full_cluster_takes_nobody(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    async with cluster_without_server(made, "shared-full", capacity=1):
        async with made.platform.catalog.transaction() as connection:
            wanted = operations.NewOperation(kind="test", cluster="shared-full")
            await operations.begin(connection, wanted)
        await refused(made, shop, 503, "is full", tier="rows", cluster="shared-full")
        async with made.platform.catalog.transaction() as connection:
            await clusters.set_state(connection, "shared-full", ClusterState.DRAINING)
        await refused(made, shop, 503, "accepts tenants", tier="rows", cluster="shared-full")


async def test_a_cluster_that_does_not_answer_takes_nobody(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    async with cluster_without_server(made, "shared-dark", capacity=9):
        async with asyncio.timeout(30):
            while True:
                answer = await ask(made, shop.slug, "rows", cluster="shared-dark")
                if "isn't known" not in answer.text:
                    break
                await asyncio.sleep(0.05)
        assert "cluster shared-dark doesn't answer" in expect(answer, 503)["detail"]
        assert (await tenant_of(made, shop.slug))["pinned_tier"] is None


async def test_the_plan_decides_again_when_the_pins_are_taken_away(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    await refused(made, shop, 409, "has an open move", tier="plan")
    await carry_out(made, move_id)
    back = expect(await ask(made, shop.slug, "plan"), 202)["operation"]
    assert back["kind"] == "undo"
    tenant = await tenant_of(made, shop.slug)
    assert (tenant["pinned_tier"], tenant["pin_reason"]) == (None, None)
    other = await sign_up(made.client)
    assert expect(await ask(made, other.slug, "plan"), 202) == {"operation": None}


async def test_a_move_is_done_undone_and_shown_by_each_of_its_ids(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    await carry_out(made, move_id)
    done = await shown(made, move_id)
    assert (done["state"], done["step"], done["pause_ms"]) == ("done", "flipped", 9.5)
    assert done["proof"] == [
        {"table": "artist", "rows": 1, "source_digest": "7", "target_digest": "7"}
    ]
    assert done["undo_until"] is not None
    undo_id = str((await tell(made, move_id, "undo"))["operation"]["id"])
    going = await shown(made, undo_id)
    assert (going["id"], going["state"]) == (move_id, "running")
    progress = await claim(made, undo_id)
    async with made.platform.catalog.transaction() as connection:
        await moving.undone(connection, progress, RECEIPT, Reached(step="flipped"))
        await moving.finish_undo(connection, progress)
    undone = await shown(made, move_id)
    assert (undone["state"], undone["undo_until"]) == ("undone", None)
    assert (await tenant_of(made, shop.slug))["placement"]["tier"] == "rows"
    assert "is undone" in (await tell(made, move_id, "settle", 409))["detail"]


async def test_a_move_is_settled_by_command(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    await carry_out(made, move_id)
    settling = (await tell(made, move_id, "settle"))["operation"]
    assert settling["kind"] == "settle"
    await settle(made, settling["id"])
    settled = await shown(made, move_id)
    assert settled["settled_at"] is not None
    assert "is settled" in (await tell(made, move_id, "undo", 409))["detail"]
    assert "nothing is left to cancel" in (await tell(made, move_id, "cancel", 409))["detail"]


async def test_a_move_is_cancelled(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    cancelled = await tell(made, move_id, "cancel", 200)
    assert cancelled["state"] == "cancelled"
    assert cancelled["finished_at"] is not None


async def test_a_third_place_is_gone_to_once_the_first_one_is_settled(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    first = await begin(made, shop.slug, "schema")
    await carry_out(made, first)
    asked = asyncio.create_task(begin(made, shop.slug, "database"))
    async with made.platform.catalog.connection() as connection, asyncio.timeout(30):
        while (due := await operations.claim_next(connection, MINE, ["settle"])) is None:
            await asyncio.sleep(0.02)
    assert not asked.done()
    assert str(moving.move_of(due)) == first
    async with made.platform.catalog.transaction() as connection:
        await moving.settled(connection, Progress(made.platform.catalog, due), {"artist": 1})
    second = await shown(made, await asked)
    assert (second["source"]["tier"], second["target"]["tier"]) == ("schema", "database")
    assert second["target"]["epoch"] == 3


@pytest.mark.parametrize("what", ["", "/events"])
async def test_a_move_that_is_not_there_is_not_found(made: GatewayWorld, what: str) -> None:
    path = f"/api/ops/moves/{uuid.uuid4()}{what}"
    assert "there is no move" in expect(await made.client.get(path, headers=ops()), 404)["detail"]
    for wrong in ("/api/ops/moves?after=x", "/api/ops/moves/x"):
        answer = await made.client.get(wrong, headers=ops())
        assert answer.status_code in {400, 404}


async def read_events(answer: httpx.Response, seen: list[dict[str, Any]]) -> None:
    """Read a stream of events to its end."""
    event = ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            assert event == "move"
            seen.append(msgspec.json.decode(value))


async def test_a_watcher_is_told_of_each_change_until_the_end(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    path = f"/api/ops/moves/{move_id}/events"
    async with made.gateways[1].client.stream("GET", path, headers=ops()) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        seen: list[dict[str, Any]] = []
        reading = asyncio.create_task(read_events(answer, seen))
        progress = await claim(made, move_id)
        for rows in (10, 20):
            noted = Noted(rows_copied=rows, rows_total=20)
            async with made.platform.catalog.transaction() as connection:
                await moving.note_progress(connection, progress.operation, noted)
            async with asyncio.timeout(30):
                while not seen or seen[-1]["rows_copied"] != rows:
                    await asyncio.sleep(0.02)
        async with made.platform.catalog.transaction() as connection:
            await moving.failed(connection, progress, "the disk is full")
        async with asyncio.timeout(30):
            await reading
    assert [each["rows_copied"] for each in seen if each["rows_copied"]][:2] == [10, 20]
    assert (seen[0]["state"], seen[-1]["state"]) == ("running", "failed")
    assert seen[-1] == await shown(made, move_id)
    assert all(earlier != later for earlier, later in itertools.pairwise(seen))


async def test_a_move_is_paused_held_and_cut_over(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema", hold=True)
    held = await shown(made, move_id)
    assert (held["held_by"], held["held_reason"]) == ("operator:token", "a test asks for it")
    assert not held["awaits_cut_over"], "it hasn't begun"
    paused = await tell(made, move_id, "pause", 200)
    assert (paused["state"], paused["paused_by"]) == ("running", "operator:token")
    assert await tell(made, move_id, "pause", 200) == paused, "said twice, the first one stands"
    resumed = await tell(made, move_id, "resume", 200)
    assert (resumed["paused_at"], resumed["held_at"]) == (None, held["held_at"])
    assert (await tell(made, move_id, "release", 200))["held_at"] is None
    await tell(made, move_id, "hold", 200)
    cut = await tell(made, move_id, "cut-over", 200)
    assert (cut["held_at"], cut["hurried_at"] is None) == (None, False)
    await carry_out(made, move_id)
    for word in WORDS:
        assert "undo it instead" in (await tell(made, move_id, word, 409))["detail"]
    assert not {*KEYS} - {*await shown(made, move_id)}
    trail = await made.client.get(f"/api/ops/audit?tenant={shop.slug}", headers=ops())
    deeds = [line["action"] for line in expect(trail, 200)["items"]]
    assert [each for each in deeds if each.startswith("move.")] == [
        *("move.decide", "move.cut_over", "move.hold", "move.release", "move.resume"),
        *("move.pause", "move.hold", "move.record"),
    ]


async def test_a_move_that_is_not_there_hears_no_word(made: GatewayWorld) -> None:
    for word in WORDS:
        assert "there is no move" in (await tell(made, str(uuid.uuid4()), word, 404))["detail"]


async def test_a_watcher_is_told_of_a_pause(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    path = f"/api/ops/moves/{move_id}/events"
    async with made.gateways[1].client.stream("GET", path, headers=ops()) as answer:
        seen: list[dict[str, Any]] = []
        reading = asyncio.create_task(read_events(answer, seen))
        async with asyncio.timeout(30):
            while not seen:
                await asyncio.sleep(0.02)
            await tell(made, move_id, "pause", 200)
            while seen[-1]["paused_at"] is None:
                await asyncio.sleep(0.02)
            await tell(made, move_id, "cancel", 200)
            await reading
    assert (seen[-1]["state"], seen[-1]["paused_at"]) == ("cancelled", None)


async def test_the_stream_ends_before_the_deadline_of_the_request(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    settings = msgspec.structs.replace(made.settings, request_deadline_s=2.0)
    async with gateway(settings) as short:
        async with (
            asyncio.timeout(30),
            short.client.stream("GET", f"/api/ops/moves/{move_id}/events", headers=ops()) as answer,
        ):
            seen: list[dict[str, Any]] = []
            await read_events(answer, seen)
        assert [each["state"] for each in seen] == ["running"]


async def test_a_tenant_may_come_down_from_its_own_database(made: GatewayWorld) -> None:
    customer = await make_tenant(made, Tier.DATABASE)
    move = await shown(made, await begin(made, str(customer.id), "rows"))
    assert (move["source"]["tier"], move["target"]["tier"]) == ("database", "rows")
    assert move["target"]["cluster"] == "shared-1"


@contextlib.asynccontextmanager
async def cluster_without_server(
    made: GatewayWorld, name: str, *, capacity: int
) -> AsyncGenerator[None]:
    """Record a cluster at a port where nobody listens; forget it at the end."""
    known = made.platform.fleet.cluster("shared-1")
    cluster = Cluster(
        name=name,
        role=ClusterRole.SHARED,
        region="nowhere",
        capacity=capacity,
        host=known.host,
        port=1,
        shared_database="none",
    )
    address = Address(
        host=known.host, port=1, database="postgres", user="x", password="x", tls="disable"
    )
    async with made.platform.catalog.transaction() as connection:
        await clusters.add(connection, cluster, address, made.platform.sealer)
    yield
    async with made.platform.catalog.transaction() as connection:
        await connection.execute("DELETE FROM catalog.operation WHERE cluster = $1", name)
        await connection.execute("DELETE FROM catalog.cluster WHERE name = $1", name)


async def test_a_dry_run_tells_what_a_move_would_take_and_begins_none(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    artist = {"name": "Somebody"}
    expect(await made.client.post("/artists", json=artist, headers=shop.headers), 201)
    path, body = "/api/ops/moves/dry-run", {"tenant": shop.slug, "tier": "schema"}
    told = expect(await made.client.post(path, json=body, headers=ops()), 200)
    assert (told["does"], told["source"]["tier"], told["tier"]) == ("move", "rows", "schema")
    assert {"table": "artist", "rows": 1} in [
        {"table": each["table"], "rows": each["rows"]} for each in told["tables"]
    ]
    assert min(told["rows"], told["duration_s"], told["pause_ms"]) > 0
    listed = await made.client.get(f"/api/ops/moves?tenant={shop.slug}", headers=ops())
    assert expect(listed, 200)["items"] == []
    shown_again = await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops())
    assert expect(shown_again, 200)["pinned_tier"] is None


async def test_a_dry_run_refuses_what_the_move_would_be_refused_for(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    path = "/api/ops/moves/dry-run"
    nowhere = {"tenant": shop.slug, "tier": "schema", "cluster": "nowhere"}
    expect(await made.client.post(path, json=nowhere, headers=ops()), 422)
    nobody = {"tenant": "no-such-tenant", "tier": "schema"}
    expect(await made.client.post(path, json=nobody, headers=ops()), 404)
