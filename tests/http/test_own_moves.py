"""What a tenant's own people see of its moves and its place, and change of its name."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from promotion.steps import Step
from router.api.onmoves import AFTER, SAID, Phase
from router.catalog import moving
from router.catalog.moving import Noted
from router.words import Tier
from tests.billing.metering.books import record
from tests.gateways import (
    Customer,
    GatewayWorld,
    at,
    bearer,
    expect,
    make_key,
    make_tenant,
    sign_up,
)
from tests.http.test_moves import begin, carry_out, claim, read_events, shown, tell

KEYS = {
    *("id", "source", "target", "state", "phase", "said", "rows_copied", "rows_total"),
    *("tables_verified", "pause_ms", "proof", "started_at", "finished_at"),
}


async def seen(made: GatewayWorld, customer: Customer, path: str) -> dict[str, Any]:
    return expect(await made.client.get(path, headers=customer.headers), 200)


async def change(
    made: GatewayWorld, customer: Customer, status: int = 200, **body: object
) -> dict[str, Any]:
    answer = await made.client.patch("/api/tenant", json=body, headers=customer.headers)
    return expect(answer, status)


def test_every_step_of_a_move_has_a_phase_and_every_phase_its_words() -> None:
    assert set(AFTER) - {None} == set(Step)
    assert set(SAID) == set(Phase)


async def test_a_move_is_seen_by_its_own_people_without_a_server(made: GatewayWorld) -> None:
    shop, other = await sign_up(made.client), await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    waiting = await seen(made, shop, f"/api/moves/{move_id}")
    assert waiting.keys() == KEYS
    assert (waiting["phase"], waiting["source"], waiting["target"]) == ("waiting", "rows", "schema")
    await carry_out(made, move_id)
    answer = await made.client.get(f"/api/moves/{move_id}", headers=shop.headers)
    moved = expect(answer, 200)
    assert (moved["state"], moved["phase"], moved["pause_ms"]) == ("done", "moved", 9.5)
    assert moved["tables_verified"] == len(moved["proof"]) == 1
    for secret in ("shared-1", "cluster", "database", "login", str(other.id)):
        assert secret not in answer.text
    assert await seen(made, shop, "/api/moves") == {"items": [moved], "next": None}
    assert await seen(made, other, "/api/moves") == {"items": [], "next": None}
    undo = await tell(made, move_id, "undo")
    assert (await seen(made, shop, f"/api/moves/{move_id}"))["phase"] == "going_back"
    assert (await seen(made, shop, f"/api/moves/{undo['operation']['id']}"))["id"] == move_id


async def test_its_people_hear_that_a_move_rests_and_that_it_is_ready(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema", hold=True)
    await tell(made, move_id, "pause", 200)
    resting = await seen(made, shop, f"/api/moves/{move_id}")
    assert (resting["phase"], resting["state"]) == ("resting", "running")
    assert "a test asks for it" not in str(resting), "why is for operators"
    await tell(made, move_id, "resume", 200)
    progress = await claim(made, move_id)
    await progress.advance("verified")
    ready = await seen(made, shop, f"/api/moves/{move_id}")
    assert (ready["phase"], ready["state"]) == ("ready", "running")
    assert "waits for the moment agreed" in ready["said"]
    assert (await shown(made, move_id))["awaits_cut_over"]
    await tell(made, move_id, "cut-over", 200)
    assert (await seen(made, shop, f"/api/moves/{move_id}"))["phase"] == "switching"


async def test_another_tenants_move_is_not_there(made: GatewayWorld) -> None:
    shop, other = await sign_up(made.client), await sign_up(made.client)
    move_id, nowhere = await begin(made, shop.slug, "schema"), str(uuid.uuid4())
    for path in ("/api/moves/{}", "/api/moves/{}/events", "/api/moves?after={}"):
        details = [
            expect(await made.client.get(path.format(each), headers=other.headers), 404)["detail"]
            for each in (move_id, nowhere)
        ]
        assert details[0].replace(move_id, nowhere) == details[1]


async def test_moves_are_listed_page_by_page(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    moves: list[str] = []
    for _ in range(2):
        moves.append(await begin(made, shop.slug, "schema"))
        await tell(made, moves[-1], "cancel", 200)
    first = await seen(made, shop, "/api/moves?limit=1")
    assert [each["id"] for each in first["items"]] == moves[1:]
    second = await seen(made, shop, f"/api/moves?limit=1&after={first['next']}")
    assert [each["id"] for each in second["items"]] == moves[:1]
    assert second["items"][0]["phase"] == "cancelled"


async def test_a_move_is_watched_to_its_end(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    move_id = await begin(made, shop.slug, "schema")
    path = f"/api/moves/{move_id}/events"
    async with made.gateways[1].client.stream("GET", path, headers=shop.headers) as answer:
        told: list[dict[str, Any]] = []
        reading = asyncio.create_task(read_events(answer, told))
        progress = await claim(made, move_id)
        async with made.platform.catalog.transaction() as connection:
            noted = Noted(rows_copied=10, rows_total=20)
            await moving.note_progress(connection, progress.operation, noted)
        async with asyncio.timeout(30):
            while not told or told[-1]["rows_copied"] != 10:
                await asyncio.sleep(0.02)
        async with made.platform.catalog.transaction() as connection:
            await moving.failed(connection, progress, "the disk of shared-1 is full")
        async with asyncio.timeout(30):
            await reading
    assert told[-1]["phase"] == "failed"
    assert told[-1].keys() == KEYS
    assert "shared-1" not in str(told)


async def test_the_location_tells_the_last_proof(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    before = await seen(made, shop, "/api/location")
    assert (before["tier"], before["region"], before["server"]) == ("rows", "local", "shared")
    assert (before["epoch"], before["proof"]) == (1, None)
    assert "shared-1" not in str(before)
    move_id = await begin(made, shop.slug, "schema")
    await carry_out(made, move_id)
    async with asyncio.timeout(30):
        # The gateway hears of it a moment later.
        while (after := await seen(made, shop, "/api/location"))["epoch"] == 1:
            await asyncio.sleep(0.02)
    proof = after["proof"]
    assert (proof["move"], proof["tables"], proof["rows"]) == (move_id, 1, 1)
    assert proof["digests_equal"] is True
    assert after["epoch"] == 2
    assert after["pause_ms_expected"] > 0


async def test_a_database_of_its_own_is_told_as_one(made: GatewayWorld) -> None:
    told = await seen(made, await make_tenant(made, Tier.DATABASE), "/api/location")
    assert (told["tier"], told["server"]) == ("database", "dedicated")
    assert "own" in told["isolation"]


async def test_the_day_of_the_limit_is_told(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    now = datetime.now(UTC)
    calls = (await seen(made, shop, "/api/usage"))["items"][0]
    assert calls["reaches_limit_on"] is None
    await record(made.platform.catalog, shop.id, 5_000, now)
    calls = (await seen(made, shop, "/api/usage"))["items"][0]
    assert calls["reaches_limit_on"] in {
        now.date().isoformat(),
        datetime.now(UTC).date().isoformat(),
    }


async def test_a_tenant_is_renamed_and_its_old_address_still_leads_to_it(
    made: GatewayWorld,
) -> None:
    shop = await sign_up(made.client)
    new = f"{shop.slug}-new"
    changed = await change(made, shop, name="Better records", slug=new)
    assert (changed["name"], changed["slug"]) == ("Better records", new)
    for slug in (shop.slug, new):
        answer = await made.client.get("/artists", headers={**at(slug), **bearer(shop.key)})
        expect(answer, 200)
    trail = await seen(made, shop, "/api/audit")
    assert {each["action"] for each in trail["items"]} >= {"tenant.rename", "tenant.set_slug"}
    assert (await change(made, shop, slug=shop.slug))["slug"] == shop.slug


async def test_a_slug_that_can_not_be_is_refused_beside_its_field(
    made: GatewayWorld, shop: Customer
) -> None:
    customer = await sign_up(made.client)
    for slug, status in ((shop.slug, 409), ("admin", 422), ("Ann's", 422)):
        told = await change(made, customer, status, slug=slug)
        assert told["errors"][0]["key"] == "slug"
    told = await change(made, customer, 422, name="a\tb")
    assert told["errors"][0]["key"] == "name"
    assert (await seen(made, customer, "/api/tenant"))["slug"] == customer.slug


async def test_slugs_are_not_collected(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    for number in range(5):
        await change(made, shop, slug=f"{shop.slug}-{number}")
    told = await change(made, shop, 429, slug=f"{shop.slug}-more")
    assert "too often" in told["detail"]


@pytest.mark.parametrize("role", ["viewer", "member"])
async def test_who_may_not_change_settings_renames_nothing(made: GatewayWorld, role: str) -> None:
    shop = await sign_up(made.client)
    key = bearer(await make_key(made.client, shop.token, role=role))
    answer = await made.client.patch("/api/tenant", json={"name": "Mine"}, headers=key)
    expect(answer, 403)
    assert (await seen(made, shop, "/api/tenant"))["name"] == shop.slug
