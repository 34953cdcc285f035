"""Passkeys over the API: what opens an account, and everything that must not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from httpx import AsyncClient, Response

from router.api.passkeys import CREDENTIAL_ID_BYTES_MAX
from router.catalog.passkeys import PASSKEYS_MAX
from tests.gateways import PASSWORD, Customer, GatewayWorld, bearer, expect, sign_up
from tests.passkeys.authenticator import Authenticator, spell, unspell

OPTIONS = "/api/passkeys/options"
LOG_IN = "/api/login/passkey"


async def asked(client: AsyncClient, owner: Customer) -> dict[str, Any]:
    told = expect(await client.post(OPTIONS, json={}, headers=owner.headers), 200)
    options: dict[str, Any] = told["options"]
    return options


async def send(client: AsyncClient, owner: Customer, credential: object) -> Response:
    body = {"name": "my phone", "credential": credential}
    return await client.post("/api/passkeys", json=body, headers=owner.headers)


async def register(client: AsyncClient, owner: Customer, device: Authenticator) -> dict[str, Any]:
    credential = device.register(await asked(client, owner))
    return expect(await send(client, owner, credential), 201)


async def challenge(client: AsyncClient) -> dict[str, Any]:
    options: dict[str, Any] = expect(await client.post(f"{LOG_IN}/options"), 200)["options"]
    return options


async def log_in(client: AsyncClient, credential: object) -> Response:
    return await client.post(LOG_IN, json={"credential": credential})


async def enter(client: AsyncClient, device: Authenticator) -> Response:
    return await log_in(client, device.sign(await challenge(client)))


async def age_sessions(made: GatewayWorld) -> None:
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.session SET proved_at = proved_at - interval '1 hour'"
        )


async def test_a_passkey_opens_its_own_person_s_account_again_and_again(
    made: GatewayWorld, person: Customer
) -> None:
    device = Authenticator()
    added = await register(made.client, person, device)
    assert (added["name"], added["last_used_at"]) == ("my phone", None)
    tokens = set[str]()
    for _ in range(2):
        told = expect(await enter(made.client, device), 200)
        assert told["user"]["email"] == person.email
        me = expect(await made.client.get("/api/me", headers=bearer(told["token"])), 200)
        assert me["tenant"]["slug"] == person.slug
        tokens.add(told["token"])
    assert len(tokens | {person.token}) == 3
    (listed,) = expect(await made.client.get("/api/passkeys", headers=person.headers), 200)["items"]
    assert listed["last_used_at"] is not None
    profile = expect(await made.client.get("/api/profile", headers=person.headers), 200)
    assert profile["passkeys"] == 1


async def test_it_stands_in_the_audit_and_a_letter_tells_of_it(
    made: GatewayWorld, person: Customer
) -> None:
    added = await register(made.client, person, Authenticator())
    async with made.platform.catalog.connection() as connection:
        noted = await connection.fetchval(
            "SELECT action FROM catalog.audit WHERE target = $1", added["id"]
        )
        written = await connection.fetchval(
            "SELECT count(*) FROM catalog.letter WHERE kind = 'passkey' AND recipient = $1",
            person.email,
        )
    assert (noted, written) == ("passkey.add", 1)


async def test_a_passkey_is_renamed_and_removed_by_its_person_alone(
    made: GatewayWorld, person: Customer
) -> None:
    thief, device = await sign_up(made.client), Authenticator()
    path = f"/api/passkeys/{(await register(made.client, person, device))['id']}"
    missing = f"/api/passkeys/{uuid.uuid4()}"
    for wanted in (path, missing):
        refused = await made.client.patch(wanted, json={"name": "mine"}, headers=thief.headers)
        assert expect(refused, 404)["code"] == "not_found"
        expect(await made.client.delete(wanted, headers=thief.headers), 404)
    assert expect(await made.client.get("/api/passkeys", headers=thief.headers), 200)["items"] == []
    renamed = await made.client.patch(path, json={"name": "the blue one"}, headers=person.headers)
    assert expect(renamed, 200)["name"] == "the blue one"
    expect(await made.client.delete(path, headers=person.headers), 204)
    expect(await enter(made.client, device), 401)


async def test_an_unproved_address_gets_no_passkey(made: GatewayWorld) -> None:
    owner = await sign_up(made.client)
    refused = await made.client.post(OPTIONS, json={}, headers=owner.headers)
    assert "isn't proved yet" in expect(refused, 403)["detail"]


async def test_an_old_session_shows_the_password_first(
    made: GatewayWorld, person: Customer
) -> None:
    await age_sessions(made)
    expect(await made.client.post(OPTIONS, json={}, headers=person.headers), 403)
    wrong = {"password": "not the password"}
    expect(await made.client.post(OPTIONS, json=wrong, headers=person.headers), 401)
    right = {"password": PASSWORD}
    expect(await made.client.post(OPTIONS, json=right, headers=person.headers), 200)


async def test_a_challenge_registers_one_passkey(made: GatewayWorld, person: Customer) -> None:
    options = await asked(made.client, person)
    expect(await send(made.client, person, Authenticator().register(options)), 201)
    expect(await send(made.client, person, Authenticator().register(options)), 401)


async def test_a_refused_passkey_uses_its_challenge_up(
    made: GatewayWorld, person: Customer
) -> None:
    options = await asked(made.client, person)
    elsewhere = Authenticator(origin="https://stepwell.test.example")
    expect(await send(made.client, person, elsewhere.register(options)), 422)
    expect(await send(made.client, person, Authenticator().register(options)), 401)


async def test_a_challenge_registers_for_whoever_asked(
    made: GatewayWorld, person: Customer
) -> None:
    thief = await sign_up(made.client)
    options = await asked(made.client, person)
    expect(await send(made.client, thief, Authenticator().register(options)), 401)
    for_a_log_in = await challenge(made.client)
    credential = Authenticator().register({**options, **for_a_log_in})
    expect(await send(made.client, person, credential), 401)


async def test_a_registered_passkey_is_nobody_else_s(made: GatewayWorld, person: Customer) -> None:
    device = Authenticator()
    await register(made.client, person, device)
    options = await asked(made.client, person)
    assert [each["id"] for each in options["excludeCredentials"]] == [spell(device.id)]
    expect(await send(made.client, person, device.register(options)), 409)


async def test_an_account_has_so_many_passkeys(made: GatewayWorld, person: Customer) -> None:
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "INSERT INTO catalog.passkey (id, account_id, credential_id, public_key, sign_count,"
            " name) SELECT gen_random_uuid(), id, uuid_send(gen_random_uuid()), '', 0, 'one'"
            " FROM catalog.account, generate_series(1, $2::integer) WHERE email = $1",
            person.email,
            PASSKEYS_MAX,
        )
    credential = Authenticator().register(await asked(made.client, person))
    assert (
        f"has {PASSKEYS_MAX}" in expect(await send(made.client, person, credential), 409)["detail"]
    )


Spoiled = Callable[[Authenticator], None]


def _elsewhere(device: Authenticator) -> None:
    device.origin = "https://evil.example"


def _plain_http(device: Authenticator) -> None:
    device.origin = device.origin.replace("https", "http")


def _of_a_tenant(device: Authenticator) -> None:
    device.origin = device.origin.replace("//", "//shop.")


def _another_party(device: Authenticator) -> None:
    device.rp_id = "evil.example"


def _unlocked_by_nobody(device: Authenticator) -> None:
    device.is_verified = False


SPOILED = pytest.mark.parametrize(
    "spoil", [_elsewhere, _plain_http, _of_a_tenant, _another_party, _unlocked_by_nobody]
)


@SPOILED
async def test_what_was_signed_elsewhere_registers_nothing(
    made: GatewayWorld, person: Customer, spoil: Spoiled
) -> None:
    device = Authenticator()
    spoil(device)
    credential = device.register(await asked(made.client, person))
    expect(await send(made.client, person, credential), 422)
    assert (
        expect(await made.client.get("/api/passkeys", headers=person.headers), 200)["items"] == []
    )


@SPOILED
async def test_what_was_signed_elsewhere_opens_nothing(
    made: GatewayWorld, person: Customer, spoil: Spoiled
) -> None:
    device = Authenticator()
    await register(made.client, person, device)
    spoil(device)
    expect(await enter(made.client, device), 401)


async def test_a_signature_opens_one_session(made: GatewayWorld, person: Customer) -> None:
    device = Authenticator()
    await register(made.client, person, device)
    credential = device.sign(await challenge(made.client))
    expect(await log_in(made.client, credential), 200)
    expect(await log_in(made.client, credential), 401)


async def test_a_challenge_ends_by_itself(made: GatewayWorld, person: Customer) -> None:
    device = Authenticator()
    await register(made.client, person, device)
    options = await challenge(made.client)
    async with made.platform.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.challenge SET expires_at = now()")
    expect(await log_in(made.client, device.sign(options)), 401)


async def test_a_challenge_of_the_attacker_s_own_opens_nothing(
    made: GatewayWorld, person: Customer
) -> None:
    device = Authenticator()
    await register(made.client, person, device)
    expect(await log_in(made.client, device.sign({"challenge": spell(bytes(64))})), 401)
    # Nor one that was given for a registration.
    options = await asked(made.client, person)
    expect(await log_in(made.client, device.sign(options)), 401)


async def test_a_copied_authenticator_is_noticed(made: GatewayWorld, person: Customer) -> None:
    device = Authenticator()
    await register(made.client, person, device)
    device.sign_count = 7
    expect(await enter(made.client, device), 200)
    device.sign_count = 3
    assert "was copied" in expect(await enter(made.client, device), 401)["detail"]
    device.sign_count = 8
    expect(await enter(made.client, device), 200)


async def test_nobody_opens_an_account_with_somebody_else_s_passkey(
    made: GatewayWorld, person: Customer
) -> None:
    theirs, mine = Authenticator(), Authenticator()
    await register(made.client, person, theirs)
    # The thief's own key under the victim's id; the victim's handle with a key nobody registered;
    # the victim's key under another person's handle.
    forged = mine.sign(await challenge(made.client))
    forged |= {"id": spell(theirs.id), "rawId": spell(theirs.id)}
    forged["response"]["userHandle"] = spell(theirs.user_handle)
    answers = [await log_in(made.client, forged)]
    mine.user_handle = theirs.user_handle
    answers.append(await enter(made.client, mine))
    theirs.user_handle = uuid.uuid4().bytes
    answers.append(await enter(made.client, theirs))
    assert len({(expect(each, 401)["code"], each.json()["detail"]) for each in answers}) == 1


async def test_a_shut_out_person_s_passkey_opens_nothing(
    made: GatewayWorld, person: Customer
) -> None:
    device = Authenticator()
    await register(made.client, person, device)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET disabled_at = now() WHERE email = $1", person.email
        )
    expect(await enter(made.client, device), 401)


def _no_json(credential: dict[str, Any]) -> None:
    credential["response"]["clientDataJSON"] = spell(b"\xff{")


def _nothing_attested(credential: dict[str, Any]) -> None:
    del credential["response"]["attestationObject"]


def _other_cbor(credential: dict[str, Any]) -> None:
    credential["response"]["attestationObject"] = spell(cbor2.dumps([1, 2, 3]))


def _an_odd_key(credential: dict[str, Any]) -> None:
    attested = cbor2.loads(unspell(credential["response"]["attestationObject"]))
    attested["authData"] = attested["authData"][:55] + bytes([0, 1, 65]) + cbor2.dumps({1: "x"})
    credential["response"]["attestationObject"] = spell(cbor2.dumps(attested))


def _odd_data(credential: dict[str, Any]) -> None:
    attested: dict[str, object] = {"fmt": 5, "attStmt": [], "authData": 7}
    credential["response"]["attestationObject"] = spell(cbor2.dumps(attested))


def _two_ids(credential: dict[str, Any]) -> None:
    credential |= {"id": spell(bytes(16)), "rawId": spell(bytes(16))}


@pytest.mark.parametrize(
    "spoil", [_no_json, _nothing_attested, _other_cbor, _an_odd_key, _odd_data, _two_ids]
)
async def test_what_is_no_credential_is_refused_in_words(
    made: GatewayWorld, person: Customer, spoil: Callable[[dict[str, Any]], None]
) -> None:
    credential = Authenticator().register(await asked(made.client, person))
    spoil(credential)
    assert expect(await send(made.client, person, credential), 422)["detail"]


async def test_an_id_too_long_to_keep_is_refused(made: GatewayWorld, person: Customer) -> None:
    device = Authenticator()
    device.id = bytes(CREDENTIAL_ID_BYTES_MAX + 1)
    credential = device.register(await asked(made.client, person))
    assert "too long" in expect(await send(made.client, person, credential), 422)["detail"]


async def test_a_log_in_with_no_credential_is_refused_in_words(made: GatewayWorld) -> None:
    options = await challenge(made.client)
    for told in (b"[]", json.dumps({"type": 1, "challenge": 5, "origin": None}).encode()):
        credential = Authenticator().sign(options)
        credential["response"]["clientDataJSON"] = spell(told)
        assert (await log_in(made.client, credential)).status_code in {401, 422}
    credential = Authenticator().sign(options)
    credential["rawId"] = "ä"
    assert (await log_in(made.client, credential)).status_code in {401, 422}
