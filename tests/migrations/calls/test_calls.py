"""The operators' calls about migrations: begun, watched, paused, retried, cancelled."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from router.catalog import waves
from tests.gateways import bearer, expect, ops
from tests.migrations.calls.conftest import BEFORE, NEWEST, PATH, WAIT_S_MAX, Diary, working

KEYS = {
    *("id", "state", "target", "source", "direction", "wave", "waves", "canaries", "percents"),
    *("jobs", "halt_after", "wave_max", "requested_by", "requested_at", "reason", "paused_by"),
    *("started_at", "ended_at", "error", "failures"),
}
#: Shared tables once, each schema once, each database once.
PLACES = 5


def column(told: dict[str, Any], revision: str, tier: str) -> dict[str, Any]:
    (cell,) = [
        each for each in told["matrix"] if (each["revision"], each["tier"]) == (revision, tier)
    ]
    return {name: cell[name] for name in ("done", "running", "failed", "pending", "unseen")}


def cell(**counts: int) -> dict[str, int]:
    return {"done": 0, "running": 0, "failed": 0, "pending": 0, "unseen": 0, **counts}


async def test_a_worker_carries_out_what_a_call_began(diary: Diary) -> None:
    begun = await diary.post("", 202, {"to": BEFORE, "percents": []})
    assert begun.keys() >= KEYS
    assert (begun["state"], begun["direction"], begun["target"]) == ("running", "down", BEFORE)
    assert begun["requested_by"] == "operator:token"
    done = await diary.until(begun["id"], "done")
    assert sum(each["skipped"] for each in done["waves"]) == PLACES
    told = await diary.get()
    assert told["revisions"] == ["0001_notes", BEFORE, NEWEST]
    assert told["items"][0] == done
    assert (told["places"], told["behind"], told["unseen"]) == (PLACES, PLACES, 0)
    assert column(told, NEWEST, "schema") == cell(pending=3)
    assert column(told, BEFORE, "schema") == cell(done=3)
    await diary.bring_to(NEWEST)
    told = await diary.get()
    assert (told["behind"], told["unseen"]) == (0, 0)
    assert column(told, NEWEST, "database") == cell(done=1)
    assert column(told, NEWEST, "rows") == cell(done=1)


async def test_a_worker_counts_places_by_how_far_they_are(diary: Diary) -> None:
    registry = CollectorRegistry()
    await diary.until(await diary.begin(to=BEFORE, percents=[]), "done", registry)
    name = "stepwell_migration_places_now"
    assert registry.get_sample_value(name, {"state": "done"}) == PLACES
    assert registry.get_sample_value(name, {"state": "failed"}) == 0
    assert (
        registry.get_sample_value("stepwell_migration_places_total", {"result": "done"}) == PLACES
    )
    await diary.bring_to(NEWEST)


async def test_a_watcher_sees_each_change_until_the_end(diary: Diary) -> None:
    migration_id = await diary.begin(to=BEFORE, percents=[50])
    path = f"{PATH}/{migration_id}/events"
    seen: list[dict[str, Any]] = []
    async with (
        asyncio.timeout(WAIT_S_MAX),
        diary.made.client.stream("GET", path, headers=ops()) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        async for line in lines:
            if line.startswith("data: "):
                seen.append(msgspec.json.decode(line.removeprefix("data: ")))
                break
        async with working(diary.made):
            seen += [
                msgspec.json.decode(line.removeprefix("data: "))
                async for line in lines
                if line.startswith("data: ")
            ]
    assert (seen[0]["state"], seen[-1]["state"]) == ("running", "done")
    assert seen[-1] == await diary.get(f"/{migration_id}")
    await diary.bring_to(NEWEST)


async def test_a_paused_one_goes_on_when_it_is_told_to(diary: Diary) -> None:
    migration_id = await diary.begin(to=BEFORE)
    paused = await diary.post(f"/{migration_id}/pause", 200)
    assert (paused["state"], paused["paused_by"]) == ("paused", "operator:token")
    assert await diary.post(f"/{migration_id}/pause", 200) == paused
    again = await diary.post(f"/{migration_id}/resume", 202, {"jobs": 3, "halt_after": 1})
    assert (again["state"], again["jobs"], again["halt_after"]) == ("running", 3, 1)
    await diary.until(migration_id, "done")
    assert "has ended" in (await diary.post(f"/{migration_id}/pause", 409))["detail"]
    await diary.bring_to(NEWEST)


async def test_one_that_stops_after_a_wave_is_paused_there(diary: Diary) -> None:
    canary = diary.customers[1]
    migration_id = await diary.begin(to=BEFORE, canaries=[canary.slug], wave_max=1)
    paused = await diary.until(migration_id, "paused")
    assert (paused["wave"], paused["wave_max"], len(paused["waves"])) == (2, 1, 3)
    lines = await diary.get(f"/{migration_id}/places?wave=1")
    assert [(line["tenant"], line["state"]) for line in lines["items"]] == [
        (canary.slug, "skipped")
    ]
    await diary.post(f"/{migration_id}/resume", 202)
    await diary.until(migration_id, "done")
    await diary.bring_to(NEWEST)


async def break_one(diary: Diary, statement: str) -> str:
    """Do something to one tenant's table by hand; returns its schema."""
    async with diary.made.platform.catalog.connection() as connection:
        place = await waves.place_of(connection, diary.customers[2].slug)
    async with diary.made.platform.fleet.admin(place.cluster, place.database) as connection:
        await connection.execute(f'SET search_path = "{place.schema}"; {statement}')
    return place.schema


async def test_what_failed_is_told_by_page_and_tried_again(diary: Diary) -> None:
    await diary.bring_to(BEFORE)
    schema = await break_one(diary, "ALTER TABLE note OWNER TO CURRENT_USER")
    migration_id = await diary.begin(percents=[])
    halted = await diary.until(migration_id, "halted")
    assert "must be owner" in halted["error"]
    failed = await diary.get(f"/{migration_id}/places?entry=failed")
    ((line, after),) = [(each, failed["next"]) for each in failed["items"]]
    assert (line["schema"], line["tenant"], after) == (schema, diary.customers[2].slug, None)
    assert "must be owner" in line["error"]
    assert column(await diary.get(), NEWEST, "schema")["failed"] == 1
    await diary.post(f"/{migration_id}/retry", 202)
    await diary.until(migration_id, "halted")
    await break_one(diary, "ALTER TABLE note OWNER TO stepwell_owner")
    assert (await diary.post(f"/{migration_id}/retry", 202))["state"] == "running"
    assert (await diary.until(migration_id, "done"))["failures"] == []
    assert "nothing failed" in (await diary.post(f"/{migration_id}/retry", 409))["detail"]
    assert (await diary.get())["behind"] == 0


async def test_a_cancelled_one_leaves_places_where_they_are(diary: Diary) -> None:
    migration_id = await diary.begin(to=BEFORE)
    await diary.post(f"/{migration_id}/pause", 200)
    cancelled = await diary.post(f"/{migration_id}/cancel", 200)
    assert (cancelled["state"], cancelled["ended_at"] is None) == ("cancelled", False)
    assert (await diary.get())["behind"] == 0
    assert "has ended" in (await diary.post(f"/{migration_id}/resume", 409))["detail"]


async def test_one_is_open_at_a_time_and_a_repeated_call_begins_no_second(diary: Diary) -> None:
    headers = {**ops(), "Idempotency-Key": uuid.uuid4().hex}
    client = diary.made.client
    first = expect(await client.post(PATH, json={"to": BEFORE}, headers=headers), 202)
    again = expect(await client.post(PATH, json={"to": BEFORE}, headers=headers), 202)
    assert again == first
    assert first["id"] in (await diary.post("", 409, {}))["detail"]
    await diary.post(f"/{first['id']}/cancel", 200)
    trail = expect(await client.get("/api/ops/audit?limit=2", headers=ops()), 200)
    assert [(each["action"], each["target"], each["reason"]) for each in trail["items"]] == [
        ("migration.cancel", first["id"], "a test asks for it"),
        ("migration.begin", first["id"], "a test asks for it"),
    ]


async def test_places_are_listed_by_where_they_are(diary: Diary) -> None:
    await diary.bring_to(NEWEST)
    client, path = diary.made.client, "/api/ops/places"
    first = expect(await client.get(f"{path}?limit=3&at={NEWEST}", headers=ops()), 200)
    rest = expect(await client.get(f"{path}?after={first['next']}", headers=ops()), 200)
    tenants = {each["tenant"] for each in (*first["items"], *rest["items"])}
    assert tenants == {None, *(each.slug for each in diary.customers[1:])}
    only = expect(await client.get(f"{path}?tier=database", headers=ops()), 200)
    assert [each["tenant"] for each in only["items"]] == [diary.customers[4].slug]
    none = expect(await client.get(f"{path}?at={BEFORE}&cluster=shared-1", headers=ops()), 200)
    assert none == {"items": [], "next": None}
    expect(await client.get(f"{path}?after=x", headers=ops()), 400)


async def test_lines_are_paged_by_a_cursor(diary: Diary) -> None:
    migration_id = (await diary.bring_to(BEFORE))["id"]
    page = await diary.get(f"/{migration_id}/places?limit=1")
    found = {line["schema"] for line in page["items"]}
    while page["next"] is not None:
        page = await diary.get(f"/{migration_id}/places?limit=1&after={page['next']}")
        found |= {line["schema"] for line in page["items"]}
    assert len(found) == PLACES
    await diary.bring_to(NEWEST)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": "0009_no_such"}, "to"),
        ({"canaries": ["nobody-of-that-name"]}, "canaries"),
    ],
)
async def test_what_can_not_be_is_said_beside_its_field(
    diary: Diary, body: dict[str, object], field: str
) -> None:
    told = await diary.post("", 422, body)
    assert [each["key"] for each in told["errors"]] == [field]


@pytest.mark.parametrize(
    "body", [{"percents": [0]}, {"percents": [100]}, {"jobs": 0}, {"wave_max": 0}, {"tenant": "x"}]
)
async def test_a_rule_that_makes_no_sense_is_refused(diary: Diary, body: dict[str, object]) -> None:
    await diary.post("", 422, body)


@pytest.mark.parametrize("what", ["pause", "resume", "retry", "cancel"])
async def test_every_change_says_why_and_is_the_operators(diary: Diary, what: str) -> None:
    client, path = diary.made.client, f"{PATH}/{uuid.uuid4()}/{what}"
    assert "X-Reason" in expect(await client.post(path, headers=ops(None)), 400)["detail"]
    expect(await client.post(path, headers=ops()), 404)
    expect(await client.post(path, headers=bearer(diary.customers[0].token)), 401)


@pytest.mark.parametrize("what", ["", "/places", "/events"])
async def test_a_migration_that_is_not_there_is_not_found(diary: Diary, what: str) -> None:
    told = await diary.get(f"/{uuid.uuid4()}{what}", 404)
    assert "there is no migration" in told["detail"]
    await diary.get("/not-an-id", 404)
    await diary.get("?after=x", 400)
