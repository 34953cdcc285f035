"""The pages of passkeys, by forms: what the browser's script sends, sent without it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gateways import Customer, GatewayWorld, expect, sign_up
from tests.passkeys.authenticator import Authenticator
from tests.passkeys.test_passkeys import age_sessions
from tests.web.surfing import Surfer

OWN = "/account/passkeys"


@pytest.fixture
def surfer(made: GatewayWorld) -> Surfer:
    return Surfer(made.client)


async def options_of(surfer: Surfer, form: str) -> dict[str, Any]:
    """Ask as the script does, with the fields of the form."""
    told = expect(await surfer.post(f"{form}/options", surfer.forms[form]), 200)
    assert told["problem"] is None
    options: dict[str, Any] = told["options"]
    return options


async def add(surfer: Surfer, device: Authenticator, name: str) -> None:
    await surfer.get(OWN)
    credential = json.dumps(device.register(await options_of(surfer, OWN)))
    answer = await surfer.submit(OWN, {"name": name, "credential": credential})
    assert answer.headers["location"] == OWN, answer.text
    await surfer.get(OWN)


async def test_a_passkey_is_added_used_renamed_and_removed(
    made: GatewayWorld, person: Customer, surfer: Surfer
) -> None:
    device = Authenticator()
    await surfer.log_in(person)
    await surfer.get(OWN)
    assert "You have none yet" in surfer.text
    await add(surfer, device, "my <b>phone</b>")
    assert "my <b>phone</b> opens your account" in surfer.text
    other = Surfer(made.client)
    await other.get("/login?next=/account")
    credential = json.dumps(device.sign(await options_of(other, "/login/passkey")))
    answer = await other.submit("/login/passkey", {"credential": credential})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert other.token not in {None, surfer.token}
    (rename,) = [each for each in surfer.forms if each.endswith("/rename")]
    await surfer.submit(rename, {"new_name": "the blue one"})
    await surfer.get(OWN)
    assert "It is called the blue one now." in surfer.text
    await surfer.submit(rename.replace("/rename", "/remove"))
    await surfer.get(OWN)
    assert "You have none yet" in surfer.text


async def test_the_log_in_page_says_what_is_wrong_and_where_one_goes_stays(
    person: Customer, surfer: Surfer
) -> None:
    await surfer.get("/login?next=/account")
    device = Authenticator()
    foreign = json.dumps(device.sign(await options_of(surfer, "/login/passkey")))
    for credential, said in (
        ("", "Your browser sent no passkey"),
        ("{}", "Your browser sent no passkey"),
        (foreign, "opens no account here"),
    ):
        answer = await surfer.submit("/login/passkey", {"credential": credential})
        assert answer.status_code == 422
        assert said in surfer.text
        assert surfer.forms["/login/passkey"]["next"] == "/account"
        assert surfer.forms["/login/passkey"]["credential"] == ""
    assert person.email not in surfer.text


async def test_an_old_session_is_told_to_send_the_password(
    made: GatewayWorld, person: Customer, surfer: Surfer
) -> None:
    await surfer.log_in(person)
    await surfer.get(OWN)
    await age_sessions(made)
    told = expect(await surfer.post(f"{OWN}/options", surfer.forms[OWN]), 200)
    assert "send your password too" in told["problem"]
    assert told["options"] is None


async def test_an_unproved_address_is_proved_first(made: GatewayWorld, surfer: Surfer) -> None:
    await surfer.log_in(await sign_up(made.client))
    await surfer.get(OWN)
    assert OWN not in surfer.forms
    assert "confirm that" in surfer.text


@pytest.mark.parametrize("path", [OWN, f"{OWN}/options", "/login/passkey/options"])
async def test_no_other_site_s_form_asks_or_adds(
    person: Customer, surfer: Surfer, path: str
) -> None:
    await surfer.log_in(person)
    await surfer.get(OWN)
    fields = surfer.forms[OWN]
    foreign = await surfer.post(path, fields, {"Origin": "https://evil.example"})
    bare = await surfer.post(path, {"name": "x"})
    assert (foreign.status_code, bare.status_code) == (403, 403)


async def test_a_page_changes_nobody_else_s_passkey(
    made: GatewayWorld, person: Customer, surfer: Surfer
) -> None:
    await surfer.log_in(person)
    await add(surfer, Authenticator(), "mine")
    (rename,) = [each for each in surfer.forms if each.endswith("/rename")]
    form, thief = surfer.forms[rename], Surfer(made.client)
    await thief.log_in(await sign_up(made.client))
    await thief.get("/account")
    token = thief.forms["/account/name"]["_csrf_token"]
    for path in (rename, rename.replace("/rename", "/remove")):
        answer = await thief.post(path, {**form, "_csrf_token": token})
        assert answer.status_code == 422
    await surfer.get(OWN)
    assert surfer.forms[rename]["new_name"] == "mine"
