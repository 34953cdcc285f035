"""The console's pages about one tenant: one head, a page for each question."""

from __future__ import annotations

import pytest

from tests.gateways import Customer, GatewayWorld, expect, ops, sign_up
from tests.web.surfing import Surfer
from web.console.tenant.dossier import TABS

PATHS = [path for path, _ in TABS]


@pytest.fixture(scope="module")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client, plan="pro")


@pytest.mark.parametrize(("path", "label"), TABS)
async def test_each_page_has_the_same_head_and_says_which_it_is(
    observer: Surfer, shop: Customer, path: str, label: str
) -> None:
    root = f"/console/tenants/{shop.slug}"
    answer = await observer.get(f"{root}{path}")
    assert answer.status_code == 200, answer.text
    nav = answer.text.partition('class="tabs"')[2].partition("</nav>")[0]
    assert nav.count("aria-current") == 1
    assert f'href="{root}{path}" aria-current="page">{label.replace("&", "&amp;")}<' in nav
    assert [f'href="{root}{each}"' in nav for each in PATHS] == [True] * len(PATHS)
    head = answer.text.partition("<main")[2].partition('class="tabs"')[0]
    assert all(said in head for said in (shop.slug, "active", "pro", "schema on"))


@pytest.mark.parametrize("path", PATHS)
async def test_an_observer_is_offered_no_change(
    observer: Surfer, shop: Customer, path: str
) -> None:
    root = f"/console/tenants/{shop.slug}"
    await observer.get(f"{root}{path}")
    offered = {each for each in observer.forms if each.startswith(root)}
    assert offered == ({f"{root}/access"} if path == "/access" else set())


@pytest.mark.parametrize("path", PATHS)
async def test_to_a_stranger_no_page_of_a_tenant_is_there(
    surfer: Surfer, shop: Customer, path: str
) -> None:
    address = f"/console/tenants/{shop.slug}{path}"
    assert (await surfer.get(address)).status_code == 303
    await surfer.log_in(shop)
    assert (await surfer.get(address)).status_code == 404


@pytest.mark.parametrize("path", PATHS)
async def test_a_tenant_that_is_not_there_has_no_pages(operator: Surfer, path: str) -> None:
    assert (await operator.get(f"/console/tenants/nobody-here{path}")).status_code == 404


async def test_an_act_that_is_not_there_is_no_page(operator: Surfer, shop: Customer) -> None:
    await operator.get("/console")
    sent = {"_csrf_token": operator.forms["/logout"]["_csrf_token"], "reason": "x"}
    for path in ("/danger/explode", "/billing/double"):
        answer = await operator.post(f"/console/tenants/{shop.slug}{path}", sent)
        assert answer.status_code == 404


async def test_what_happened_to_a_tenant_stands_on_its_first_page_newest_first(
    made: GatewayWorld, operator: Surfer
) -> None:
    shop = await sign_up(made.client)
    api = f"/api/ops/tenants/{shop.slug}"
    for act, reason in (("suspend", "first of all"), ("resume", "second of all")):
        expect(await made.client.post(f"{api}/{act}", headers=ops(reason)), 200)
    await operator.get(f"/console/tenants/{shop.slug}")
    text = operator.text
    assert "suspended → active" in text
    assert text.index("second of all") < text.index("first of all")
    assert text.index("first of all") < text.index("Place made")
    assert shop.email in text.partition("Place made")[2]


async def test_a_limit_is_given_until_a_day_and_taken_back(
    operator: Surfer, shop: Customer
) -> None:
    page = f"/console/tenants/{shop.slug}/usage"
    await operator.get(page)
    wrong = {"limit": "seats", "value": "lots", "until": "soon", "reason": "a deal"}
    assert (await operator.submit(f"{page}/limits", wrong)).status_code == 422
    assert "Write a whole number" in operator.text
    assert "Write a day" in operator.text
    kept = operator.forms[f"{page}/limits"]
    assert (kept["limit"], kept["value"], kept["reason"]) == ("seats", "lots", "a deal")
    past = {**wrong, "value": "77", "until": "2020-01-01"}
    assert (await operator.submit(f"{page}/limits", past)).status_code == 422
    assert "end in the past" in operator.text
    answer = await operator.submit(f"{page}/limits", {**past, "until": "2099-12-31"})
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    await operator.get(page)
    assert "until 2099-12-31 00:00 UTC: a deal" in operator.text
    end = next(each for each in operator.forms if each.startswith(f"{page}/end/"))
    assert (await operator.submit(end, {"reason": " "})).status_code == 422
    assert "Say why" in operator.text
    assert (await operator.submit(end, {"reason": "the deal is off"})).status_code == 303
    await operator.get(page)
    assert "until 2099-12-31 00:00 UTC: a deal" not in operator.text
    assert end not in operator.forms
    again = {"_csrf_token": operator.forms["/logout"]["_csrf_token"], "reason": "twice"}
    assert (await operator.post(end, again)).status_code == 422


async def test_features_are_given_by_name_and_no_limit_by_none(
    made: GatewayWorld, operator: Surfer, shop: Customer
) -> None:
    page = f"/console/tenants/{shop.slug}/usage"
    for limit, value in (("features", "custom_roles, own_server"), ("seats", "none")):
        await operator.get(page)
        fields = {"limit": limit, "value": value, "reason": "a deal"}
        assert (await operator.submit(f"{page}/limits", fields)).status_code == 303
    told = expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)
    assert told["limits"]["features"] == ["custom_roles", "own_server"]
    assert told["limits"]["seats"] is None


async def test_a_tenants_people_and_invitations_are_shown_without_tokens(
    made: GatewayWorld, operator: Surfer, shop: Customer
) -> None:
    body = {"email": "ada@elsewhere.example", "role": "viewer"}
    told = expect(await made.client.post("/api/invitations", json=body, headers=shop.headers), 201)
    answer = await operator.get(f"/console/tenants/{shop.slug}/members")
    assert shop.email in operator.text
    assert "ada@elsewhere.example viewer" in operator.text
    assert told["token"] not in answer.text


async def test_access_is_asked_for_at_the_tenants_own_page(
    operator: Surfer, shop: Customer
) -> None:
    page = f"/console/tenants/{shop.slug}/access"
    await operator.get(page)
    fields = {"mode": "read", "ticket": "T-7", "minutes": "many", "reason": "a complaint"}
    assert (await operator.submit(page, fields)).status_code == 422
    assert operator.forms[page]["minutes"] == "many"
    answer = await operator.submit(page, {**fields, "minutes": "5"})
    assert answer.status_code == 303
    await operator.get(page)
    assert "a complaint (T-7)" in operator.text
    assert f'href="{answer.headers["location"]}"' in (await operator.get(page)).text


async def test_the_audit_of_one_tenant_is_its_own_page(
    made: GatewayWorld, operator: Surfer, shop: Customer
) -> None:
    other = await sign_up(made.client)
    path = f"/api/ops/tenants/{other.slug}/suspend"
    expect(await made.client.post(path, headers=ops("somebody else's")), 200)
    await operator.get(f"/console/tenants/{shop.slug}/audit")
    assert "tenant.create" in operator.text
    assert "somebody else's" not in operator.text


async def test_a_plan_that_operators_set_is_given_back(
    made: GatewayWorld, operator: Surfer
) -> None:
    shop = await sign_up(made.client)
    page = f"/console/tenants/{shop.slug}/billing"
    await operator.get(page)
    assert f"{page}/release" not in operator.forms
    sent = await operator.submit(f"{page}/plan", {"plan": "pro", "reason": "signed"})
    assert (sent.status_code, sent.headers["location"]) == (303, page)
    await operator.get(page)
    assert "pro: signed" in operator.text
    sent = await operator.submit(f"{page}/release", {"reason": "terminated"})
    assert sent.status_code == 303
    await operator.get(page)
    assert "pro: signed" not in operator.text


async def test_what_whoever_does_something_has_to_know_first_is_said_on_each_page(
    made: GatewayWorld, operator: Surfer
) -> None:
    shop = await sign_up(made.client)
    root = f"/console/tenants/{shop.slug}"
    expect(
        await made.client.post(f"/api/ops/tenants/{shop.slug}/suspend", headers=ops("abuse")), 200
    )
    for path in PATHS:
        await operator.get(f"{root}{path}")
        assert "It is suspended: nothing of its product is served." in operator.text
