"""The operators' console over HTTP: who sees it, who changes by it, and what its forms do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncGenerator

import pytest
from prometheus_client import CollectorRegistry

from deploy.checkup import CheckupFigures, keep_checked
from deploy.operations import make_runner
from router.catalog import loads
from router.catalog.loads import Load
from router.tasks import end
from tests.gateways import Customer, GatewayWorld, expect, ops, sign_up
from tests.web.surfing import Surfer

LISTS = [
    "",
    "/tenants",
    "/moves",
    "/migrations",
    "/operations",
    "/clusters",
    "/neighbours",
    "/isolation",
    "/inbox",
    "/access",
    "/audit",
]


async def staff(made: GatewayWorld, role: str) -> Surfer:
    """Make somebody one of the staff, and log in."""
    person = await sign_up(made.client)
    async with made.platform.catalog.transaction() as connection:
        await connection.execute(
            "UPDATE catalog.account SET staff_role = $1 WHERE email = $2", role, person.email
        )
    surfer = Surfer(made.client)
    await surfer.log_in(person)
    return surfer


@pytest.fixture(scope="module")
async def operator(made: GatewayWorld) -> Surfer:
    return await staff(made, "operator")


@pytest.fixture(scope="module")
async def observer(made: GatewayWorld) -> Surfer:
    return await staff(made, "observer")


@pytest.mark.parametrize("path", LISTS)
async def test_to_a_stranger_the_console_is_not_there(
    surfer: Surfer, shop: Customer, path: str
) -> None:
    assert (await surfer.get(f"/console{path}")).status_code == 303
    await surfer.log_in(shop)
    assert (await surfer.get(f"/console{path}")).status_code == 404
    assert (await surfer.get(f"/console/tenants/{shop.slug}")).status_code == 404


@pytest.mark.parametrize("path", LISTS)
async def test_each_page_that_the_console_names_is_there(observer: Surfer, path: str) -> None:
    answer = await observer.get(f"/console{path}")
    assert answer.status_code == 200, answer.text
    named = set(re.findall(r'href="(/console[^"?]*)"', answer.text.partition("<main")[0]))
    assert named == {f"/console{each}" for each in LISTS}


async def test_an_observer_may_look_and_not_change(
    made: GatewayWorld, observer: Surfer, shop: Customer
) -> None:
    root = f"/console/tenants/{shop.slug}"
    answer = await observer.get(root)
    assert answer.status_code == 200
    assert set(observer.forms) == {"/logout", "/console/search"}
    token = observer.forms["/logout"]["_csrf_token"]
    sent = {"_csrf_token": token, "reason": "why not", "confirm": shop.slug, "tier": "schema"}
    for path in (
        f"{root}/placement/move",
        f"{root}/danger/suspend",
        f"/console/moves/{uuid.uuid4()}/undo",
    ):
        assert (await observer.post(path, sent)).status_code == 403
    told = await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops())
    assert expect(told, 200)["status"] == "active"


async def test_tenants_are_found_by_filters_and_paged_by_a_cursor(
    operator: Surfer, shop: Customer
) -> None:
    await operator.get(f"/console/tenants?search={shop.slug}&tier=rows&status=active&plan=")
    assert shop.slug in operator.text
    await operator.get(f"/console/tenants?search={shop.slug}&tier=database")
    assert shop.slug not in operator.text
    assert "No tenant is like that" in operator.text
    await operator.get(f"/console/tenants?search={shop.slug}&after={shop.slug}")
    assert "No tenant is like that" in operator.text
    assert (await operator.get("/console/tenants?tier=palace")).status_code == 400
    for narrowed in ("standing=grace", "cluster=dedicated-1"):
        await operator.get(f"/console/tenants?search={shop.slug}&{narrowed}")
        assert shop.slug not in operator.text
        assert "Show all of them" in operator.text
    await operator.get(f"/console/tenants?search={shop.slug}&standing=good&cluster=shared-1")
    assert shop.slug in operator.text


async def test_a_change_without_a_reason_is_asked_again(operator: Surfer, shop: Customer) -> None:
    root = f"/console/tenants/{shop.slug}/danger"
    await operator.get(root)
    answer = await operator.submit(f"{root}/maintenance", {"reason": " "})
    assert answer.status_code == 422
    assert "Say why" in operator.text


async def test_who_suspends_types_the_slug_and_resumes_with_a_reason(
    made: GatewayWorld, operator: Surfer
) -> None:
    shop = await sign_up(made.client)
    root = f"/console/tenants/{shop.slug}/danger"
    await operator.get(root)
    wrong = await operator.submit(f"{root}/suspend", {"reason": "abuse", "confirm": "another"})
    assert wrong.status_code == 422
    assert f"Type {shop.slug} to confirm." in operator.text
    sent = await operator.submit(f"{root}/suspend", {"reason": "Mißbrauch", "confirm": shop.slug})
    assert (sent.status_code, sent.headers["location"]) == (303, root)
    await operator.get(root)
    assert "The tenant is suspended." in operator.text
    await operator.submit(f"{root}/resume", {"reason": "it was a mistake"})
    told = expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)
    assert told["status"] == "active"
    await operator.get(f"/console/audit?tenant={shop.slug}")
    assert "tenant.suspend" in operator.text
    assert "Mißbrauch" in operator.text


async def test_a_plan_is_changed_and_both_sides_of_billing_are_shown(
    made: GatewayWorld, operator: Surfer
) -> None:
    shop = await sign_up(made.client)
    root = f"/console/tenants/{shop.slug}/billing"
    await operator.get(root)
    assert "The provider's" in operator.text
    refused = await operator.submit(f"{root}/plan", {"plan": "no-such-plan", "reason": "x"})
    assert refused.status_code == 422
    await operator.submit(f"{root}/plan", {"plan": "enterprise", "reason": "a contract"})
    told = expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)
    assert told["plan"] == "enterprise"


async def test_a_move_begun_by_a_form_sent_twice_is_one_and_can_be_cancelled(
    made: GatewayWorld, operator: Surfer
) -> None:
    shop = await sign_up(made.client)
    root = f"/console/tenants/{shop.slug}/placement"
    await operator.get(root)
    filled = {**operator.forms[f"{root}/move"], "tier": "schema", "reason": "it grows"}
    first = await operator.post(f"{root}/move", filled)
    again = await operator.post(f"{root}/move", filled)
    path = first.headers["location"]
    assert again.headers["location"] == path
    shown = await operator.get(path)
    assert f'data-live="{path}/live"' in shown.text
    await operator.submit(f"{path}/cancel", {"reason": "not now"})
    ended = await read_live(operator, f"{path}/live")
    assert "event: part" in ended
    assert "cancelled" in ended
    assert f"data: {path}" in ended.partition("event: end")[2]
    shown = await operator.get(path)
    assert "data-live" not in shown.text


async def test_a_moves_pace_is_said_by_one_form(made: GatewayWorld, operator: Surfer) -> None:
    shop = await sign_up(made.client)
    root = f"/console/tenants/{shop.slug}/placement"
    await operator.get(root)
    asked = {"tier": "schema", "reason": "on Sunday", "hold": "yes"}
    path = (await operator.submit(f"{root}/move", asked)).headers["location"]
    await operator.get(path)
    assert "Stops before its switch" in operator.text
    wrong = await operator.submit(f"{path}/pause", {"reason": ""})
    assert (wrong.status_code, "Say why" in operator.text) == (422, True)
    filled = {**operator.forms[f"{path}/pause"], "reason": "too busy"}
    for _ in range(2):
        paused = await operator.post(f"{path}/pause", filled)
        assert (paused.status_code, paused.headers["location"]) == (303, path)
    await operator.get(path)
    assert ": too busy" in operator.text
    for word, told in (
        ("resume", "Stops before its switch"),
        ("release", "Hold before the switch"),
        ("hold", "Switch when it is ready"),
        ("cut-over", "as soon as it is proved"),
    ):
        acts = {f"{path}/pause", f"{path}/resume"} & set(operator.forms)
        filled = {**operator.forms[acts.pop()], "reason": "now"}
        said = await operator.post(f"{path}/{word}", filled)
        assert said.status_code == 303, said.text
        await operator.get(path)
        assert told in operator.text
    await operator.submit(f"{path}/cancel", {"reason": "done"})
    late = await operator.post(f"{path}/pause", {**filled, "_key": ""})
    assert (late.status_code, "too late" in late.text) == (422, True)


async def test_a_move_begun_by_a_form_arrives_and_shows_its_proof(
    made: GatewayWorld, operator: Surfer
) -> None:
    shop = await sign_up(made.client)
    root = f"/console/tenants/{shop.slug}/placement"
    await operator.get(root)
    sent = await operator.submit(f"{root}/move", {"tier": "schema", "reason": "it grows"})
    path = sent.headers["location"]
    async with working(made):
        assert "done" in await read_live(operator, f"{path}/live")
    await operator.get(path)
    assert "What each table had on both sides" in operator.text
    assert {f"{path}/undo", f"{path}/settle"} <= set(operator.forms)
    wrong = await operator.submit(f"{path}/settle", {"reason": "room", "confirm": "yes"})
    assert (wrong.status_code, "Type settle to confirm." in operator.text) == (422, True)
    told = expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)
    assert told["placement"]["tier"] == "schema"
    undo = f"{root}/undo/{path.rpartition('/')[2]}"
    await operator.get(root)
    refused = await operator.submit(undo, {"reason": ""})
    assert (refused.status_code, "Say why" in operator.text) == (422, True)
    begun = await operator.submit(undo, {"reason": "it was only a try"})
    assert (begun.status_code, begun.headers["location"]) == (303, path)


@contextlib.asynccontextmanager
async def working(made: GatewayWorld) -> AsyncGenerator[None]:
    """Let a worker's runner work meanwhile."""
    stop = asyncio.Event()
    runner = make_runner(made.platform, CollectorRegistry())
    task = asyncio.get_running_loop().create_task(runner.run_forever(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def read_live(surfer: Surfer, path: str) -> str:
    """Read the events until the end that they tell."""
    async with asyncio.timeout(30):
        return (await surfer.get(path)).text


async def test_a_move_that_is_not_there_is_a_page_that_says_so(operator: Surfer) -> None:
    for path in ("", "/live"):
        answer = await operator.get(f"/console/moves/{uuid.uuid4()}{path}")
        assert answer.status_code == 404


async def test_an_event_that_is_not_there_can_not_be_replayed(operator: Surfer) -> None:
    await operator.get("/console/inbox")
    token = operator.forms["/logout"]["_csrf_token"]
    sent = {"_csrf_token": token, "reason": "look again"}
    answer = await operator.post("/console/inbox/evt_none/replay", sent)
    assert answer.status_code == 422


async def test_the_doctors_report_is_kept_and_renewed_when_asked_for(
    made: GatewayWorld, operator: Surfer
) -> None:
    path = "/console/isolation"
    await operator.get(path)
    refused = await operator.submit(path, {"reason": ""})
    assert refused.status_code == 422
    assert "Say why" in operator.text
    await operator.submit(path, {"reason": "somebody asked"})
    looking = asyncio.create_task(keep_checked(made.platform))
    try:
        async with asyncio.timeout(60):
            while "Every rule holds" not in (await operator.get(path), operator.text)[1]:
                await asyncio.sleep(0.1)
        told = expect(await made.client.get("/api/ops/isolation", headers=ops(None)), 200)
        (flown,) = told["canaries"]
        assert flown["where"] == f"shared-1/{await shared_database(made)}"
        assert (flown["error"], flown["found"]["seen"]) == (None, [])
        assert flown["found"]["marked"] == flown["found"]["tables"] > 0
        assert "No canary flew yet" not in operator.text
        async with made.platform.fleet.admin("shared-1", await shared_database(made)) as connection:
            await connection.execute("ALTER TABLE shared.genre DISABLE ROW LEVEL SECURITY")
        await operator.submit(path, {"reason": "something was changed by hand"})
        async with asyncio.timeout(60):
            while "grave" not in (await operator.get(path), operator.text)[1]:
                await asyncio.sleep(0.1)
        assert "genre" in operator.text
        assert "canary-seen" in operator.text
        assert "as stepwell_app" in operator.text
        registry = CollectorRegistry()
        await CheckupFigures(registry).read(made.platform.catalog)
        for figure in ("stepwell_doctor_grave_findings", "stepwell_canaries_seen"):
            assert (registry.get_sample_value(figure) or 0) > 0, figure
        await operator.get("/console")
        assert "grave holes" in operator.text
    finally:
        await end(looking)
        async with made.platform.fleet.admin("shared-1", await shared_database(made)) as connection:
            await connection.execute("ALTER TABLE shared.genre ENABLE ROW LEVEL SECURITY")


async def shared_database(made: GatewayWorld) -> str:
    name = made.platform.fleet.cluster("shared-1").shared_database
    assert name is not None
    return name


async def test_the_busiest_neighbours_are_drawn_and_listed(
    made: GatewayWorld, observer: Surfer
) -> None:
    shop = await sign_up(made.client)
    async with made.platform.catalog.connection() as connection:
        load = Load(tenant_id=shop.id, requests=77_777, busy_ms=90_000_000, waiting_ms=61_000)
        await loads.add(connection, [load])
    answer = await observer.get("/console/neighbours?by=busy&minutes=15&cluster=shared-1")
    assert answer.status_code == 200
    assert 'class="series series-1"' in answer.text
    for said in (shop.slug, "77 777", "1 d 1 h", "1 min 1 s"):
        assert said in observer.text
    assert f'href="/console/tenants/{shop.slug}"' in answer.text
    await observer.get("/console/neighbours?cluster=nowhere")
    assert "No tenant was busy in this time" in observer.text
    assert (await observer.get("/console/neighbours?by=noise")).status_code == 400


async def test_a_move_is_shown_before_it_is_begun(made: GatewayWorld, operator: Surfer) -> None:
    shop = await sign_up(made.client)
    root = f"/console/tenants/{shop.slug}/placement"
    await operator.get(root)
    key = operator.forms[f"{root}/move"]["_key"]
    sent = {**operator.forms[f"{root}/move"], "tier": "schema", "reason": "how long"}
    answer = await operator.post(f"{root}/dry-run", sent)
    assert answer.status_code == 200
    assert "What it would do" in operator.text
    assert "rows on shared-1" in operator.text
    assert operator.forms[f"{root}/move"]["reason"] == "how long"
    listed = await made.client.get(f"/api/ops/moves?tenant={shop.slug}", headers=ops())
    assert expect(listed, 200)["items"] == []
    refused = await operator.post(f"{root}/dry-run", {**sent, "cluster": "nowhere"})
    assert refused.status_code == 422
    # The form of the page before still begins it.
    begun = await operator.post(f"{root}/move", {**sent, "_key": key})
    assert (begun.status_code, "/console/moves/" in begun.headers["location"]) == (303, True)
