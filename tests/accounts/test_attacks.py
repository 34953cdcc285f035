"""Attacks on the ways in, over the API: log-in, reset, verification, invitation, sessions."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest
from httpx import AsyncClient, Response

from router.api.accounts import ANSWER_S_MIN
from router.api.throttle import LOG_IN
from router.catalog import tokens
from tests.accounts.people import SITE_URL, Town, until_refused
from tests.accounts.post_office import text_of
from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    new_slug,
    ops,
    prove,
    sign_up,
)

NEW_PASSWORD = "another horse, another battery"
WRONG = "not the password of anybody"


def new_address() -> str:
    return f"a@{new_slug()}.example"


def said(answer: Response) -> tuple[int, dict[str, Any]]:
    """Return what a caller can tell answers apart by."""
    told: dict[str, Any] = answer.json()
    return answer.status_code, {name: told[name] for name in told if name != "request_id"}


async def forgotten(town: Town, email: str) -> str:
    """Ask for a reset; returns the token of the letter."""
    client = town.made.client
    expect(await client.post("/api/password/forgot", json={"email": email}), 202)
    return await town.token(email)


async def set_password(client: AsyncClient, token: str, password: str = NEW_PASSWORD) -> Response:
    return await client.post("/api/password/reset", json={"token": token, "password": password})


async def log_in(client: AsyncClient, email: str, password: str = PASSWORD) -> Response:
    return await client.post("/api/login", json={"email": email, "password": password})


async def invited(town: Town, owner: Customer, email: str) -> tuple[dict[str, Any], str]:
    """Invite an address; returns what the inviter sees, and the token that only the mail has."""
    body = {"email": email, "role": "member"}
    answer = await town.made.client.post("/api/invitations", json=body, headers=owner.headers)
    return expect(answer, 201), await town.token(email)


async def expire(made: GatewayWorld, table: str) -> None:
    statement = {
        "proof": "UPDATE catalog.proof SET expires_at = now() WHERE used_at IS NULL",
        "invitation": "UPDATE catalog.invitation SET expires_at = now() WHERE accepted_at IS NULL",
    }[table]
    async with made.platform.catalog.connection() as connection:
        await connection.execute(statement)


# Enumeration ------------------------------------------------------------------------------------


async def test_a_log_in_tells_nobody_who_has_an_account(made: GatewayWorld) -> None:
    owner = await sign_up(made.client)
    known = said(await log_in(made.client, owner.email, WRONG))
    assert known == said(await log_in(made.client, new_address(), WRONG))
    assert known[0] == 401


@pytest.mark.parametrize("path", ["/api/password/forgot", "/api/accounts/resend", "/api/accounts"])
async def test_what_sends_mail_answers_alike_and_not_sooner_for_an_unknown_address(
    town: Town, path: str
) -> None:
    client = town.made.client
    known, unknown = (await sign_up(client)).email, new_address()
    answers: list[tuple[int, dict[str, Any]]] = []
    for email in (known, unknown):
        body = {"email": email} | ({"password": NEW_PASSWORD} if path == "/api/accounts" else {})
        begun_s = time.monotonic()
        status, told = said(await client.post(path, json=body))
        assert time.monotonic() - begun_s >= ANSWER_S_MIN * 0.9
        answers.append((status, {**told, "email": "the one that was asked for"}))
    assert answers[0] == answers[1]


async def test_only_the_mailbox_learns_that_an_address_is_known(town: Town) -> None:
    client, unknown = town.made.client, new_address()
    owner = await sign_up(client)
    body = {"email": owner.email, "password": NEW_PASSWORD}
    await town.verify_first(owner.email)
    expect(await client.post("/api/accounts", json=body), 202)
    assert (await town.mail(owner.email))[-1]["Subject"] == "You have an account already"
    expect(await client.post("/api/password/forgot", json={"email": unknown}), 202)
    assert await town.mail(unknown) == []
    expect(await log_in(client, owner.email), 200)


async def test_whoever_invites_doesn_t_learn_who_has_an_account(town: Town) -> None:
    client = town.made.client
    owner, known = await sign_up(client), await sign_up(client)
    for email, has_account in ((known.email, True), (new_address(), False)):
        made, mailed = await invited(town, owner, email)
        for token, expected in ((made["token"], None), (mailed, has_account)):
            shown = expect(await client.post("/api/invitations/show", json={"token": token}), 200)
            assert shown["has_account"] is expected
            assert shown["invited_by"] == owner.email


async def test_an_invitation_that_is_not_open_is_as_absent_as_none(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    _, used = await invited(town, owner, new_address())
    body = {"token": used, "password": NEW_PASSWORD}
    expect(await client.post("/api/invitations/accept", json=body), 200)
    _, old = await invited(town, owner, new_address())
    await expire(town.made, "invitation")
    shown = [
        said(await client.post("/api/invitations/show", json={"token": token}))
        for token in (used, old, tokens.draw_invitation(), "no token at all")
    ]
    assert {status for status, _ in shown} == {404}
    assert all(each == shown[0] for each in shown)


async def test_a_switch_tells_nobody_which_workspaces_there_are(made: GatewayWorld) -> None:
    owner, other = await sign_up(made.client), await sign_up(made.client)
    answers = [
        said(await made.client.post("/api/switch", json={"tenant": tenant}, headers=owner.headers))
        for tenant in (other.slug, str(other.id), "no-such-workspace", str(uuid.uuid4()))
    ]
    assert answers[0][0] == 404
    assert all(each == answers[0] for each in answers)


# Fixation ---------------------------------------------------------------------------------------


async def test_a_log_in_never_takes_over_a_token_that_came_with_it(made: GatewayWorld) -> None:
    owner = await sign_up(made.client)
    planted = tokens.draw_session()
    body = {"email": owner.email, "password": PASSWORD}
    answer = await made.client.post("/api/login", json=body, headers=bearer(planted))
    assert expect(answer, 200)["token"] != planted
    expect(await made.client.get("/api/me", headers=bearer(planted)), 401)


async def test_an_old_session_begets_none_that_counts_as_a_log_in(town: Town) -> None:
    client = town.made.client
    owner, host = await sign_up(client), await sign_up(client)
    await prove(town.made, owner.email)
    made, _ = await invited(town, host, owner.email)
    async with town.made.platform.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.session SET proved_at = now() - interval '1 day'")
    slug, found = new_slug(), [owner.token]
    for path, body in (
        ("/api/switch", {"tenant": owner.slug}),
        ("/api/invitations/join", {"token": made["token"]}),
        ("/api/workspaces", {"name": slug, "slug": slug}),
    ):
        answer = await client.post(path, json=body, headers=owner.headers)
        assert answer.is_success, answer.text
        found.append(answer.json()["token"])
    for token in found:
        change = {"new_password": NEW_PASSWORD}
        refused = await client.post("/api/profile/password", json=change, headers=bearer(token))
        assert "logged in a while ago" in expect(refused, 403)["detail"]


async def test_a_reset_ends_every_session_that_somebody_had(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    stolen = expect(await log_in(client, owner.email), 200)["token"]
    expect(await set_password(client, await forgotten(town, owner.email)), 204)
    for token in (stolen, owner.token):
        await until_refused(client, token)
    expect(await log_in(client, owner.email), 401)
    expect(await log_in(client, owner.email, NEW_PASSWORD), 200)
    assert (await town.mail(owner.email))[-1]["Subject"] == "Your password was changed"


async def test_joining_and_switching_open_sessions_of_their_own(town: Town) -> None:
    client = town.made.client
    owner, guest = await sign_up(client), await sign_up(client)
    _, mailed = await invited(town, owner, guest.email)
    answer = await client.post(
        "/api/invitations/join", json={"token": mailed}, headers=guest.headers
    )
    joined = expect(answer, 200)["token"]
    answer = await client.post("/api/switch", json={"tenant": guest.slug}, headers=bearer(joined))
    switched = expect(answer, 200)["token"]
    assert len({guest.token, joined, switched}) == 3
    for token, slug in ((guest.token, guest.slug), (joined, owner.slug), (switched, guest.slug)):
        me = expect(await client.get("/api/me", headers=bearer(token)), 200)
        assert me["tenant"]["slug"] == slug


async def test_who_signed_up_first_with_another_s_address_is_out_once_it_is_proved(
    town: Town,
) -> None:
    client, email = town.made.client, new_address()
    squatter = (await sign_up(client, email=email)).token
    await allow_another_letter(town.made)
    body = {"email": email, "password": NEW_PASSWORD}
    expect(await client.post("/api/accounts", json=body), 202)
    shown = {"token": await town.token(email)}
    entered = expect(await client.post("/api/accounts/verify", json=shown), 200)
    assert entered["needs_password"] is True
    await until_refused(client, squatter)
    for password in (PASSWORD, NEW_PASSWORD):
        expect(await log_in(client, email, password), 401)
    expect(await client.get("/api/me", headers=bearer(entered["token"])), 200)


async def test_whoever_signed_up_with_a_customer_s_address_owns_nothing_of_the_customer_s(
    town: Town,
) -> None:
    client, slug = town.made.client, new_slug()
    email = f"cto@{slug}.example"
    expect(await client.post("/api/accounts", json={"email": email, "password": PASSWORD}), 202)
    body = {"name": "Big", "slug": slug, "plan": "starter", "owner_email": email}
    told = expect(await client.post("/api/ops/tenants", json=body, headers=ops()), 202)
    assert told["invitation"]["email"] == email
    expect(await log_in(client, email), 401)
    token = await town.token(email)
    await allow_another_letter(town.made)
    expect(await set_password(client, await forgotten(town, email)), 204)
    shown = {"token": token, "password": NEW_PASSWORD}
    joined = expect(await client.post("/api/invitations/accept", json=shown), 200)
    assert (joined["tenant"]["slug"], joined["role"]) == (slug, "owner")


# Replay -----------------------------------------------------------------------------------------


async def test_a_reset_works_once(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    token = await forgotten(town, owner.email)
    expect(await set_password(client, token), 204)
    expect(await set_password(client, token, WRONG), 422)
    expect(await log_in(client, owner.email, NEW_PASSWORD), 200)


async def test_of_two_resets_at_once_one_is_done(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    token = await forgotten(town, owner.email)
    answers = await asyncio.gather(*(set_password(client, token) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [204, 422, 422, 422]


async def test_an_old_reset_opens_nothing_nor_does_one_for_another_purpose(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    verifying = await town.token(owner.email)
    expect(await set_password(client, verifying), 422)
    token = await forgotten(town, owner.email)
    expect(await client.post("/api/accounts/verify", json={"token": token}), 422)
    await expire(town.made, "proof")
    late, made_up = await set_password(client, token), await set_password(client, "stw_p_x")
    assert said(late) == said(made_up)
    expect(late, 422)
    expect(await log_in(client, owner.email), 200)


async def test_a_later_letter_ends_the_earlier_one(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    first = await forgotten(town, owner.email)
    await allow_another_letter(town.made)
    second = await forgotten(town, owner.email)
    expect(await set_password(client, first), 422)
    expect(await set_password(client, second), 204)


async def test_a_new_password_ends_what_was_mailed_before(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    token = await forgotten(town, owner.email)
    body = {"password": PASSWORD, "new_password": NEW_PASSWORD}
    expect(await client.post("/api/profile/password", json=body, headers=owner.headers), 200)
    expect(await set_password(client, token, WRONG), 422)


async def test_a_verification_works_once_and_its_code_is_guessed_five_times(town: Town) -> None:
    client, email = town.made.client, new_address()
    expect(await client.post("/api/accounts", json={"email": email, "password": PASSWORD}), 202)
    code = await town.code(email)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for _ in range(5):
        answer = await client.post("/api/accounts/verify", json={"email": email, "code": wrong})
        expect(answer, 422)
    right = await client.post("/api/accounts/verify", json={"email": email, "code": code})
    expect(right, 422)
    link = {"token": await town.token(email)}
    expect(await client.post("/api/accounts/verify", json=link), 200)
    expect(await client.post("/api/accounts/verify", json=link), 422)


async def test_an_invitation_lets_one_in_once(town: Town) -> None:
    client, email = town.made.client, new_address()
    owner = await sign_up(client)
    made, mailed = await invited(town, owner, email)
    body = {"token": mailed, "password": NEW_PASSWORD}
    answers = await asyncio.gather(
        *(client.post("/api/invitations/accept", json=body) for _ in range(3))
    )
    assert [each.status_code for each in answers].count(200) == 1
    for token in (mailed, made["token"]):
        again = {"token": token, "password": NEW_PASSWORD}
        expect(await client.post("/api/invitations/accept", json=again), 404)


async def test_who_logs_in_too_often_waits_and_others_don_t(made: GatewayWorld) -> None:
    owner, other = await sign_up(made.client), await sign_up(made.client)
    for _ in range(LOG_IN.pair_max):
        expect(await log_in(made.client, owner.email, WRONG), 401)
    refused = await log_in(made.client, owner.email)
    expect(refused, 429)
    assert int(refused.headers["retry-after"]) > 0
    expect(await log_in(made.client, other.email), 200)


# Other people's things --------------------------------------------------------------------------


async def test_a_mailbox_isn_t_filled_with_invitations(town: Town) -> None:
    client, email = town.made.client, new_address()
    answers: list[int] = []
    inviters = [await sign_up(client) for _ in range(2)]
    for owner in inviters:
        for _ in range(7):
            body = {"email": email, "role": "viewer"}
            answer = await client.post("/api/invitations", json=body, headers=owner.headers)
            answers.append(answer.status_code)
    assert answers == [201] * 10 + [429] * 4, "whoever invites"
    other = {"email": new_address(), "role": "viewer"}
    expect(await client.post("/api/invitations", json=other, headers=inviters[1].headers), 201)


async def test_nobody_sees_or_ends_another_s_session(made: GatewayWorld) -> None:
    victim, thief = await sign_up(made.client), await sign_up(made.client)
    listed = expect(await made.client.get("/api/sessions", headers=victim.headers), 200)
    session_id = listed["items"][0]["id"]
    assert victim.token not in str(listed)
    foreign = await made.client.delete(f"/api/sessions/{session_id}", headers=thief.headers)
    missing = await made.client.delete(f"/api/sessions/{uuid.uuid4()}", headers=thief.headers)
    assert foreign.status_code == missing.status_code == 404
    expect(await made.client.get("/api/me", headers=victim.headers), 200)
    own = expect(await made.client.get("/api/sessions", headers=thief.headers), 200)
    assert session_id not in str(own)


async def test_an_invitation_is_for_its_address_alone(town: Town) -> None:
    client, email = town.made.client, new_address()
    owner, thief = await sign_up(client), await sign_up(client)
    made, mailed = await invited(town, owner, email)
    for token in (made["token"], mailed):
        stolen = await client.post(
            "/api/invitations/join", json={"token": token}, headers=thief.headers
        )
        expect(stolen, 404)
    withdrawn = await client.delete(f"/api/invitations/{made['id']}", headers=thief.headers)
    expect(withdrawn, 404)
    assert made["id"] not in str(
        expect(await client.get("/api/invitations", headers=thief.headers), 200)
    )
    body = {"token": mailed, "password": NEW_PASSWORD}
    expect(await client.post("/api/invitations/accept", json=body), 200)


async def test_an_address_is_changed_by_the_account_that_asked(town: Town) -> None:
    client, email = town.made.client, new_address()
    owner, thief = await sign_up(client), await sign_up(client)
    body = {"email": email, "password": PASSWORD}
    expect(await client.post("/api/profile/email", json=body, headers=owner.headers), 202)
    shown = {"token": await town.token(email)}
    path = "/api/profile/email/verify"
    expect(await client.post(path, json=shown, headers=thief.headers), 422)
    changed = expect(await client.post(path, json=shown, headers=owner.headers), 200)
    assert changed["email"] == email
    expect(await log_in(client, email), 200)
    expect(await log_in(client, owner.email), 401)
    assert (await town.mail(owner.email))[-1]["Subject"].startswith("Your account has another")


async def test_a_letter_s_link_leads_to_the_site_whatever_host_was_asked(town: Town) -> None:
    client = town.made.client
    owner = await sign_up(client)
    for headers in ({"Host": f"{owner.slug}.stepwell.test"}, {"X-Forwarded-Host": "evil.example"}):
        await allow_another_letter(town.made)
        answer = await client.post(
            "/api/password/forgot", json={"email": owner.email}, headers=headers
        )
        if answer.status_code == 202:
            letter = (await town.mail(owner.email))[-1]
            assert f"{SITE_URL}/reset?token=" in text_of(letter)
            assert "evil" not in text_of(letter)
    assert len(await town.mail(owner.email)) > 1


async def allow_another_letter(made: GatewayWorld) -> None:
    """Let the minute pass within which nobody gets a second one."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.proof SET made_at = now() - interval '2 minutes'")
