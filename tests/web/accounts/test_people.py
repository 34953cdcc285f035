"""What people do about their own accounts, by forms alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.accounts.people import Town, until_refused
from tests.gateways import PASSWORD, Customer, GatewayWorld, bearer, expect, new_slug, sign_up
from tests.web.surfing import Surfer
from web.accounts.agents import name_of

NEW_PASSWORD = "another horse, another battery"
INVITATION = "/invitation"


async def arrive(surfer: Surfer, link: str) -> None:
    """Open a letter's link, and go on to where it leads."""
    answer = await surfer.get(link)
    assert answer.status_code == 303
    assert answer.headers["location"] == link.partition("?")[0]
    await surfer.get(answer.headers["location"])


async def invite(made: GatewayWorld, shop: Customer, email: str) -> None:
    body = {"email": email, "role": "member"}
    expect(await made.client.post("/api/invitations", json=body, headers=shop.headers), 201)


async def me(made: GatewayWorld, surfer: Surfer) -> dict[str, Any]:
    return expect(await made.client.get("/api/me", headers=bearer(surfer.token or "")), 200)


async def test_a_letter_s_link_confirms_the_address_and_the_banner_goes(
    made: GatewayWorld, town: Town, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await surfer.log_in(shop)
    await surfer.get(f"/w/{shop.slug}")
    assert f"Confirm that {shop.email} is yours" in surfer.text
    before = surfer.token
    await arrive(surfer, await town.link(shop.email))
    form = surfer.forms["/verify"]
    answer = await surfer.post("/verify", form)
    assert answer.headers["location"] == f"/w/{shop.slug}"
    entered = surfer.token
    assert entered not in {None, before}
    # A second click does nothing twice, and loses nothing.
    await surfer.post("/verify", form)
    assert surfer.token == entered
    await until_refused(made.client, before or "")
    await surfer.get(f"/w/{shop.slug}")
    assert "is confirmed" in surfer.text
    assert "Confirm that" not in surfer.text


async def test_a_code_confirms_it_on_another_machine(
    made: GatewayWorld, town: Town, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    code = await town.code(shop.email)
    await surfer.get("/verify")
    wrong = await surfer.submit("/verify", {"email": shop.email, "code": "12"})
    assert wrong.status_code == 422
    assert 'id="code-wrong"' in wrong.text
    assert surfer.forms["/verify"]["email"] == shop.email
    answer = await surfer.submit("/verify", {"code": f"{code[:3]} {code[3:]}"})
    assert answer.headers["location"] == f"/w/{shop.slug}"
    assert (await me(made, surfer))["user"]["email_verified"] is True


async def test_another_letter_is_sent_for_the_asking(
    made: GatewayWorld, town: Town, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await town.mail(shop.email)
    await age_proofs(made)
    await surfer.log_in(shop)
    await surfer.get("/verify")
    await surfer.submit("/verify/again")
    await surfer.get("/verify")
    assert shop.email in surfer.text
    assert "a letter is there" in surfer.text
    assert len(await town.mail(shop.email)) == 2


async def test_a_used_link_says_what_to_do(made: GatewayWorld, town: Town, surfer: Surfer) -> None:
    shop = await sign_up(made.client)
    link = await town.link(shop.email)
    for status in (303, 422):
        await arrive(surfer, link)
        answer = await surfer.submit("/verify")
        assert answer.status_code == status
    assert "ask for a new one" in surfer.text
    assert "/verify" in surfer.forms or "confirmed" in surfer.text


async def test_a_forgotten_password_is_set_anew(
    made: GatewayWorld, town: Town, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await surfer.get("/login")
    await surfer.get("/reset")
    asked = await surfer.submit("/reset/ask", {"email": shop.email})
    assert asked.headers["location"] == "/reset"
    await surfer.get("/reset")
    assert f"If {shop.email} has an account" in surfer.text
    await arrive(surfer, await town.link(shop.email))
    short = await surfer.submit("/reset", {"password": "short"})
    assert short.status_code == 422
    assert 'id="password-wrong"' in short.text
    done = await surfer.submit("/reset", {"password": NEW_PASSWORD})
    assert done.headers["location"] == "/login"
    await surfer.get("/login")
    assert "Your new password is set" in surfer.text
    await surfer.submit("/login", {"email": shop.email, "password": NEW_PASSWORD})
    assert (await me(made, surfer))["user"]["email"] == shop.email


async def test_a_used_reset_link_leads_back_to_asking(
    made: GatewayWorld, town: Town, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await surfer.get("/reset")
    await surfer.submit("/reset/ask", {"email": shop.email})
    await arrive(surfer, await town.link(shop.email))
    form = surfer.forms["/reset"]
    await surfer.post("/reset", {**form, "password": NEW_PASSWORD})
    again = await surfer.post("/reset", {**form, "password": PASSWORD, "_key": "another one"})
    assert again.status_code == 422
    assert "ask for a new one" in surfer.text
    assert "/reset/ask" in surfer.forms


async def test_a_newcomer_accepts_an_invitation_with_a_name_and_a_password(
    made: GatewayWorld, town: Town, surfer: Surfer, shop: Customer
) -> None:
    email = f"new@{new_slug()}.example"
    await invite(made, shop, email)
    await arrive(surfer, await town.link(email))
    assert f"{shop.email} invites {email} to the workspace {shop.slug} as member" in surfer.text
    wrong = await surfer.submit(INVITATION, {"name": "Ann", "password": "short"})
    assert wrong.status_code == 422
    assert 'id="password-wrong"' in wrong.text
    assert surfer.forms[INVITATION]["name"] == "Ann"
    form = {**surfer.forms[INVITATION], "password": NEW_PASSWORD}
    first, second = await surfer.post(INVITATION, form), await surfer.post(INVITATION, form)
    assert first.headers["location"] == second.headers["location"] == f"/w/{shop.slug}"
    told = await me(made, surfer)
    assert (told["user"]["name"], told["user"]["email_verified"]) == ("Ann", True)
    assert told["tenant"]["slug"] == shop.slug


async def test_who_has_an_account_accepts_with_its_password(
    made: GatewayWorld, town: Town, surfer: Surfer, shop: Customer
) -> None:
    guest = await sign_up(made.client)
    await invite(made, shop, guest.email)
    await arrive(surfer, await town.link(guest.email))
    assert f"There is an account for {guest.email}" in surfer.text
    wrong = await surfer.submit(INVITATION, {"password": NEW_PASSWORD})
    assert wrong.status_code == 422
    assert "password is wrong" in surfer.text
    await surfer.submit(INVITATION, {"password": PASSWORD})
    assert (await me(made, surfer))["tenant"]["slug"] == shop.slug


async def test_who_is_logged_in_joins_with_one_button(
    made: GatewayWorld, town: Town, surfer: Surfer, shop: Customer
) -> None:
    guest = await sign_up(made.client)
    await surfer.log_in(guest)
    before = surfer.token
    await invite(made, shop, guest.email)
    await arrive(surfer, await town.link(guest.email))
    assert INVITATION not in surfer.forms
    joined = await surfer.submit("/invitation/join")
    assert joined.headers["location"] == f"/w/{shop.slug}"
    await until_refused(made.client, before or "")
    await surfer.get(f"/w/{shop.slug}")
    assert f"You are in {shop.slug} now, as member" in surfer.text


async def test_who_is_logged_in_as_another_is_told_so(
    made: GatewayWorld, town: Town, surfer: Surfer, shop: Customer
) -> None:
    other, email = await sign_up(made.client), f"new@{new_slug()}.example"
    await surfer.log_in(other)
    await invite(made, shop, email)
    await arrive(surfer, await town.link(email))
    assert f"You are logged in as {other.email}" in surfer.text
    assert "/invitation/join" not in surfer.forms


async def test_an_invitation_that_is_not_open_says_what_to_do(surfer: Surfer) -> None:
    await surfer.get("/invitation?token=stw_i_" + "x" * 43)
    assert (await surfer.get("/invitation")).status_code == 404
    assert "Ask whoever invited you" in surfer.text


async def test_a_token_that_was_handed_on_can_be_typed(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    body = {"email": f"new@{new_slug()}.example", "role": "member"}
    answer = await made.client.post("/api/invitations", json=body, headers=shop.headers)
    token = expect(answer, 201)["token"]
    assert (await surfer.get("/invitation?token=%00")).status_code == 303
    assert (await surfer.get("/invitation")).status_code == 200
    assert surfer.forms["/invitation"] == {"token": ""}
    await surfer.get(f"/invitation?token=%20{token}")
    await surfer.get("/invitation")
    form = {"password": NEW_PASSWORD}
    assert (await surfer.submit("/invitation", form)).headers["location"] == f"/w/{shop.slug}"
    # Who only was handed a token hasn't shown that the address is theirs.
    assert (await me(made, surfer))["user"]["email_verified"] is False


async def test_a_name_is_changed_and_kept_when_it_is_wrong(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    await surfer.get("/account")
    assert shop.email in surfer.text
    wrong = await surfer.submit("/account/name", {"name": "x" * 300})
    assert wrong.status_code == 422
    assert 'id="name-wrong"' in wrong.text
    assert surfer.forms["/account/name"]["name"] == "x" * 300
    assert (await surfer.submit("/account/name", {"name": "Ann"})).status_code == 303
    assert (await me(made, surfer))["user"]["name"] == "Ann"


async def test_a_password_is_changed_and_every_other_session_ends(
    made: GatewayWorld, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await surfer.log_in(shop)
    await surfer.get("/account/password")
    path = "/account/password"
    wrong = await surfer.submit(path, {"new_password": "short"})
    assert 'id="new_password-wrong"' in wrong.text
    wrong = await surfer.submit(path, {"new_password": NEW_PASSWORD, "password": NEW_PASSWORD})
    assert 'id="password-wrong"' in wrong.text
    done = await surfer.submit(path, {"new_password": NEW_PASSWORD, "password": PASSWORD})
    assert done.headers["location"] == "/account"
    assert (await surfer.get("/account")).status_code == 200
    await until_refused(made.client, shop.token)


async def test_long_after_the_log_in_the_password_is_asked_for(
    made: GatewayWorld, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await surfer.log_in(shop)
    async with made.platform.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.session SET proved_at = now() - interval '1 hour'")
    await surfer.get("/account/email")
    asked = await surfer.submit("/account/email", {"email": f"new@{shop.slug}.example"})
    assert asked.status_code == 422
    assert 'id="password-wrong"' in asked.text
    assert surfer.forms["/account/email"]["email"] == f"new@{shop.slug}.example"


@pytest.mark.parametrize("by", ["link", "code"])
async def test_an_address_is_changed_once_the_new_one_is_confirmed(
    made: GatewayWorld, town: Town, surfer: Surfer, by: str
) -> None:
    shop = await sign_up(made.client)
    email = f"new@{shop.slug}.example"
    await surfer.log_in(shop)
    await surfer.get("/account/email")
    await surfer.submit("/account/email", {"email": email})
    assert (await me(made, surfer))["user"]["email"] == shop.email
    if by == "link":
        await arrive(surfer, await town.link(email))
        done = await surfer.submit("/account/email/verify")
    else:
        await surfer.get("/account/email")
        wrong = await surfer.submit("/account/email/verify", {"code": "000"})
        assert 'id="code-wrong"' in wrong.text
        done = await surfer.submit("/account/email/verify", {"code": await town.code(email)})
    assert done.headers["location"] == "/account"
    assert (await me(made, surfer))["user"]["email"] == email


async def test_sessions_are_listed_with_their_browsers_and_end(
    made: GatewayWorld, surfer: Surfer
) -> None:
    shop = await sign_up(made.client)
    await surfer.get("/login")
    form = {"email": shop.email, "password": PASSWORD}
    await surfer.submit("/login", form, headers={"User-Agent": "Netscape/9"})
    await surfer.get("/account")
    assert "Netscape/9 this one" in surfer.text
    (end,) = [each for each in surfer.forms if each.endswith("/end")]
    assert (await surfer.submit(end)).status_code == 303
    await until_refused(made.client, shop.token)
    other = Surfer(made.client)
    await other.log_in(shop)
    await surfer.get("/account")
    assert (await surfer.submit("/account/sessions/end-others")).status_code == 303
    await until_refused(made.client, other.token or "")
    assert (await other.get("/account")).headers["location"].startswith("/login")
    assert (await surfer.get("/account")).status_code == 200


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36",
            "Chrome on Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0",
            "Firefox on Android",
        ),
        ("curl/8.9 (whatever)", "curl/8.9"),
        ("", "An unknown program"),
    ],
)
def test_a_session_is_named_by_its_browser(agent: str, name: str) -> None:
    assert name_of(agent) == name


async def age_proofs(made: GatewayWorld) -> None:
    """Let the minute pass within which nobody gets a second letter."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.proof SET made_at = now() - interval '2 minutes'")
