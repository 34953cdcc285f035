"""Domains over HTTP: claimed, shown, served, lost, and asked for by proxies."""

from __future__ import annotations

import asyncio
from typing import Any

from deploy.asking import UNKNOWN_AT_ONCE
from deploy.domains import DomainKeeper
from router.catalog import claims
from tests.domains.name_server import NameServer
from tests.gateways import (
    SITE,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    make_key,
    new_slug,
    ops,
    sign_up,
)

DEADLINE_S = 30.0


def new_domain() -> str:
    return f"{new_slug()}.example.com"


async def claimed(made: GatewayWorld, customer: Customer, name: str) -> dict[str, Any]:
    answer = await made.client.post("/api/domains", json={"name": name}, headers=customer.headers)
    return expect(answer, 201)


async def checked(made: GatewayWorld, customer: Customer, name: str) -> dict[str, Any]:
    answer = await made.client.post(f"/api/domains/{name}/check", headers=customer.headers)
    return expect(answer, 200)


async def verified(made: GatewayWorld, names: NameServer, customer: Customer) -> str:
    """Claim a new domain, set its record, and have it checked."""
    told = await claimed(made, customer, new_domain())
    names.texts[told["record"]["name"]] = [told["record"]["value"]]
    assert (await checked(made, customer, told["name"]))["state"] == "verified"
    return str(told["name"])


async def until_served(made: GatewayWorld, customer: Customer, name: str, status: int) -> None:
    """Ask for the product under a domain until the news have arrived."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            headers = {**bearer(customer.key), "Host": name}
            answer = await made.client.get("/artists", headers=headers)
            if answer.status_code == status:
                return
            await asyncio.sleep(0.02)


async def set_back(made: GatewayWorld, name: str, column: str) -> None:
    """Let a claim's time have come."""
    statement = {
        "check_at": "UPDATE catalog.domain_claim SET check_at = now() WHERE name = $1",
        "off_at": """UPDATE catalog.domain_claim SET check_at = now(), off_at = now()
            WHERE name = $1""",
        "expires_at": """UPDATE catalog.domain_claim SET expires_at = now() - interval '1 second'
            WHERE name = $1""",
    }[column]
    async with made.platform.catalog.connection() as connection:
        assert await connection.execute(statement, name) == "UPDATE 1"


async def listed(made: GatewayWorld, customer: Customer) -> dict[str, dict[str, Any]]:
    answer = expect(await made.client.get("/api/domains", headers=customer.headers), 200)
    return {each["name"]: each for each in answer["items"]}


async def test_a_domain_is_claimed_shown_and_served(
    made: GatewayWorld, names: NameServer, shop: Customer
) -> None:
    told = await claimed(made, shop, new_domain().upper())
    name, record = told["name"], told["record"]
    assert (told["state"], record["type"]) == ("pending", "TXT")
    assert record["name"] == f"_stepwell.{name}"
    told = await checked(made, shop, name)
    assert (told["state"], told["verified_at"]) == ("pending", None)
    assert told["problem"] == f"there is no TXT record at _stepwell.{name}"
    names.texts[record["name"]] = ["v=spf1 -all", "stepwell=somebody-elses"]
    assert "says something else" in (await checked(made, shop, name))["problem"]
    await until_served(made, shop, name, 400)
    names.texts[record["name"]].append(record["value"])
    told = await checked(made, shop, name)
    assert (told["state"], told["problem"], told["expires_at"]) == ("verified", None, None)
    await until_served(made, shop, name, 200)
    again = await claimed(made, shop, name)
    assert (again["record"], again["state"]) == (record, "verified")
    assert (await made.client.delete(f"/api/domains/{name}", headers=shop.headers)).is_success
    await until_served(made, shop, name, 400)
    expect(await made.client.delete(f"/api/domains/{name}", headers=shop.headers), 404)


async def test_one_tenant_serves_a_domain_and_claims_block_nobody(
    made: GatewayWorld, names: NameServer, shop: Customer, rival: Customer
) -> None:
    name = new_domain()
    theirs, ours = await claimed(made, rival, name), await claimed(made, shop, name)
    assert theirs["record"]["value"] != ours["record"]["value"]
    names.texts[ours["record"]["name"]] = [ours["record"]["value"]]
    assert (await checked(made, rival, name))["state"] == "pending"
    assert (await checked(made, shop, name))["state"] == "verified"
    await until_served(made, shop, name, 200)
    names.texts[ours["record"]["name"]].append(theirs["record"]["value"])
    held = await checked(made, rival, name)
    assert held["state"] == "pending"
    assert "another workspace serves it" in held["problem"]
    names.texts[ours["record"]["name"]] = [theirs["record"]["value"]]
    assert (await checked(made, rival, name))["state"] == "verified"
    await until_served(made, rival, name, 200)
    await until_served(made, shop, name, 400)
    assert (await listed(made, shop))[name]["state"] == "pending"


async def test_two_who_show_a_domain_at_once_share_nothing(
    made: GatewayWorld, names: NameServer, shop: Customer, rival: Customer
) -> None:
    name = new_domain()
    both = [await claimed(made, shop, name), await claimed(made, rival, name)]
    names.texts[f"_stepwell.{name}"] = [each["record"]["value"] for each in both]
    told = await asyncio.gather(checked(made, shop, name), checked(made, rival, name))
    assert sorted(each["state"] for each in told) == ["pending", "verified"]


async def test_a_silent_name_server_changes_nothing(
    made: GatewayWorld, names: NameServer, shop: Customer
) -> None:
    name = await verified(made, names, shop)
    names.is_silent = True
    told = await checked(made, shop, name)
    names.is_silent = False
    assert told["state"] == "verified"
    assert "no name server answered" in told["problem"]


async def test_a_plan_without_domains_gets_none(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    body = {"name": new_domain()}
    refused = await made.client.post("/api/domains", json=body, headers=customer.headers)
    assert "change to pro or enterprise" in expect(refused, 403)["detail"]


async def test_what_is_wrong_with_a_domain_is_said_beside_it(
    made: GatewayWorld, shop: Customer
) -> None:
    for name in ("localhost", "192.0.2.1", f"x.{SITE}", SITE, "a..b"):
        answer = await made.client.post("/api/domains", json={"name": name}, headers=shop.headers)
        assert expect(answer, 422)["errors"][0]["key"] == "name", name


async def test_a_tenant_has_so_many_domains_and_no_more(made: GatewayWorld) -> None:
    customer = await sign_up(made.client, plan="pro")
    found = [await claimed(made, customer, new_domain()) for _ in range(claims.CLAIMS_MAX)]
    body = {"name": new_domain()}
    answer = await made.client.post("/api/domains", json=body, headers=customer.headers)
    assert "remove one first" in expect(answer, 409)["detail"]
    await claimed(made, customer, found[0]["name"])


async def test_anothers_domain_is_as_absent_as_one_that_isnt_there(
    made: GatewayWorld, names: NameServer, shop: Customer, rival: Customer
) -> None:
    name = await verified(made, names, shop)
    assert name not in await listed(made, rival)
    absent = new_domain()
    for method, path in (("POST", "/api/domains/{}/check"), ("DELETE", "/api/domains/{}")):
        details = set[str]()
        for each in (name, absent):
            answer = await made.client.request(method, path.format(each), headers=rival.headers)
            details.add(expect(answer, 404)["detail"].replace(each, ""))
        assert len(details) == 1
    await until_served(made, shop, name, 200)


async def test_who_may_not_change_settings_may_not_change_domains(
    made: GatewayWorld, shop: Customer
) -> None:
    headers = bearer(await make_key(made.client, shop.token, role="member"))
    expect(await made.client.get("/api/domains", headers=headers), 403)
    body = {"name": new_domain()}
    expect(await made.client.post("/api/domains", json=body, headers=headers), 403)


async def test_workers_find_records_by_themselves(
    made: GatewayWorld, names: NameServer, shop: Customer
) -> None:
    told = await claimed(made, shop, new_domain())
    name = told["name"]
    names.texts[told["record"]["name"]] = [told["record"]["value"]]
    await set_back(made, name, "check_at")
    keeper = DomainKeeper(made.platform)
    await keeper.look()
    assert (await listed(made, shop))[name]["state"] == "verified"
    count = names.asked.count(told["record"]["name"])
    await keeper.look()
    assert names.asked.count(told["record"]["name"]) == count


async def test_a_lost_record_is_told_with_its_day_and_then_the_domain_is_off(
    made: GatewayWorld, names: NameServer, shop: Customer
) -> None:
    name, keeper = await verified(made, names, shop), DomainKeeper(made.platform)
    texts = names.texts.pop(f"_stepwell.{name}")
    await set_back(made, name, "check_at")
    await keeper.look()
    told = (await listed(made, shop))[name]
    assert (told["state"], told["off_at"] is None) == ("lost", False)
    await until_served(made, shop, name, 200)
    names.texts[f"_stepwell.{name}"] = texts
    await set_back(made, name, "check_at")
    await keeper.look()
    assert (await listed(made, shop))[name]["state"] == "verified"
    del names.texts[f"_stepwell.{name}"]
    await set_back(made, name, "check_at")
    await keeper.look()
    await set_back(made, name, "off_at")
    await keeper.look()
    assert (await listed(made, shop))[name]["state"] == "pending"
    await until_served(made, shop, name, 400)
    trail = expect(await made.client.get("/api/audit", headers=shop.headers), 200)["items"]
    done = [each["action"] for each in trail if each["target"] == name]
    assert done == [
        "domain.off",
        "domain.lose",
        "domain.verify",
        "domain.lose",
        "domain.verify",
        "domain.claim",
    ]
    async with made.platform.catalog.connection() as connection:
        kinds = await connection.fetch(
            "SELECT kind FROM catalog.outbox WHERE payload->>'domain' = $1 ORDER BY id", name
        )
    assert [row["kind"] for row in kinds] == ["domain.lost", "domain.lost", "domain.off"]


async def test_a_claim_that_was_never_shown_ends(made: GatewayWorld, shop: Customer) -> None:
    name = (await claimed(made, shop, new_domain()))["name"]
    await set_back(made, name, "expires_at")
    await DomainKeeper(made.platform).look()
    assert name not in await listed(made, shop)


async def test_a_proxy_is_told_for_which_names_it_may_get_certificates(
    made: GatewayWorld, names: NameServer, shop: Customer
) -> None:
    name = await verified(made, names, shop)
    pending = (await claimed(made, shop, new_domain()))["name"]
    await until_served(made, shop, name, 200)
    asked = {
        name: 200,
        name.upper() + ".": 200,
        f"{shop.slug}.{SITE}": 200,
        pending: 404,
        f"no-such-tenant.{SITE}": 404,
        f"deeper.{shop.slug}.{SITE}": 404,
        f"www.{name}": 404,
        SITE: 404,
        "127.0.0.1": 404,
        "a b": 404,
        "": 404,
        "x" * 253: 404,
    }
    for each, status in asked.items():
        # A proxy asks at the gateway's own address.
        for host in (SITE, "127.0.0.1", "gateway.internal"):
            answer = await made.client.get("/ask", params={"domain": each}, headers={"Host": host})
            assert answer.status_code == status, (each, host, answer.text)
    expect(await made.client.get("/ask", params={"domain": "x" * 254}), 400)
    expect(await made.client.get("/ask"), 400)


async def test_names_that_nobody_knows_are_asked_for_at_a_bounded_rate(
    made: GatewayWorld, shop: Customer
) -> None:
    async def ask(name: str) -> int:
        return (await made.client.get("/ask", params={"domain": name})).status_code

    expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)
    statuses = set[int]()
    async with asyncio.timeout(DEADLINE_S):
        while 429 not in statuses:
            flood = (ask(f"{number}.{new_domain()}") for number in range(int(UNKNOWN_AT_ONCE)))
            statuses.update(await asyncio.gather(*flood))
    assert statuses == {404, 429}
    assert await ask(f"{shop.slug}.{SITE}") == 200
