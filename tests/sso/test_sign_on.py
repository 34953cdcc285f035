"""Single sign-on over the API: whom a provider lets in, and everything that it must not."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from httpx import Response

from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    make_key,
    sign_up,
)
from tests.sso.provider import CLIENT_ID, REDIRECT, SECRET, Provider

FINISH = "/api/sso/finish"


def domain_of(shop: Customer) -> str:
    return f"{shop.slug}.example"


def wanted(shop: Customer, provider: Provider, **changes: object) -> dict[str, object]:
    return {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "email_domains": [domain_of(shop)],
        **changes,
    }


async def put(
    made: GatewayWorld, shop: Customer, provider: Provider, **changes: object
) -> Response:
    body = wanted(shop, provider, **changes)
    return await made.client.put("/api/sso", json=body, headers=shop.headers)


async def start(made: GatewayWorld, email: str) -> dict[str, str]:
    told: dict[str, str] = expect(
        await made.client.post("/api/sso/start", json={"email": email}), 200
    )
    return told


async def finish(made: GatewayWorld, back: dict[str, str], browser: str) -> Response:
    return await made.client.post(FINISH, json={**back, "browser": browser})


async def come(
    made: GatewayWorld, provider: Provider, email: str, subject: str | None = None
) -> Response:
    """Log in as a browser does: out to the provider, and back."""
    begun = await start(made, email)
    return await finish(made, provider.authorize(begun["url"], email, subject), begun["browser"])


async def try_out(
    made: GatewayWorld, shop: Customer, provider: Provider, email: str | None = None
) -> Response:
    """Try it as an owner does: out to the provider, and back."""
    begun = expect(await made.client.post("/api/sso/trial", headers=shop.headers), 200)
    back = provider.authorize(begun["url"], email or shop.email)
    return await finish_trial(made, shop, {**back, "browser": begun["browser"]})


async def finish_trial(made: GatewayWorld, shop: Customer, body: dict[str, str]) -> Response:
    return await made.client.post("/api/sso/trial/finish", json=body, headers=shop.headers)


async def invite(made: GatewayWorld, shop: Customer, email: str, role: str = "member") -> str:
    answer = await made.client.post(
        "/api/invitations", json={"email": email, "role": role}, headers=shop.headers
    )
    return str(expect(answer, 201)["token"])


async def test_an_invited_address_joins_and_comes_back_in_a_session_of_this_tenant_alone(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    assert expect(await put(made, shop, provider), 200)["redirect_uri"] == REDIRECT
    email = f"bob@{domain_of(shop)}"
    await invite(made, shop, email)
    told: dict[str, Any] = {}
    for _ in range(2):
        told = expect(await come(made, provider, email), 200)
        assert [each["slug"] for each in told["tenants"]] == [shop.slug]
        me = expect(await made.client.get("/api/me", headers=bearer(told["token"])), 200)
        assert (me["user"]["email"], me["tenant"]["role"]) == (email, "member")
    other = await sign_up(made.client)
    for path, body in (("/api/switch", {"tenant": other.slug}), ("/api/passkeys/options", {})):
        answer = await made.client.post(path, json=body, headers=bearer(told["token"]))
        assert answer.status_code in {403, 404}


async def test_nobody_comes_who_is_neither_member_nor_invited(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    refused = await come(made, provider, f"eve@{domain_of(shop)}")
    assert "no open invitation" in expect(refused, 403)["detail"]


async def test_a_provider_speaks_for_its_domains_alone(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    victim = await sign_up(made.client)
    await invite(made, shop, victim.email)
    provider.claims = {"email": victim.email}
    refused = await come(made, provider, f"eve@{domain_of(shop)}")
    assert "isn't of the domains" in expect(refused, 403)["detail"]


async def test_somebody_s_unproved_account_isn_t_let_in_by_an_invitation(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    email = f"carl@{domain_of(shop)}"
    await sign_up(made.client, email=email)
    await invite(made, shop, email)
    assert "isn't confirmed" in expect(await come(made, provider, email), 403)["detail"]


async def test_an_address_that_changed_hands_there_stays_whose_it_was(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    email = f"bob@{domain_of(shop)}"
    await invite(made, shop, email)
    expect(await come(made, provider, email, "subject 1"), 200)
    assert (
        "somebody else's" in expect(await come(made, provider, email, "subject 2"), 409)["detail"]
    )


Forge = Callable[[Provider, dict[str, Any]], str]


def _unsigned(_: Provider, claims: dict[str, Any]) -> str:
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _by_the_public_key(provider: Provider, claims: dict[str, Any]) -> str:
    signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims)}"
    public = provider.key.as_pem(private=False)
    return f"{signed}.{_spell(hmac.digest(public, signed.encode(), 'sha256'))}"


def _by_the_secret(_: Provider, claims: dict[str, Any]) -> str:
    signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims)}"
    return f"{signed}.{_spell(hmac.digest(SECRET.encode(), signed.encode(), 'sha256'))}"


def _by_another_key(_: Provider, claims: dict[str, Any]) -> str:
    return Provider().sign(claims)


def _changed(provider: Provider, claims: dict[str, Any]) -> str:
    head, _, signature = provider.sign({**claims, "sub": "another"}).split(".")
    return f"{head}.{_part(claims)}.{signature}"


def _part(told: dict[str, Any]) -> str:
    return _spell(json.dumps(told).encode())


def _spell(told: bytes) -> str:
    return base64.urlsafe_b64encode(told).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "forge", [_unsigned, _by_the_public_key, _by_the_secret, _by_another_key, _changed]
)
async def test_a_forged_token_opens_nothing(
    made: GatewayWorld, shop: Customer, provider: Provider, forge: Forge
) -> None:
    expect(await put(made, shop, provider), 200)
    begun = await start(made, shop.email)
    back = provider.authorize(begun["url"], shop.email)
    (code,) = provider.codes.values()
    provider.token = forge(provider, provider.said(code))
    refused = await finish(made, back, begun["browser"])
    assert "signature can't be checked" in expect(refused, 422)["detail"]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "another"}, "of another log-in"),
        ({"nonce": None}, "of another log-in"),
        ({"iss": "https://login.example.com"}, "of another issuer"),
        ({"aud": "another client"}, "meant for another client"),
        ({"aud": [CLIENT_ID, "another"]}, "given to another client"),
        ({"azp": "another"}, "given to another client"),
        ({"exp": 1_000_000}, "has expired"),
        ({"exp": None}, "is no time"),
        ({"iat": 1_000_000}, "wasn't made just now"),
        ({"nbf": 9_999_999_999}, "isn't valid yet"),
        ({"email_verified": False}, "isn't verified there"),
        ({"email": None}, "names no e-mail address"),
        ({"sub": None}, "names no subject"),
    ],
)
async def test_a_token_that_says_something_else_opens_nothing(
    made: GatewayWorld, shop: Customer, provider: Provider, claims: dict[str, Any], said: str
) -> None:
    expect(await put(made, shop, provider), 200)
    provider.claims = claims
    assert said in expect(await come(made, provider, shop.email), 422)["detail"]


async def test_a_way_back_works_once_and_in_the_browser_that_left(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    mine, theirs = await start(made, shop.email), await start(made, shop.email)
    back = provider.authorize(mine["url"], shop.email)
    # Used up by the attempt: the right browser is too late then.
    expect(await finish(made, back, theirs["browser"]), 422)
    expect(await finish(made, back, mine["browser"]), 422)
    back = provider.authorize(theirs["url"], shop.email)
    expect(await finish(made, back, theirs["browser"]), 200)
    expect(await finish(made, back, theirs["browser"]), 422)


async def test_a_code_goes_to_the_provider_that_gave_it_alone(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    provider.tells_issuer = True
    expect(await put(made, shop, provider), 200)
    for other in ("https://id.attacker.example", None):
        begun = await start(made, shop.email)
        back = provider.authorize(begun["url"], shop.email)
        given = back | {"iss": other} if other else {"code": back["code"], "state": back["state"]}
        provider.asked.clear()
        refused = await finish(made, given, begun["browser"])
        assert "another identity provider" in expect(refused, 422)["detail"]
        assert "/token" not in provider.asked
    expect(await come(made, provider, shop.email), 200)


async def test_a_code_of_another_log_in_is_worth_nothing(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    mine, theirs = await start(made, shop.email), await start(made, shop.email)
    stolen = provider.authorize(theirs["url"], shop.email)["code"]
    back = {**provider.authorize(mine["url"], shop.email), "code": stolen}
    expect(await finish(made, back, mine["browser"]), 422)


async def test_a_way_back_ends_by_itself(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    expect(await put(made, shop, provider), 200)
    begun = await start(made, shop.email)
    async with made.platform.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.sign_on_round SET expires_at = now()")
    back = provider.authorize(begun["url"], shop.email)
    expect(await finish(made, back, begun["browser"]), 422)


async def test_where_it_is_required_members_come_no_other_way_and_owners_do(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    email = f"bob@{domain_of(shop)}"
    token = await invite(made, shop, email)
    accepted = {"token": token, "password": PASSWORD}
    expect(await made.client.post("/api/invitations/accept", json=accepted), 200)
    expect(await put(made, shop, provider), 200)
    expect(await try_out(made, shop, provider), 200)
    expect(await put(made, shop, provider, required=True), 200)
    told = expect(await log_in(made, email), 200)
    refused = await made.client.get(
        "/api/tenant", headers={**bearer(told["token"]), "X-Tenant": shop.slug}
    )
    assert refused.status_code in {403, 404}
    provider.is_down = True
    owner = expect(await log_in(made, shop.email), 200)
    expect(await made.client.get("/api/tenant", headers=bearer(owner["token"])), 200)
    expect(await made.client.delete("/api/sso", headers=bearer(owner["token"])), 204)
    told = expect(await log_in(made, email), 200)
    expect(await made.client.get("/api/tenant", headers=bearer(told["token"])), 200)


async def log_in(made: GatewayWorld, email: str) -> Response:
    return await made.client.post("/api/login", json={"email": email, "password": PASSWORD})


async def test_only_an_owner_sets_it_under_a_plan_that_has_it(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    admin = bearer(await make_key(made.client, shop.token, role="admin"))
    body = wanted(shop, provider)
    expect(await made.client.put("/api/sso", json=body, headers=admin), 403)
    expect(await made.client.delete("/api/sso", headers=admin), 403)
    larger = await sign_up(made.client, plan="pro")
    refused = await put(made, larger, provider)
    assert "doesn't include single sign on" in expect(refused, 403)["detail"]


async def test_a_domain_is_shown_to_be_one_s_own_first(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    other = await sign_up(made.client)
    for domains in ([domain_of(other)], ["gmail.com"], ["no domain"]):
        assert (await put(made, shop, provider, email_domains=domains)).status_code in {403, 422}
    unproved = await put(made, other, provider)
    assert "is yours" in expect(unproved, 403)["detail"]
    missing = await made.client.post("/api/sso/start", json={"email": other.email})
    expect(missing, 404)


async def test_a_domain_is_shown_by_itself_or_one_above_and_never_by_one_below(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    name = f"{shop.slug}.firm.example"
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "INSERT INTO catalog.domain (name, tenant_id) VALUES ($1, $2)", name, shop.id
        )
    for theirs in ("firm.example", f"not-{name}"):
        refused = await put(made, shop, provider, email_domains=[theirs])
        assert "is yours" in expect(refused, 403)["detail"]
    for own in (name, f"mail.{name}"):
        expect(await put(made, shop, provider, email_domains=[own]), 200)


async def test_the_secret_is_sealed_and_goes_nowhere_else(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    answer = await put(made, shop, provider)
    shown = await made.client.get("/api/sso", headers=shop.headers)
    assert SECRET not in answer.text + shown.text
    async with made.platform.catalog.connection() as connection:
        kept = await connection.fetchval(
            "SELECT secret_sealed FROM catalog.single_sign_on WHERE tenant_id = $1", shop.id
        )
        noted = await connection.fetchval(
            "SELECT string_agg(detail::text, '') FROM catalog.audit WHERE tenant_id = $1", shop.id
        )
    assert SECRET.encode() not in kept
    assert SECRET not in noted
    expect(await put(made, shop, provider, client_secret=None), 200)
    refused = await put(made, shop, provider, client_secret=None, client_id="another")
    assert "secret too" in expect(refused, 422)["detail"]


async def test_a_provider_that_leads_elsewhere_or_is_another_is_refused(
    made: GatewayWorld, shop: Customer, provider: Provider
) -> None:
    provider.name = "https://login.example.com"
    assert "calls itself" in expect(await put(made, shop, provider), 422)["detail"]
    provider.name, provider.moved_to = None, f"{provider.issuer}/keys"
    assert "status 302" in expect(await put(made, shop, provider), 422)["detail"]
    assert "/keys" not in provider.asked
    provider.moved_to, provider.is_down = None, True
    assert "status 503" in expect(await put(made, shop, provider), 422)["detail"]
    for issuer in ("ftp://a.example", "https://u:p@a.example", "https://a.example/#x", "nothing!"):
        expect(await put(made, shop, provider, issuer=issuer), 422)
    expect(await made.client.get("/api/sso", headers=shop.headers), 404)
