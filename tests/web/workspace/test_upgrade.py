"""A move as the workspace's people see it: the strip, the page after paying, the receipt."""

from __future__ import annotations

import asyncio

import pytest

from router.catalog import tenants
from router.words import TenantStatus
from tests.gateways import SITE, Customer, GatewayWorld, expect, ops, sign_up
from tests.http.test_moves import begin, carry_out
from tests.web.surfing import Surfer
from web.visitor import SESSION_COOKIE

PAGES = ("", "/members", "/keys", "/billing", "/audit", "/location", "/general")


async def visitor_of(made: GatewayWorld, customer: Customer) -> Surfer:
    surfer = Surfer(made.client)
    surfer.cookies[SESSION_COOKIE] = customer.token
    return surfer


async def read(made: GatewayWorld, surfer: Surfer, path: str, told: list[tuple[str, str]]) -> None:
    """Read a live part to its end, as events with what they carry."""
    headers = {"Cookie": f"{SESSION_COOKIE}={surfer.token}"}
    async with made.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        event, data = "", ""
        async for line in answer.aiter_lines():
            name, _, value = line.partition(":")
            if name == "event":
                event = value.strip()
            elif name == "data":
                data += value
            elif not line and event:
                told.append((event, data.strip()))
                event, data = "", ""


async def until_told(told: list[tuple[str, str]], part: str) -> None:
    async with asyncio.timeout(30):
        while not any(part in data for _, data in told):
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
async def moving(made: GatewayWorld) -> tuple[Customer, str]:
    customer = await sign_up(made.client)
    return customer, await begin(made, customer.slug, "schema")


async def test_the_strip_is_on_every_page_while_a_move_runs(
    made: GatewayWorld, moving: tuple[Customer, str]
) -> None:
    customer, move_id = moving
    surfer = await visitor_of(made, customer)
    for page in PAGES:
        answer = await surfer.get(f"/w/{customer.slug}{page}")
        assert answer.status_code == 200
        assert f"/moves/{move_id}/strip" in answer.text, page
    other = await sign_up(made.client)
    stranger = await visitor_of(made, other)
    assert "/strip" not in (await stranger.get(f"/w/{other.slug}")).text


@pytest.mark.parametrize("part", ["", "/live", "/strip"])
async def test_a_strangers_move_is_not_there(
    made: GatewayWorld, moving: tuple[Customer, str], part: str
) -> None:
    other = await sign_up(made.client)
    surfer = await visitor_of(made, other)
    answer = await surfer.get(f"/w/{other.slug}/moves/{moving[1]}{part}")
    assert "shared-1" not in answer.text
    assert moving[0].slug not in answer.text
    # A live part ends at once, without a word: it was answered before the API was asked.
    assert answer.status_code == (200 if part else 404)


async def test_a_move_is_seen_live_and_ends_in_its_receipt(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    surfer = await visitor_of(made, customer)
    move_id = await begin(made, customer.slug, "schema")
    path = f"/w/{customer.slug}/moves/{move_id}"
    page = await surfer.get(path)
    assert "/strip" not in page.text
    assert "Waiting for its turn." in surfer.text
    live: list[tuple[str, str]] = []
    strip: list[tuple[str, str]] = []
    watching = asyncio.gather(
        read(made, surfer, f"{path}/live", live), read(made, surfer, f"{path}/strip", strip)
    )
    await until_told(live, "Waiting")
    await until_told(strip, "Waiting")
    await carry_out(made, move_id)
    async with asyncio.timeout(30):
        await watching
    assert live[-1] == ("end", path)
    assert strip[-1] == ("end", "")
    assert "Receipt" in strip[-2][1]
    await surfer.get(path)
    assert "10 ms" in surfer.text or "9 ms" in surfer.text
    assert "artist" in surfer.text
    assert "shared-1" not in surfer.text
    await surfer.get(f"/w/{customer.slug}/location")
    assert "1 table with 1 row was compared" in surfer.text
    assert "/strip" not in (await surfer.get(f"/w/{customer.slug}")).text


async def test_the_page_after_paying_waits_for_what_we_know(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    surfer = await visitor_of(made, customer)
    root = f"/w/{customer.slug}"
    await surfer.get(f"{root}/upgrade/return?checkout=paid&plan=pro")
    assert "Waiting for the payment provider" in surfer.text
    told: list[tuple[str, str]] = []
    watching = asyncio.create_task(read(made, surfer, f"{root}/upgrade/live?plan=pro", told))
    await until_told(told, "Waiting for the payment provider")
    path = f"/api/ops/tenants/{customer.slug}/plan"
    expect(await made.client.post(path, json={"plan": "pro"}, headers=ops()), 200)
    await until_told(told, "The payment has arrived")
    move_id = await begin(made, customer.slug, "schema")
    await until_told(told, "Waiting for its turn")
    await carry_out(made, move_id)
    async with asyncio.timeout(30):
        await watching
    assert told[-1] == ("end", "")
    assert f"{root}/moves/{move_id}" in told[-2][1]
    await surfer.get(f"{root}/upgrade/return?checkout=paid&plan=pro")
    assert "Pro is all yours" in surfer.text


async def test_whoever_left_the_payment_or_names_no_plan_is_led_to_the_plans(
    made: GatewayWorld, shop: Customer
) -> None:
    surfer = await visitor_of(made, shop)
    root = f"/w/{shop.slug}"
    for query in ("checkout=left&plan=pro", "checkout=back", "checkout=paid&plan=gold"):
        answer = await surfer.get(f"{root}/upgrade/return?{query}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{root}/billing")
    assert (await surfer.get(f"{root}/upgrade/return?checkout=x")).status_code == 400


async def test_a_refusal_leads_to_the_plans_of_ones_workspace(
    made: GatewayWorld, shop: Customer
) -> None:
    surfer = await visitor_of(made, shop)
    answer = await surfer.get("/upgrade")
    assert answer.headers["location"] == f"/w/{shop.slug}/billing"
    nobody = Surfer(made.client)
    assert (await nobody.get("/upgrade")).headers["location"] == "/login?next=%2Fupgrade"


async def test_a_live_part_whose_session_has_ended_asks_for_its_page(
    made: GatewayWorld, moving: tuple[Customer, str]
) -> None:
    surfer, page = Surfer(made.client), f"/w/{moving[0].slug}/moves/{moving[1]}"
    headers = {"Accept": "text/event-stream", "Referer": f"https://{SITE}{page}"}
    answer = await surfer.get(f"{page}/live", headers)
    assert (answer.status_code, answer.text) == (200, f"event: end\ndata: {page}\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-security-policy" in answer.headers
    headers["Referer"] = "https://elsewhere.example//elsewhere.example/x"
    assert (await surfer.get(f"{page}/live", headers)).text == "event: end\ndata: /\n\n"


async def test_a_workspace_that_is_being_made_is_seen_to_come(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    surfer = await visitor_of(made, customer)
    await say(made, customer, TenantStatus.PROVISIONING)
    path = f"/w/{customer.slug}/welcome"
    await surfer.get(path)
    assert "It answers requests. : not yet" in surfer.text
    assert "still being made" in surfer.text
    told: list[tuple[str, str]] = []
    watching = asyncio.create_task(read(made, surfer, f"{path}/live", told))
    await until_told(told, "not yet")
    await say(made, customer, TenantStatus.ACTIVE)
    async with asyncio.timeout(30):
        await watching
    assert told[-1] == ("end", path)
    assert "not yet" not in told[-2][1]


async def say(made: GatewayWorld, customer: Customer, status: TenantStatus) -> None:
    """Record how far a workspace is, and wait until the gateway has heard it."""
    async with made.platform.catalog.transaction() as connection:
        await tenants.set_status(connection, customer.id, status)
    async with asyncio.timeout(30):
        while True:
            answer = await made.client.get("/api/tenant", headers=customer.headers)
            if expect(answer, 200)["status"] == status:
                return
            await asyncio.sleep(0.02)
