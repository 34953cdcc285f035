"""The pages of a workspace's domains, by forms."""

from __future__ import annotations

import pytest

from tests.domains.name_server import NameServer
from tests.gateways import SITE, Customer, GatewayWorld, expect, new_slug, sign_up
from tests.web.surfing import Surfer


@pytest.fixture(scope="module")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client, plan="pro")


async def test_a_domain_is_added_checked_and_removed_by_forms(
    made: GatewayWorld, names: NameServer, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    page, name = f"/w/{shop.slug}/domains", f"{new_slug()}.example.com"
    await surfer.get(page)
    assert "No domain leads here yet" in surfer.text
    assert (await surfer.submit(page, {"name": name})).status_code == 303
    await surfer.get(page)
    assert "waits for its record" in surfer.text
    answer = expect(await made.client.get("/api/domains", headers=shop.headers), 200)
    record = answer["items"][0]["record"]
    assert record["name"] in surfer.text
    assert record["value"] in surfer.text
    assert (await surfer.submit(f"{page}/{name}/check")).status_code == 303
    await surfer.get(page)
    assert "there is no TXT record" in surfer.text
    names.texts[record["name"]] = [record["value"]]
    assert (await surfer.submit(f"{page}/{name}/check")).status_code == 303
    await surfer.get(page)
    assert "the product answers there" in surfer.text
    await surfer.get(f"{page}/{name}/remove")
    assert (await surfer.submit(f"{page}/{name}/remove")).status_code == 303
    await surfer.get(page)
    assert "No domain leads here yet" in surfer.text
    assert (await surfer.get(f"{page}/{name}/remove")).status_code == 404


async def test_what_is_wrong_is_said_beside_the_field_and_kept(
    surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    page = f"/w/{shop.slug}/domains"
    for name, said in (
        ("192.0.2.1", "is no domain name"),
        (f"x.{SITE}", "belongs to the platform"),
        ("", "Write a domain"),
        ("<script>", "is no domain name"),
    ):
        await surfer.get(page)
        answer = await surfer.submit(page, {"name": name})
        assert answer.status_code == 422
        assert said in surfer.text
        assert 'id="name-wrong"' in answer.text
        assert surfer.forms[page]["name"] == name


async def test_a_form_without_its_token_changes_nothing(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    page = f"/w/{shop.slug}/domains"
    assert (await surfer.post(page, {"name": "forged.example.com"})).status_code == 403
    told = expect(await made.client.get("/api/domains", headers=shop.headers), 200)
    assert "forged.example.com" not in [each["name"] for each in told["items"]]


async def test_a_plan_without_domains_is_told_where_they_are(
    made: GatewayWorld, surfer: Surfer
) -> None:
    starter = await sign_up(made.client)
    await surfer.log_in(starter)
    page = f"/w/{starter.slug}/domains"
    assert (await surfer.get(page)).status_code == 200
    assert page not in surfer.forms
    assert "take a larger plan" in surfer.text
