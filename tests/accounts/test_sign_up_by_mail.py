"""Sign-up where the address is proved first: what an outsider can learn, and how one gets in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient, Response

from router.api.accounts import ANSWER_S_MIN
from router.catalog import accounts
from tests.accounts.people import Town
from tests.accounts.test_attacks import (
    NEW_PASSWORD,
    WRONG,
    allow_another_letter,
    log_in,
    new_address,
    said,
    set_password,
)
from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    gateway,
    new_slug,
    sign_up,
)
from tests.web.surfing import Surfer

ROUNDS = 7


@pytest.fixture(scope="module")
async def client(made: GatewayWorld) -> AsyncIterator[AsyncClient]:
    """A gateway that writes a letter first, over the same catalog."""
    async with gateway(msgspec.structs.replace(made.settings, sign_up="by-mail")) as opened:
        yield opened.client


def asked(email: str, password: str = PASSWORD, slug: str | None = None) -> dict[str, Any]:
    return {
        "email": email,
        "password": password,
        "company": "A company",
        "slug": slug or new_slug(),
    }


async def ask(client: AsyncClient, email: str, password: str = PASSWORD) -> Response:
    return await client.post("/api/signup", json=asked(email, password))


@pytest.fixture(params=["proved", "unproved", "waiting", "shut out"])
async def known(request: pytest.FixtureRequest, town: Town, client: AsyncClient) -> str:
    """An address that has an account already, in each way in which it may have one."""
    if request.param == "waiting":
        email = new_address()
        expect(await ask(client, email, NEW_PASSWORD), 202)
        return email
    email = (await sign_up(town.made.client)).email
    if request.param == "proved":
        await town.verify_first(email)
    if request.param == "shut out":
        async with town.made.platform.catalog.transaction() as connection:
            account = await accounts.find_by_email(connection, email)
            assert account is not None
            await accounts.set_disabled(connection, account.id, is_disabled=True)
    return email


async def test_a_sign_up_answers_alike_and_not_sooner_for_a_known_address(
    client: AsyncClient, known: str
) -> None:
    told: list[object] = []
    for email in (known, new_address()):
        begun_s = time.monotonic()
        answer = await ask(client, email, WRONG)
        assert time.monotonic() - begun_s >= ANSWER_S_MIN * 0.9
        status, document = said(answer)
        assert status == 202
        lengths = {"content-length", "x-request-id", "date"}
        headers = {name: value for name, value in answer.headers.items() if name not in lengths}
        told.append(({**document, "email": "the one that was asked for"}, headers))
    assert told[0] == told[1]


@pytest.mark.parametrize("path", ["/api/signup", "/api/login"])
async def test_the_clock_tells_no_more(client: AsyncClient, town: Town, path: str) -> None:
    owner = await proved(town)
    took_s: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        await forget_tries(town.made)
        for is_known, took in took_s.items():
            email = owner.email if is_known else new_address()
            body = asked(email, WRONG)
            if path == "/api/login":
                body = {"email": email, "password": WRONG}
            begun_s = time.monotonic()
            await client.post(path, json=body)
            took.append(time.monotonic() - begun_s)
    known_s, unknown_s = median(took_s[True]), median(took_s[False])
    # A log-in without a hash would be ten times as fast; a sign-up has a least time besides.
    assert max(known_s, unknown_s) < 2.5 * min(known_s, unknown_s), took_s


async def test_a_log_in_after_it_tells_no_more(client: AsyncClient, known: str) -> None:
    told: list[object] = []
    for email in (known, new_address()):
        expect(await ask(client, email, WRONG), 202)
        told.append(said(await log_in(client, email, WRONG)))
    assert told[0] == told[1]
    assert isinstance(told[0], tuple)
    assert told[0][0] == 401


async def test_it_is_too_often_as_soon_for_an_unknown_address(
    client: AsyncClient, town: Town
) -> None:
    known = (await sign_up(town.made.client)).email
    counts: list[int] = []
    await forget_tries(town.made)
    for email in (known, new_address()):
        answers = [await ask(client, email, WRONG)]
        while answers[-1].status_code == 202:
            answers.append(await ask(client, email, WRONG))
        expect(answers[-1], 429)
        counts.append(len(answers))
    assert counts[0] == counts[1]


async def test_a_taken_slug_is_told_to_nobody_who_proved_no_address(
    client: AsyncClient, town: Town
) -> None:
    shop, email = await sign_up(town.made.client), new_address()
    answer = await client.post("/api/signup", json=asked(email, slug=shop.slug))
    expect(answer, 202)
    await verify(client, town, email)
    answer = await client.post("/api/signup", json=asked(email, slug=shop.slug))
    assert "taken" in expect(answer, 409)["detail"]


async def test_the_same_request_makes_the_workspace_once_the_address_is_proved(
    client: AsyncClient, town: Town
) -> None:
    email = new_address()
    body = asked(email)
    told = expect(await client.post("/api/signup", json=body), 202)
    assert told["email"] == email
    assert told["expires_after_s"] > told["resend_after_s"] > 0
    # As often as one likes: nothing is made, and nobody else's letter is ended by it.
    expect(await client.post("/api/signup", json=body), 202)
    await verify(client, town, email)
    made = expect(await client.post("/api/signup", json=body), 201)
    assert (made["tenant"]["status"], made["user"]["email_verified"]) == ("active", True)
    own = expect(await client.get("/api/tenant", headers=bearer(made["token"])), 200)
    assert own["slug"] == body["slug"]


async def test_who_has_a_proved_account_gets_a_further_workspace_at_once(
    client: AsyncClient, town: Town
) -> None:
    owner = await proved(town)
    made = expect(await ask(client, owner.email), 201)
    assert made["user"]["email"] == owner.email


async def test_the_mailbox_learns_of_it_and_the_account_stays_as_it_is(
    client: AsyncClient, town: Town
) -> None:
    owner = await proved(town)
    expect(await ask(client, owner.email, WRONG), 202)
    assert (await town.mail(owner.email))[-1]["Subject"] == "You have an account already"
    expect(await log_in(client, owner.email), 200)
    expect(await log_in(client, owner.email, WRONG), 401)


async def test_who_was_there_first_with_another_s_address_gets_nothing(
    client: AsyncClient, town: Town
) -> None:
    email = new_address()
    expect(await ask(client, email, WRONG), 202)
    await allow_another_letter(town.made)
    expect(await ask(client, email), 202)
    entered = await verify(client, town, email)
    assert entered["needs_password"] is True
    for password in (WRONG, PASSWORD):
        expect(await log_in(client, email, password), 401)
    expect(await client.get("/api/me", headers=bearer(entered["token"])), 200)


async def test_a_newcomer_who_forgot_the_password_gets_in_by_a_letter(
    client: AsyncClient, town: Town
) -> None:
    email = new_address()
    expect(await ask(client, email), 202)
    expect(await client.post("/api/password/forgot", json={"email": email}), 202)
    expect(await set_password(client, await town.token(email)), 204)
    expect(await log_in(client, email, NEW_PASSWORD), 200)


async def test_the_page_keeps_what_was_typed_until_the_address_is_proved(
    client: AsyncClient, town: Town
) -> None:
    email, slug, surfer = new_address(), new_slug(), Surfer(client)
    await surfer.get("/signup?plan=pro")
    typed = {"email": email, "password": PASSWORD, "company": "Änn & Söns", "slug": slug}
    answer = await surfer.submit("/signup", typed)
    assert (answer.status_code, answer.headers["location"]) == (303, "/verify")
    assert surfer.token is None
    await surfer.get("/verify")
    assert f"on its way to {email}" in surfer.text
    answer = await surfer.submit("/verify", {"email": email, "code": await town.code(email)})
    where = answer.headers["location"]
    assert where.startswith("/onboarding/workspace?")
    await surfer.get(where)
    form = surfer.forms["/onboarding/workspace"]
    assert (form["name"], form["slug"], form["plan"]) == ("Änn & Söns", slug, "pro")
    answer = await surfer.submit("/onboarding/workspace")
    assert answer.headers["location"] == f"/w/{slug}/welcome"


async def test_a_wish_that_can_t_be_read_is_none(client: AsyncClient, town: Town) -> None:
    email, surfer = new_address(), Surfer(client)
    expect(await ask(client, email), 202)
    surfer.cookies["__Host-stepwell-wish"] = "no wish at all"
    await surfer.get("/verify")
    answer = await surfer.submit("/verify", {"email": email, "code": await town.code(email)})
    assert answer.headers["location"] == "/workspaces"


async def test_it_is_by_mail_where_there_is_a_mail_server(made: GatewayWorld) -> None:
    settings = msgspec.structs.replace(made.settings, smtp_url="smtp://127.0.0.1:9")
    async with gateway(settings) as opened:
        expect(await ask(opened.client, new_address()), 202)
    assert settings.sign_up == "auto"


async def test_at_once_a_known_address_is_answered_with_a_letter(
    made: GatewayWorld, town: Town
) -> None:
    owner = await proved(town)
    expect(await ask(made.client, new_address()), 201)
    expect(await ask(made.client, owner.email, WRONG), 202)
    assert (await town.mail(owner.email))[-1]["Subject"] == "You have an account already"


async def forget_tries(made: GatewayWorld) -> None:
    """Let the hour pass: what its owner had sent counts for its address too."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute("DELETE FROM catalog.attempt")


async def proved(town: Town) -> Customer:
    owner = await sign_up(town.made.client)
    await town.verify_first(owner.email)
    return owner


async def verify(client: AsyncClient, town: Town, email: str) -> dict[str, Any]:
    shown = {"email": email, "code": await town.code(email)}
    return expect(await client.post("/api/accounts/verify", json=shown), 200)
