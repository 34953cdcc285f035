"""Onboardings over the API: who may, what is missing, who is told of whom."""

from __future__ import annotations

import asyncio
import uuid

from tests.gateways import GatewayWorld, expect, new_slug, ops, sign_up
from tests.onboarding.authority import Authority
from tests.onboarding.deals import PARTIES, PATH, PLACE, TERMS, by_token, seller


async def test_a_draft_says_field_by_field_what_it_lacks(made: GatewayWorld) -> None:
    ada = await seller(made)
    await ada.begin(workspace="nobody-has-it")
    assert ada.stage == "draft"
    assert ada.missing == ["due_on", "legal_name", "address", "owner_email", "billing_email"]
    told = await ada.act("advance", 409)
    assert "legal_name: name the legal entity" in told["detail"]
    await ada.save("draft", PARTIES)
    assert ada.missing == []
    await ada.act("advance")
    assert (ada.stage, ada.shown["next"]) == ("contract", "provisioning")
    await ada.act("back")
    assert ada.stage == "draft"


async def test_of_two_who_save_at_once_the_second_is_told(made: GatewayWorld) -> None:
    ada, bob = await seller(made), await seller(made)
    await ada.begin()
    bob.shown = ada.shown
    await ada.save("draft", PARTIES)
    told = await bob.save("draft", {**PARTIES, "legal_name": "Another"}, 409)
    assert "changed this onboarding meanwhile" in told["detail"]
    await bob.look()
    assert bob.shown["parties"]["legal_name"] == PARTIES["legal_name"]
    await bob.save("draft", {**PARTIES, "legal_name": "Another"})


async def test_observers_look_and_sales_change_nothing_else(made: GatewayWorld) -> None:
    ada, eve = await seller(made), await seller(made, "observer")
    await ada.begin()
    eve.shown = ada.shown
    await eve.look()
    await eve.save("draft", PARTIES, 403)
    await eve.act("advance", 403)
    body = {"name": "X", "owner": "x@x.example"}
    expect(await made.client.post(PATH, json=body, headers=eve.headers), 403)
    shop = await sign_up(made.client)
    path = f"/api/ops/tenants/{shop.slug}/suspend"
    expect(await made.client.post(path, headers=ada.headers), 403)
    expect(await made.client.get(PATH, headers=shop.headers), 401)


async def test_nobody_approves_their_own_terms(made: GatewayWorld) -> None:
    ada, bob = await seller(made), await seller(made)
    await ada.up_to("contract")
    dear = {**TERMS, "amount": 9_000_000}
    await ada.save("contract", dear)
    assert (ada.shown["needs_approval"], ada.missing) == (True, ["approval"])
    assert "another person" in (await ada.act("approve", 403))["detail"]
    token = by_token(made)
    token.shown = ada.shown
    # Whoever holds the operators' token has no name, so it may be the same person.
    assert "another person" in (await token.act("approve", 403))["detail"]
    await ada.act("advance", 409)
    bob.shown = ada.shown
    await bob.act("approve")
    assert bob.missing == []
    await bob.save("contract", {**dear, "amount": 9_900_000})
    assert bob.missing == ["approval"], "other terms need another approval"
    ada.shown = bob.shown
    await ada.act("approve")
    await ada.act("advance")
    assert ada.stage == "provisioning"


async def test_one_person_alone_takes_nobodys_rows_to_a_server_of_its_own(
    made: GatewayWorld,
) -> None:
    ada, bob = await seller(made), await seller(made)
    await ada.up_to("provisioning")
    own = {
        "kind": "own",
        "cluster": new_slug("own"),
        "region": "theirs",
        "host": "db.customer.com",
        "user": "admin",
        "certificates": Authority().pem,
    }
    await ada.save("place", {**own, "password": "secret"})
    assert (ada.missing, ada.shown["place_approval"]) == (["approval"], None)
    assert "another person" in (await ada.act("approve", 403))["detail"]
    assert "second person" in (await ada.act("advance", 409))["detail"]
    await ada.approved_by(bob)
    assert ada.missing == []
    await ada.save("place", own)
    assert ada.missing == [], "nothing of it is another"
    for other in ({**own, "host": "other.customer.com"}, {**own, "password": "another"}):
        await ada.save("place", other)
        assert ada.missing == ["approval"], "another server needs another approval"
        await ada.approved_by(bob)
    await bob.save("place", {**own, "port": 5433})
    assert "another person" in (await bob.act("approve", 403))["detail"]


async def test_each_change_is_in_the_audit_with_its_reason(made: GatewayWorld) -> None:
    ada = await seller(made)
    await ada.begin()
    await ada.save("draft", PARTIES)
    trail = expect(await made.client.get("/api/ops/audit?limit=200", headers=ops()), 200)["items"]
    mine = [each for each in trail if each["target"] == ada.shown["line"]["id"]]
    assert [each["action"] for each in mine] == ["onboarding.draft", "onboarding.create"]
    assert {each["reason"] for each in mine} == {"a test asks for it"}
    answer = await made.client.put(
        f"{ada.path}/draft", json={}, headers={"Authorization": ada.headers["Authorization"]}
    )
    expect(answer, 400)


async def test_a_field_that_is_wrong_is_named(made: GatewayWorld) -> None:
    ada = await seller(made)
    await ada.begin()
    for section, body, field in (
        ("draft", {**PARTIES, "billing_email": "nobody"}, "billing_email"),
        ("draft", {**PARTIES, "owner": "nobody at all"}, "owner"),
        ("contract", {**TERMS, "seats": 0}, "seats"),
        ("contract", {**TERMS, "ends_on": "soon"}, "ends_on"),
        ("contract", {**TERMS, "currency": "EUR"}, "currency"),
        ("place", {"kind": "own", "host": "127.0.0.1"}, "host"),
        ("place", {"kind": "own", "port": 22}, "port"),
        ("place", {"kind": "own", "user": "a@b"}, "user"),
        ("place", {"kind": "own", "certificates": "trust me"}, "certificates"),
        ("data", {"source": "thin air"}, "source"),
    ):
        told = await ada.save(section, body, 422)
        assert [each["key"] for each in told["errors"]] == [field], told
    await ada.save("contract", {**TERMS, "ends_on": "2025-01-01"})


async def test_a_request_that_is_repeated_makes_one_onboarding(made: GatewayWorld) -> None:
    ada = await seller(made)
    name, headers = new_slug("deal"), {**ada.headers, "Idempotency-Key": uuid.uuid4().hex}
    body = {"name": name, "owner": "a@b.example"}
    first = expect(await made.client.post(PATH, json=body, headers=headers), 201)
    again = expect(await made.client.post(PATH, json=body, headers=headers), 201)
    assert first["line"]["id"] == again["line"]["id"]
    listed = expect(await made.client.get(f"{PATH}?owner=A@b.example", headers=ada.headers), 200)
    assert [each["name"] for each in listed["items"]].count(name) == 1


async def test_lists_are_filtered_and_paged(made: GatewayWorld) -> None:
    ada = await seller(made)
    owner = f"{new_slug('owner')}@stepwell.example"
    names = [new_slug("deal") for _ in range(3)]
    for name in names:
        await ada.begin(name, owner=owner)
    page = f"{PATH}?owner={owner}&limit=2&stage=draft"
    first = expect(await made.client.get(page, headers=ada.headers), 200)
    rest = expect(await made.client.get(f"{page}&after={first['next']}", headers=ada.headers), 200)
    found = [each["name"] for each in [*first["items"], *rest["items"]]]
    assert (found, rest["next"]) == (names[::-1], None)
    none = expect(
        await made.client.get(f"{PATH}?owner={owner}&stage=live", headers=ada.headers), 200
    )
    assert none["items"] == []


async def test_what_is_closed_stays_so(made: GatewayWorld) -> None:
    ada = by_token(made)
    await ada.begin()
    await ada.act("close")
    assert (ada.stage, ada.shown["next"], ada.missing) == ("closed", None, [])
    assert "stays as it is" in (await ada.save("draft", PARTIES, 409))["detail"]


async def test_what_a_stage_has_passed_can_not_be_rewritten(made: GatewayWorld) -> None:
    ada = by_token(made)
    await ada.up_to("provisioning")
    await ada.save("contract", TERMS, 409)
    await ada.save("draft", {**PARTIES, "technical_name": "Tess"})
    await ada.save("place", {"kind": "cluster", "cluster": "shared-1"})
    assert ada.missing == ["cluster"]
    await ada.save("place", PLACE)
    await ada.act("advance")
    await ada.save("place", PLACE, 409)
    assert "no way back" in (await ada.act("back", 409))["detail"]


async def test_two_clicks_at_once_advance_once(made: GatewayWorld) -> None:
    ada = by_token(made)
    await ada.begin()
    await ada.save("draft", PARTIES)
    body = {"version": ada.shown["line"]["version"]}
    sent = [
        made.client.post(f"{ada.path}/advance", json=body, headers=ada.headers) for _ in range(4)
    ]
    answers = [answer.status_code for answer in await asyncio.gather(*sent)]
    assert sorted(answers) == [200, 409, 409, 409]
    await ada.look()
    assert ada.stage == "contract"
