"""The console's pages of a tenant's domains, data and end."""

from __future__ import annotations

import pytest

from tests.archive.test_kept import until_made, working
from tests.gateways import Customer, GatewayWorld, expect, new_slug, ops, sign_up
from tests.web.surfing import Surfer


@pytest.fixture(scope="module")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client, plan="pro")


async def test_an_operator_has_an_archive_taken_with_a_reason(
    made: GatewayWorld, operator: Surfer, shop: Customer
) -> None:
    page = f"/console/tenants/{shop.slug}/data"
    body = {"name": "shop.example.com"}
    expect(await made.client.post("/api/domains", json=body, headers=shop.headers), 201)
    await operator.get(f"/console/tenants/{shop.slug}/domains")
    assert "shop.example.com" in operator.text
    await operator.get(page)
    assert "No archive of it was ever taken" in operator.text
    assert (await operator.submit(f"{page}/archive")).status_code == 422
    assert "Say why" in operator.text
    answer = await operator.submit(f"{page}/archive", {"reason": "ticket 12"})
    assert answer.status_code == 303, answer.text
    told = expect(
        await made.client.get(f"/api/ops/tenants/{shop.slug}/exports", headers=ops()), 200
    )
    assert told["items"][0]["export"]["id"] in (await operator.get(page)).text


async def test_an_archive_is_restored_as_another_tenant(
    made: GatewayWorld, operator: Surfer, shop: Customer
) -> None:
    page = f"/console/tenants/{shop.slug}/data"
    path = f"/api/ops/tenants/{shop.slug}/exports"
    known = expect(await made.client.get(path, headers=ops()), 200)["items"]
    assert [each["export"]["has_file"] for each in known] == [False]
    await operator.get(page)
    assert f"{page}/restore" not in operator.forms
    async with working(made):
        await until_made(made, shop, known[0]["export"]["id"])
    await operator.get(page)
    slug = new_slug()
    fields = {"slug": slug, "owner_email": "me@stepwell.example", "reason": "a rehearsal"}
    assert (await operator.submit(f"{page}/restore", fields)).status_code == 422
    assert "name one of its owners" in operator.text
    assert operator.forms[f"{page}/restore"]["owner_email"] == "me@stepwell.example"
    fields = {**fields, "owner_email": shop.email}
    taken = await operator.submit(f"{page}/restore", {**fields, "slug": shop.slug})
    assert (taken.status_code, "is taken" in operator.text) == (422, True)
    answer = await operator.submit(f"{page}/restore", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/tenants/{slug}")
    await operator.get(f"/console/tenants/{slug}")
    assert "It is being filled from the archive." in operator.text


async def test_an_operator_has_a_tenant_erased_later_and_keeps_it(
    made: GatewayWorld, operator: Surfer, shop: Customer
) -> None:
    page = f"/console/tenants/{shop.slug}/danger"
    await operator.get(page)
    fields = {"reason": "over", "confirm_erase": "wrong"}
    assert (await operator.submit(f"{page}/erase", fields)).status_code == 422
    assert f"Type {shop.slug} to confirm." in operator.text
    answer = await operator.submit(f"{page}/erase", {**fields, "confirm_erase": shop.slug})
    assert answer.status_code == 303, answer.text
    await operator.get(f"/console/tenants/{shop.slug}")
    assert "It and all its rows are erased on" in operator.text
    await operator.get(page)
    assert "It is erased on" in operator.text
    assert (await operator.submit(f"{page}/keep", {"reason": "not yet"})).status_code == 303
    path = f"/api/ops/tenants/{shop.slug}/deletion"
    assert expect(await made.client.get(path, headers=ops()), 200) == {"deletion": None}
    await operator.get(page)
    assert "Nobody asked for it" in operator.text


async def test_a_tenants_rows_are_counted_when_somebody_asks(
    operator: Surfer, shop: Customer
) -> None:
    page = f"/console/tenants/{shop.slug}/data"
    await operator.get(page)
    assert "Count its rows" in operator.text
    await operator.get(f"{page}?counted=true")
    assert "Count its rows" not in operator.text
    assert "Size of its rows" in operator.text
    assert "genre" in operator.text
