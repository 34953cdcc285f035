"""Sign-up, log-in, switch and log-out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from deploy.provisioning import Provisioning
from router.catalog import accounts, members, operations, tenants
from router.catalog.operations import Claim
from router.catalog.passwords import Passwords
from router.words import Tier
from tests.gateways import (
    HEARD_S_MAX,
    PASSWORD,
    Customer,
    GatewayWorld,
    at,
    bearer,
    expect,
    make_tenant,
    new_slug,
    sign_up,
)

WRONG = "not the right password"


def asked(slug: str, /, **changes: object) -> dict[str, Any]:
    return {
        "email": f"owner@{slug}.example",
        "password": PASSWORD,
        "company": "A company",
        "slug": slug,
        **changes,
    }


async def test_a_sign_up_gives_a_tenant_that_is_ready(made: GatewayWorld) -> None:
    slug = new_slug()
    answer = await made.client.post("/api/signup", json=asked(slug, email=f"Owner@{slug}.EXAMPLE"))
    told = expect(answer, 201)
    assert (told["tenant"]["status"], told["tenant"]["tier"]) == ("active", "rows")
    assert told["user"]["email"] == f"owner@{slug}.example"
    headers = bearer(told["token"])
    expect(await made.client.post("/artists", json={"name": "X"}, headers=headers), 201)
    whole = expect(await made.client.get("/api/tenant", headers=headers), 200)
    assert (whole["plan"], whole["tier"], whole["epoch"]) == ("starter", "rows", 1)
    # How many calls were counted by now is the gateway's pace.
    assert whole["usage"].keys() == {"api_calls", "seats"}
    assert whole["usage"]["seats"] == 1
    assert whole["limits"]["seats"] == 5
    assert whole["schema_revision"]
    assert whole["operation"] is None


async def test_a_pro_tenant_can_sign_up_too(made: GatewayWorld) -> None:
    customer = await sign_up(made.client, plan="pro")
    assert customer.tier is Tier.SCHEMA
    whole = expect(await made.client.get("/api/tenant", headers=bearer(customer.key)), 200)
    assert whole["usage"]["storage_bytes"] > 0


async def test_an_enterprise_tenant_is_onboarded_by_operators(made: GatewayWorld) -> None:
    customer = await make_tenant(made, Tier.DATABASE)
    whole = expect(await made.client.get("/api/tenant", headers=customer.headers), 200)
    assert (whole["tier"], whole["plan"]) == ("database", "enterprise")
    assert whole["usage"]["storage_bytes"] > 0


async def test_nobody_signs_up_for_enterprise_alone(made: GatewayWorld) -> None:
    answer = await made.client.post("/api/signup", json=asked(new_slug(), plan="enterprise"))
    assert "ask sales" in expect(answer, 422)["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"slug": "a"},
        {"slug": "UPPER"},
        {"slug": "with--two"},
        {"slug": "-edge-"},
        {"slug": "x" * 41},
        {"slug": "admin"},
        {"slug": "nul\x00byte"},
        {"slug": 5},
        {"email": "no address"},
        {"email": "a@b@c.example"},
        {"email": "nul\x00@a.example"},
        {"email": "x" * 250 + "@a.example"},
        {"password": "short"},
        {"password": "x" * 201},
        {"password": "x" * 2_000},
        {"password": None},
        {"company": ""},
        {"company": "   "},
        {"company": "x" * 201},
        {"company": "line\nbreak"},
        {"company": "nul\x00byte"},
        {"plan": "gold"},
        {"plan": "nul\x00byte"},
        {"plan": ""},
        {"tenant_id": "00000000-0000-0000-0000-000000000000"},
        {"role": "owner"},
    ],
)
async def test_a_wrong_sign_up_is_refused_and_leaves_nothing(
    made: GatewayWorld, change: dict[str, object]
) -> None:
    slug = new_slug()
    told = expect(await made.client.post("/api/signup", json=asked(slug, **change)), 422)
    assert told["detail"]
    async with made.platform.catalog.connection() as connection:
        count = await connection.fetchval(
            "SELECT count(*) FROM catalog.account WHERE email = $1", f"owner@{slug}.example"
        )
    assert count == 0


async def test_a_taken_slug_leaves_no_account_behind(made: GatewayWorld, shop: Customer) -> None:
    email = f"late@{new_slug()}.example"
    answer = await made.client.post("/api/signup", json=asked(shop.slug, email=email))
    assert "taken" in expect(answer, 409)["detail"]
    again = await made.client.post("/api/login", json={"email": email, "password": PASSWORD})
    expect(again, 401)


async def test_fifty_sign_ups_at_once_all_succeed(made: GatewayWorld) -> None:
    slugs = [new_slug("crowd") for _ in range(50)]
    answers = await asyncio.gather(
        *(made.client.post("/api/signup", json=asked(slug)) for slug in slugs)
    )
    full = [answer for answer in answers if answer.status_code == 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in full), "a queue has an end"
    assert {answer.status_code for answer in answers} <= {201, 503}
    again = [slug for slug, answer in zip(slugs, answers, strict=True) if answer in full]
    for slug in again:
        expect(await made.client.post("/api/signup", json=asked(slug)), 201)


async def test_of_ten_sign_ups_for_one_slug_one_gets_it(made: GatewayWorld) -> None:
    slug = new_slug("race")
    answers = await asyncio.gather(
        *(
            made.client.post("/api/signup", json=asked(slug, email=f"n{number}@{slug}.example"))
            for number in range(10)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 9]


@pytest.mark.parametrize("before", ["tenant recorded", "operation failed"])
async def test_a_sign_up_that_was_broken_off_continues(made: GatewayWorld, before: str) -> None:
    slug = new_slug("broken")
    passwords = Passwords()
    password_hash = await passwords.hash(PASSWORD)
    passwords.close()
    async with made.platform.catalog.transaction() as connection:
        account = await accounts.create(
            connection, email=f"owner@{slug}.example", password_hash=password_hash
        )
        tenant = await tenants.create(connection, slug=slug, name="A company", plan="pro")
        await members.add(connection, tenant.id, account.id, role="owner")
        if before == "operation failed":
            operation = await Provisioning(made.platform).record(connection, tenant)
            claim = Claim(owner="somebody", lease=timedelta(minutes=1))
            claimed = await operations.claim_this(connection, claim, operation.id)
            assert claimed is not None
            await operations.fail(connection, claimed, error="a disk burned", retry_after=None)
    stranger = asked(slug, email=f"stranger@{slug}.example", plan="pro")
    expect(await made.client.post("/api/signup", json=stranger), 409)
    told = expect(await made.client.post("/api/signup", json=asked(slug, plan="pro")), 201)
    assert told["tenant"]["id"] == str(tenant.id)
    assert told["tenant"]["status"] == "active"
    expect(await made.client.get("/artists", headers=bearer(told["token"])), 200)


async def test_a_second_company_is_made_with_the_same_password(
    made: GatewayWorld, shop: Customer
) -> None:
    second = new_slug()
    told = expect(await made.client.post("/api/signup", json=asked(second, email=shop.email)), 201)
    assert told["user"]["email"] == shop.email
    own = expect(await made.client.get("/api/tenant", headers=bearer(told["token"])), 200)
    assert own["slug"] == second


async def test_a_known_address_with_a_wrong_password_makes_nothing(
    made: GatewayWorld, shop: Customer
) -> None:
    slug = new_slug()
    answer = await made.client.post(
        "/api/signup", json=asked(slug, email=shop.email, password=WRONG)
    )
    told = expect(answer, 202)
    assert told["email"] == shop.email
    assert "token" not in told
    expect(await made.client.post("/api/signup", json=asked(slug)), 201)


async def test_a_log_in_is_bound_when_there_is_one_tenant(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    told = await log_in(made, customer.email)
    assert [each["slug"] for each in told["tenants"]] == [customer.slug]
    assert told["tenants"][0]["role"] == "owner"
    own = expect(await made.client.get("/api/tenant", headers=bearer(told["token"])), 200)
    assert own["slug"] == customer.slug


async def test_a_log_in_with_several_tenants_must_name_one(made: GatewayWorld) -> None:
    first = await sign_up(made.client)
    second = await sign_up(made.client, email=first.email)
    told = await log_in(made, first.email)
    assert {each["slug"] for each in told["tenants"]} == {first.slug, second.slug}
    headers = bearer(told["token"])
    unnamed = await made.client.get("/api/tenant", headers=headers)
    assert "names no tenant" in expect(unnamed, 400)["detail"]
    for customer in (first, second):
        named = await made.client.get("/api/tenant", headers={**headers, **at(customer.slug)})
        assert expect(named, 200)["slug"] == customer.slug
        for reference in (customer.slug, str(customer.id)):
            switched = expect(
                await made.client.post("/api/switch", json={"tenant": reference}, headers=headers),
                200,
            )
            own = await made.client.get("/api/tenant", headers=bearer(switched["token"]))
            assert expect(own, 200)["slug"] == customer.slug


async def test_a_switch_to_a_foreign_tenant_answers_as_to_none(
    made: GatewayWorld, shop: Customer
) -> None:
    stranger = await sign_up(made.client)
    answers = [
        await made.client.post("/api/switch", json={"tenant": name}, headers=stranger.headers)
        for name in (shop.slug, "no-such-tenant", str(shop.id), "no slug at all", "nul\x00")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_an_api_key_can_neither_switch_nor_log_out(
    made: GatewayWorld, shop: Customer
) -> None:
    headers = bearer(shop.key)
    expect(await made.client.post("/api/switch", json={"tenant": shop.slug}, headers=headers), 403)
    expect(await made.client.post("/api/logout", headers=headers), 403)


async def test_after_log_out_the_token_opens_nothing(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    token = (await log_in(made, customer.email))["token"]
    expect(await made.client.get("/api/tenant", headers=bearer(token)), 200)
    expect(await made.client.post("/api/logout", headers=bearer(token)), 204)
    await until_refused(made, token)
    expect(await made.client.get("/api/tenant", headers=customer.headers), 200)


async def test_log_in_says_no_in_one_way(made: GatewayWorld, shop: Customer) -> None:
    answers = [
        await made.client.post("/api/login", json={"email": email, "password": password})
        for email, password in (
            (shop.email, WRONG),
            (shop.email, "short"),
            ("nobody@nowhere.example", PASSWORD),
            ("no address", PASSWORD),
            ("nul\x00@a.example", PASSWORD),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    told = [{**answer.json(), "request_id": ""} for answer in answers]
    assert all(each == told[0] for each in told)


async def log_in(made: GatewayWorld, email: str) -> dict[str, Any]:
    answer = await made.client.post("/api/login", json={"email": email, "password": PASSWORD})
    return expect(answer, 200)


async def until_refused(made: GatewayWorld, token: str) -> None:
    async with asyncio.timeout(HEARD_S_MAX):
        while True:
            answer = await made.client.get("/api/tenant", headers=bearer(token))
            if answer.status_code == 401:
                return
            await asyncio.sleep(0.01)
