"""General settings, where the rows are, a further workspace, and the first page of a new one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from httpx import Response

from tests.billing.metering.books import record
from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    at,
    bearer,
    expect,
    new_slug,
    ops,
    sign_up,
)
from tests.web.surfing import Shown, Surfer
from web.slugs import slug_of
from web.visitor import SESSION_COOKIE


async def owner_of(made: GatewayWorld) -> tuple[Customer, Surfer]:
    customer, surfer = await sign_up(made.client), Surfer(made.client)
    surfer.cookies[SESSION_COOKIE] = customer.token
    return customer, surfer


async def prove(made: GatewayWorld, customer: Customer) -> None:
    """Take the address for proved, as the letter's link does."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", customer.email
        )


async def test_a_workspace_gets_another_name_and_address_and_old_links_lead_there(
    made: GatewayWorld,
) -> None:
    customer, surfer = await owner_of(made)
    old, new = f"/w/{customer.slug}/general", f"{customer.slug}-two"
    await surfer.get(old)
    saved = await surfer.submit(old, {"name": "Ann's other shop", "slug": new.upper()})
    assert (saved.status_code, saved.headers["location"]) == (303, f"/w/{new}/general")
    await surfer.get(f"/w/{new}/general")
    assert surfer.forms[f"/w/{new}/general"]["name"] == "Ann's other shop"
    led = await surfer.get(f"/w/{customer.slug}/audit?after=7")
    assert (led.status_code, led.headers["location"]) == (303, f"/w/{new}/audit?after=7")
    other, stranger = await owner_of(made)
    assert (await stranger.get(f"/w/{customer.slug}/general")).status_code == 404
    assert other.slug != new


async def test_an_address_that_is_taken_is_said_beside_it(
    made: GatewayWorld, shop: Customer
) -> None:
    customer, surfer = await owner_of(made)
    path = f"/w/{customer.slug}/general"
    await surfer.get(path)
    answer = await surfer.submit(path, {"name": "Kept as typed", "slug": shop.slug})
    assert answer.status_code == 422
    assert 'id="slug-wrong"' in answer.text
    assert surfer.forms[path]["name"] == "Kept as typed"


async def test_an_address_is_checked_while_it_is_typed(made: GatewayWorld, shop: Customer) -> None:
    customer, surfer = await owner_of(made)
    for typed, part in (
        (new_slug(), "is free"),
        (shop.slug, "is taken"),
        ("admin", "is reserved"),
        ("a b", "may hold a-z"),
        (customer.slug.upper(), "is yours"),
    ):
        assert part in (await surfer.get(f"/slugs/{typed}")).text
    assert (await Surfer(made.client).get("/slugs/abc")).status_code == 303


async def test_who_may_not_change_settings_is_shown_no_form(made: GatewayWorld) -> None:
    customer, _ = await owner_of(made)
    email = f"viewer@{customer.slug}.example"
    body = {"email": email, "role": "viewer"}
    invited = await made.client.post("/api/invitations", json=body, headers=customer.headers)
    token = expect(invited, 201)["token"]
    body = {"token": token, "password": PASSWORD}
    joined = expect(await made.client.post("/api/invitations/accept", json=body), 200)
    surfer = Surfer(made.client)
    surfer.cookies[SESSION_COOKIE] = joined["token"]
    path = f"/w/{customer.slug}/general"
    await surfer.get(path)
    assert path not in surfer.forms
    forged = {"name": "Mine", "slug": customer.slug, **surfer.forms["/logout"]}
    assert (await surfer.post(path, forged)).status_code == 422
    told = expect(await made.client.get("/api/tenant", headers=customer.headers), 200)
    assert told["name"] == customer.slug


async def test_the_location_says_what_there_is_to_say_before_any_move(made: GatewayWorld) -> None:
    customer, surfer = await owner_of(made)
    await surfer.get(f"/w/{customer.slug}/location")
    assert "Shared tables" in surfer.text
    assert "have never moved" in surfer.text


async def test_a_further_workspace_is_named_and_entered(made: GatewayWorld) -> None:
    customer, surfer = await owner_of(made)
    await prove(made, customer)
    slug = new_slug("further")
    await surfer.get("/onboarding/workspace?plan=starter")
    form = surfer.forms["/onboarding/workspace"]
    assert form["plan"] == "starter"
    made_one = await surfer.submit("/onboarding/workspace", {"name": slug.upper(), "slug": ""})
    assert made_one.headers["location"] == f"/w/{slug}/welcome"
    await surfer.get(f"/w/{slug}/welcome")
    assert "It answers requests. : done" in surfer.text
    assert f"/w/{slug}/members/invite" in surfer.forms
    me = expect(await made.client.get("/api/me", headers=bearer(surfer.token or "")), 200)
    assert (me["tenant"]["slug"], len(me["tenants"])) == (slug, 2)


async def test_a_workspace_that_can_not_be_is_said_beside_its_field(made: GatewayWorld) -> None:
    customer, surfer = await owner_of(made)
    await surfer.get("/onboarding/workspace")
    refused = await surfer.submit("/onboarding/workspace", {"name": "Ann's", "slug": ""})
    assert (refused.status_code, "isn't proved yet" in surfer.text) == (422, True)
    await prove(made, customer)
    answer = await surfer.submit("/onboarding/workspace", {"name": "Ann's", "slug": "admin"})
    assert 'id="slug-wrong"' in answer.text
    assert surfer.forms["/onboarding/workspace"]["name"] == "Ann's"


async def test_three_questions_lead_to_a_workspace(surfer: Surfer) -> None:
    name = new_slug("Ann's Shop")
    await surfer.get("/signup?plan=starter")
    asked = {field for field in surfer.forms["/signup"] if not field.startswith("_")}
    assert asked - {"plan", "chosen", "slug"} == {"email", "password", "company"}
    typed = {"email": f"a@{slug_of(name)}.example", "password": PASSWORD, "company": name}
    answer = await surfer.submit("/signup", typed)
    assert answer.headers["location"] == f"/w/{slug_of(name)}/welcome"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ann's Records & Tapes", "anns-records-tapes"),
        ("Žluťoučký kůň", "zlutoucky-kun"),
        ("Straße 7", "strasse-7"),
        ("  -- ", ""),
        ("唱片", ""),
        ("x" * 39 + " y", "x" * 39),
    ],
)
def test_an_address_is_made_of_a_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


async def test_a_refusal_over_a_limit_is_a_page_for_browsers(made: GatewayWorld) -> None:
    customer, _ = await owner_of(made)
    path = f"/api/ops/tenants/{customer.slug}/limits"
    body = {"limits": {"api_calls_per_month": 1}}
    expect(await made.client.post(path, json=body, headers=ops()), 201)
    await record(made.platform.catalog, customer.id, 1, datetime.now(UTC))
    headers = {**at(customer.slug), **bearer(customer.key), "Accept": "text/html"}
    answer = await until(made, "GET", headers, 429)
    page = Shown(answer.text)
    assert "API calls this month 1 of 1 used" in page.text
    assert "Counts anew" in page.text
    assert any(link.endswith("/upgrade") for link in page.links)
    headers["Accept"] = "application/json"
    assert expect(await made.client.get("/artists", headers=headers), 429)["limit"] == 1


async def test_a_refusal_of_who_has_not_paid_is_a_page_for_browsers(made: GatewayWorld) -> None:
    customer, surfer = await owner_of(made)
    async with made.platform.catalog.connection() as connection:
        for statement in (
            "INSERT INTO catalog.billing (tenant_id, provider) VALUES ($1, 'test')",
            "UPDATE catalog.billing SET standing = 'read_only' WHERE tenant_id = $1",
        ):
            await connection.execute(statement, customer.id)
    headers = {**at(customer.slug), **bearer(customer.key), "Accept": "text/html"}
    page = Shown((await until(made, "POST", headers, 402)).text)
    assert "Pay what is due" in page.text
    assert any(link.startswith("http") and link.endswith("/upgrade") for link in page.links)
    await surfer.get(f"/w/{customer.slug}")
    assert "rows can be read, and not changed" in surfer.text


async def until(made: GatewayWorld, method: str, headers: dict[str, str], status: int) -> Response:
    """Ask the product until the gateway has heard what holds."""
    async with asyncio.timeout(30):
        while True:
            answer = await made.client.request(method, "/artists", json={}, headers=headers)
            if answer.status_code == status:
                return answer
            await asyncio.sleep(0.05)
