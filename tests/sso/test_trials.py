"""Trials of single sign-on, and the way in by slug: what they tell, and that nobody enters."""

from __future__ import annotations

from typing import Any

import pytest

from router.api.sso_trials import CLAIM_LENGTH_MAX, CLAIMS_MAX, STEPS
from tests.gateways import Customer, GatewayWorld, bearer, expect, make_key, sign_up
from tests.sso.provider import CLIENT_ID, Provider
from tests.sso.test_sign_on import (
    come,
    domain_of,
    finish,
    finish_trial,
    invite,
    put,
    start,
    try_out,
)


async def begin(made: GatewayWorld, shop: Customer) -> dict[str, Any]:
    return expect(await made.client.post("/api/sso/trial", headers=shop.headers), 200)


def ended_at(trial: dict[str, Any]) -> tuple[str, str]:
    step = trial["told"]["steps"][-1]
    return step["name"], step["said"]


async def test_a_trial_tells_each_step_and_what_the_provider_says(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    provider.claims = {"groups": ["sales", "staff"], "name": "Ann"}
    trial = expect(await try_out(made, shop, provider), 200)
    assert trial["is_good"] is True
    told = trial["told"]
    assert tuple(step["name"] for step in told["steps"]) == STEPS
    claims = told["claims"]
    assert (claims["iss"], claims["sub"]) == (provider.issuer, shop.email)
    assert (claims["email"], claims["groups"]) == (shop.email, '["sales", "staff"]')
    assert "nonce" not in claims
    assert abs(told["clock_skew_s"]) < 60
    shown = expect(await made.client.get("/api/sso", headers=shop.headers), 200)
    assert shown["trial"] == trial


@pytest.mark.parametrize(
    ("claims", "ended"),
    [
        ({"nonce": "another"}, ("claims", "of another log-in")),
        ({"aud": "another"}, ("claims", "meant for another client")),
        ({"iat": 1_000_000}, ("claims", "wasn't made just now")),
        ({"iat": 10**400}, ("claims", "is no time")),
        ({"exp": 10**400}, ("claims", "is no time")),
        ({"email": "ann@elsewhere.example"}, ("domain", "isn't of the domains")),
        ({"email": "no address"}, ("domain", "no e-mail address")),
    ],
)
async def test_a_trial_ends_where_a_log_in_would(
    made: GatewayWorld,
    shop: Customer,
    provider: Provider,
    claims: dict[str, object],
    ended: tuple[str, str],
) -> None:
    expect(await put(made, shop, provider), 200)
    provider.claims = claims
    trial = expect(await try_out(made, shop, provider), 200)
    assert trial["is_good"] is False
    step, said = ended_at(trial)
    assert step == ended[0]
    assert ended[1] in said
    # What was signed is shown, whatever is wrong with it.
    assert trial["told"]["claims"]["aud"] == claims.get("aud", CLIENT_ID)
    assert (await come(made, provider, shop.email)).status_code in {403, 422}


async def test_a_trial_says_what_is_wrong_at_the_provider(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    begun = await begin(made, shop)
    body = {"state": begun["state"], "browser": begun["browser"], "error": "access_denied\x00\n"}
    assert ended_at(expect(await finish_trial(made, shop, body), 200)) == (
        "log-in",
        "the provider sent no code: access_denied",
    )
    begun = await begin(made, shop)
    body = {"state": begun["state"], "browser": begun["browser"], "code": "made up"}
    assert ended_at(expect(await finish_trial(made, shop, body), 200))[0] == "code"
    begun = await begin(made, shop)
    back = provider.authorize(begun["url"], shop.email)
    provider.token = Provider().sign({"iss": provider.issuer})
    trial = expect(await finish_trial(made, shop, {**back, "browser": begun["browser"]}), 200)
    assert ended_at(trial)[0] == "signature"
    assert trial["told"]["claims"] == {}
    provider.is_down = True
    refused = await made.client.post("/api/sso/trial", headers=shop.headers)
    assert "status 503" in expect(refused, 422)["detail"]


async def test_whatever_a_provider_signs_is_cut_and_kept(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    many = {f"claim {number}": "x" for number in range(100)}
    odd = {"nul": "a\x00b", "half": "\ud800", "long": "y" * 10_000, "deep": [{"a": "\ud800"}]}
    provider.claims = {**odd, **many}
    trial = expect(await try_out(made, shop, provider), 200)
    claims = trial["told"]["claims"]
    assert len(claims) == CLAIMS_MAX
    assert max(map(len, claims.values())) == CLAIM_LENGTH_MAX
    assert (claims["nul"], claims["half"]) == ("ab", "?")


async def test_by_a_trial_nobody_enters_joins_or_is_tied(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    email = f"bob@{domain_of(shop)}"
    refused = expect(await try_out(made, shop, provider, email), 200)
    assert "no open invitation" in ended_at(refused)[1]
    await invite(made, shop, email)
    trial = expect(await try_out(made, shop, provider, email), 200)
    assert "would join by its invitation" in ended_at(trial)[1]
    assert not {"token", "user"} & trial.keys()
    async with made.platform.catalog.connection() as connection:
        tied = await connection.fetchval(
            "SELECT count(*) FROM catalog.sign_on_subject WHERE tenant_id = $1", shop.id
        )
        people = await connection.fetchval(
            "SELECT count(*) FROM catalog.account WHERE email = $1", email
        )
    assert (tied, people) == (0, 0)
    expect(await come(made, provider, email, "subject 1"), 200)
    # The address is another subject's by now: the trial says so, as the log-in would.
    begun = await begin(made, shop)
    back = provider.authorize(begun["url"], email, "subject 2")
    trial = expect(await finish_trial(made, shop, {**back, "browser": begun["browser"]}), 200)
    assert "another subject" in ended_at(trial)[1]


async def test_a_trial_s_way_back_opens_no_session_and_a_log_in_s_is_no_trial(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    tried = await begin(made, shop)
    back = provider.authorize(tried["url"], shop.email)
    refused = await finish(made, back, tried["browser"])
    assert "was a trial" in expect(refused, 422)["detail"]
    begun = await start(made, shop.email)
    back = provider.authorize(begun["url"], shop.email)
    stolen = {**back, "browser": begun["browser"]}
    assert "is no trial" in expect(await finish_trial(made, shop, stolen), 422)["detail"]


async def test_another_tenant_s_owner_or_browser_ends_no_trial_of_ours(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    thief = await sign_up(made.client)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", thief.email
        )
    expect(await put(made, thief, provider), 200)
    begun = await begin(made, shop)
    back = provider.authorize(begun["url"], shop.email)
    stolen = {**back, "browser": begun["browser"]}
    expect(await finish_trial(made, thief, stolen), 422)
    begun, other = await begin(made, shop), await begin(made, shop)
    back = provider.authorize(begun["url"], shop.email)
    expect(await finish_trial(made, shop, {**back, "browser": other["browser"]}), 422)
    shown = expect(await made.client.get("/api/sso", headers=shop.headers), 200)
    assert shown["trial"] is None


async def test_only_an_owner_tries_it(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await made.client.post("/api/sso/trial", headers=shop.headers), 404)
    expect(await put(made, shop, provider), 200)
    admin = bearer(await make_key(made.client, shop.token, role="admin"))
    expect(await made.client.post("/api/sso/trial", headers=admin), 403)
    begun = await begin(made, shop)
    body = {**provider.authorize(begun["url"], shop.email), "browser": begun["browser"]}
    refused = await made.client.post("/api/sso/trial/finish", json=body, headers=admin)
    expect(refused, 403)


async def test_what_is_required_was_tried_as_it_is_set(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    refused = expect(await put(made, shop, provider, required=True), 422)
    assert refused["errors"][0]["key"] == "required"
    expect(await put(made, shop, provider), 200)
    expect(await put(made, shop, provider, required=True), 422)
    expect(await try_out(made, shop, provider, f"eve@{domain_of(shop)}"), 200)
    expect(await put(made, shop, provider, required=True), 422)
    expect(await try_out(made, shop, provider), 200)
    # Set otherwise, it is another one that nobody tried.
    shown = expect(await put(made, shop, provider, client_secret="another secret"), 200)
    assert shown["trial"] is None
    expect(await put(made, shop, provider, required=True), 422)
    expect(await put(made, shop, provider), 200)
    expect(await try_out(made, shop, provider), 200)
    shown = expect(await put(made, shop, provider, required=True), 200)
    assert (shown["required"], shown["trial"]["is_good"]) == (True, True)
    # A new secret of the same provider doesn't open the other ways in meanwhile.
    expect(await put(made, shop, provider, required=True, client_secret="the next one"), 200)


async def test_a_slug_without_it_answers_as_one_that_nobody_has(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    told: list[dict[str, Any]] = []
    for company in (shop.slug, "nobody-has-this", "nobody.example", "no slug at all", "Nul\x00"):
        answer = await made.client.post("/api/sso/start", json={"company": company})
        document = expect(answer, 404)
        assert repr(company) in document.pop("detail")
        told.append({**document, "request_id": ""})
    assert all(each == told[0] for each in told)
    expect(await put(made, shop, provider), 200)
    for company in (shop.slug.upper(), f" {domain_of(shop)} "):
        begun = expect(await made.client.post("/api/sso/start", json={"company": company}), 200)
        back = provider.authorize(begun["url"], shop.email)
        expect(await finish(made, back, begun["browser"]), 200)
    for body in ({}, {"company": shop.slug, "email": shop.email}):
        expect(await made.client.post("/api/sso/start", json=body), 422)
