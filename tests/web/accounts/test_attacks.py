"""Attacks on the pages where people enter: forged forms, planted cookies, links that leak."""

from __future__ import annotations

import uuid

import pytest

from router.catalog import tokens
from tests.accounts.people import SITE_URL, Town, until_refused
from tests.gateways import PASSWORD, Customer, GatewayWorld, bearer, expect, new_slug, sign_up
from tests.web.surfing import Surfer
from web.accounts.mailed import TOKEN_S_MAX
from web.visitor import SESSION_COOKIE

NEW_PASSWORD = "another horse, another battery"
#: Every form by which somebody enters or changes an account.
FORMS = (
    "/login",
    "/signup",
    "/switch",
    "/reset/ask",
    "/reset",
    "/verify",
    "/verify/again",
    "/invitation",
    "/invitation/join",
    "/account/name",
    "/account/password",
    "/account/email",
    "/account/email/verify",
    "/account/sessions/end-others",
    "/account/sessions/00000000-0000-4000-8000-000000000000/end",
)
MAILED = ("/verify", "/reset", "/invitation", "/account/email")


@pytest.mark.parametrize("path", FORMS)
async def test_a_forged_form_is_refused(surfer: Surfer, shop: Customer, path: str) -> None:
    await surfer.log_in(shop)
    await surfer.get("/workspaces")
    right = {"_csrf_token": surfer.forms["/logout"]["_csrf_token"], "email": shop.email}
    for forged in ({}, {"_csrf_token": "x" * 128}):
        assert (await surfer.post(path, forged)).status_code == 403
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await surfer.post(path, right, headers)).status_code == 403


async def test_the_forged_forms_would_be_taken_if_they_weren_t_forged(
    surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    for path in FORMS:
        await surfer.get("/workspaces")
        if "/logout" not in surfer.forms:
            await surfer.log_in(shop)
            await surfer.get("/workspaces")
        right = {"_csrf_token": surfer.forms["/logout"]["_csrf_token"]}
        answer = await surfer.post(path, right, {"Origin": SITE_URL})
        assert answer.status_code not in {403, 405, 500}, path


@pytest.mark.parametrize("path", MAILED)
async def test_a_letter_s_token_leaves_the_address_before_anything_is_shown(
    surfer: Surfer, path: str
) -> None:
    token = tokens.draw_invitation() if path == "/invitation" else tokens.draw_proof()
    answer = await surfer.get(f"{path}?token={token}")
    assert answer.status_code == 303
    assert answer.headers["location"] == path
    assert token not in answer.text
    (cookie,) = [each for each in answer.headers.get_list("set-cookie") if token in each]
    for part in ("__Host-", "Secure", "HttpOnly", "SameSite=lax", f"Max-Age={TOKEN_S_MAX}"):
        assert part in cookie
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", MAILED)
@pytest.mark.parametrize(
    "token", ["x", "stw_p_%0d%0aSet-Cookie:%20a=b", "%00", "stw_s_" + "x" * 43]
)
async def test_what_is_no_token_becomes_no_cookie(surfer: Surfer, path: str, token: str) -> None:
    answer = await surfer.get(f"{path}?token={token}")
    assert answer.status_code == 303
    assert not [
        each for each in answer.headers.get_list("set-cookie") if "mailed" in each or "a=b" in each
    ]


async def test_looking_at_a_link_uses_nothing_up(
    made: GatewayWorld, town: Town, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    link = await town.link(shop.email)
    scanner = Surfer(made.client)
    for _ in range(3):
        await scanner.get(link)
        await scanner.get("/verify")
    await surfer.get(link)
    await surfer.get("/verify")
    assert (await surfer.submit("/verify")).status_code == 303


@pytest.mark.parametrize("way", ["log-in", "verify", "invitation"])
async def test_a_planted_session_is_never_taken_over(
    made: GatewayWorld, town: Town, surfer: Surfer, shop: Customer, way: str
) -> None:
    victim, thief = await sign_up(made.client), await sign_up(made.client)
    surfer.cookies[SESSION_COOKIE] = thief.token
    match way:
        case "log-in":
            surfer.cookies[SESSION_COOKIE] = tokens.draw_session()
            await surfer.get("/login")
            await surfer.submit("/login", {"email": victim.email, "password": PASSWORD})
        case "verify":
            await surfer.get(await town.link(victim.email))
            await surfer.get("/verify")
            await surfer.submit("/verify")
        case _:
            body = {"email": victim.email, "role": "member"}
            answer = await made.client.post("/api/invitations", json=body, headers=shop.headers)
            expect(answer, 201)
            await surfer.get(await town.link(victim.email))
            await surfer.get("/invitation")
            await surfer.submit("/invitation", {"password": PASSWORD})
    token = surfer.token or ""
    assert token not in {"", thief.token, victim.token}
    me = expect(await made.client.get("/api/me", headers=bearer(token)), 200)
    assert me["user"]["email"] == victim.email
    if way != "log-in":
        await until_refused(made.client, thief.token)


async def test_the_pages_tell_nobody_who_has_an_account(made: GatewayWorld) -> None:
    known, unknown = (await sign_up(made.client)).email, f"a@{new_slug()}.example"
    seen: list[list[tuple[int, str]]] = []
    for email in (known, unknown):
        surfer = Surfer(made.client)
        shown: list[tuple[int, str]] = []
        for path, action, more in (
            ("/login", "/login", {"password": NEW_PASSWORD}),
            ("/reset", "/reset/ask", {}),
            ("/verify", "/verify/again", {}),
            ("/verify", "/verify", {"code": "123456"}),
        ):
            await surfer.get(path)
            answer = await surfer.submit(action, {"email": email, **more})
            if answer.status_code == 303:
                await surfer.get(answer.headers["location"])
            shown.append((answer.status_code, surfer.text.replace(email, "whoever")))
        seen.append(shown)
    assert seen[0] == seen[1]


async def test_another_s_session_can_t_be_ended_and_looks_like_none(
    made: GatewayWorld, surfer: Surfer
) -> None:
    victim, thief = await sign_up(made.client), await sign_up(made.client)
    listed = expect(await made.client.get("/api/sessions", headers=victim.headers), 200)
    await surfer.log_in(thief)
    await surfer.get("/account")
    form = {"_csrf_token": surfer.forms["/logout"]["_csrf_token"]}
    for session_id in (listed["items"][0]["id"], uuid.uuid4()):
        refused = await surfer.post(f"/account/sessions/{session_id}/end", form)
        assert refused.status_code == 422
        assert "no open session" in surfer.text
    expect(await made.client.get("/api/me", headers=victim.headers), 200)


async def test_somebody_else_s_invitation_is_no_way_in(
    made: GatewayWorld, town: Town, surfer: Surfer, shop: Customer
) -> None:
    email, thief = f"new@{new_slug()}.example", await sign_up(made.client)
    answer = await made.client.post(
        "/api/invitations", json={"email": email, "role": "member"}, headers=shop.headers
    )
    expect(answer, 201)
    await surfer.log_in(thief)
    await surfer.get(await town.link(email))
    await surfer.get("/invitation")
    token = surfer.forms["/invitation"]["token"]
    form = {"_csrf_token": surfer.forms["/logout"]["_csrf_token"], "token": token}
    refused = await surfer.post("/invitation/join", form)
    assert refused.status_code == 422
    me = expect(await made.client.get("/api/me", headers=thief.headers), 200)
    assert [each["slug"] for each in me["tenants"]] == [thief.slug]


async def test_a_dead_session_leads_to_the_log_in_and_back(
    made: GatewayWorld, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await surfer.log_in(shop)
    await surfer.get("/account")
    expect(await made.client.delete("/api/sessions", headers=shop.headers), 204)
    await until_refused(made.client, surfer.token or "")
    answer = await surfer.submit("/account/name", {"name": "Ann"})
    assert answer.headers["location"].startswith("/login")
    await surfer.get("/login")
    assert "Your session has ended" in surfer.text
