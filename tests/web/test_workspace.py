"""The pages of a workspace, as its people use them."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from router.api.usage import Metric
from router.words import Limits
from tests.gateways import PASSWORD, Customer, GatewayWorld, bearer, expect, new_slug, ops, sign_up
from tests.web.surfing import Surfer
from web.visitor import SAID_COOKIE, SESSION_COOKIE
from web.workspace.billing import too_much

PAGES = ("", "/members", "/roles", "/keys", "/billing", "/billing/cancel", "/audit")


async def join(made: GatewayWorld, shop: Customer, role: str) -> Surfer:
    """Make a member of the shop, and its browser with a session in it."""
    email = f"{role}@{new_slug()}.example"
    body = {"email": email, "role": role, "password": PASSWORD}
    expect(await made.client.post("/api/members", json=body, headers=shop.headers), 201)
    body = {"email": email, "password": PASSWORD}
    told = expect(await made.client.post("/api/login", json=body), 200)
    surfer = Surfer(made.client)
    surfer.cookies[SESSION_COOKIE] = told["token"]
    return surfer


@pytest.fixture
async def owner(surfer: Surfer, shop: Customer) -> Surfer:
    surfer.cookies[SESSION_COOKIE] = shop.token
    return surfer


def said(surfer: Surfer) -> str:
    return unquote(surfer.cookies.get(SAID_COOKIE, ""))


async def member_id(made: GatewayWorld, shop: Customer, email: str) -> str:
    listed = expect(await made.client.get("/api/members", headers=shop.headers), 200)["items"]
    return str(next(each["id"] for each in listed if each["email"] == email))


@pytest.mark.parametrize("page", PAGES)
async def test_a_stranger_s_workspace_is_as_absent_as_none(
    made: GatewayWorld, owner: Surfer, page: str
) -> None:
    other = await sign_up(made.client)
    for slug in (other.slug, "no-such-workspace"):
        assert (await owner.get(f"/w/{slug}{page}")).status_code == 404


@pytest.mark.parametrize("page", PAGES)
async def test_each_page_opens_for_an_owner_and_leads_to_pages_that_are_there(
    owner: Surfer, shop: Customer, page: str
) -> None:
    answer = await owner.get(f"/w/{shop.slug}{page}")
    assert answer.status_code == 200, answer.text
    assert answer.text.count('aria-current="') == 1


async def test_the_navigation_leads_to_nothing_that_is_missing(
    owner: Surfer, shop: Customer
) -> None:
    answer = await owner.get(f"/w/{shop.slug}")
    side = answer.text.partition('aria-label="Workspace"')[2].partition("</nav>")[0]
    paths = [each.partition('"')[0] for each in side.split('href="')[1:]]
    assert len(paths) >= 3
    for path in paths:
        assert (await owner.get(path)).status_code == 200


async def test_first_steps_are_done_when_the_facts_say_so(
    made: GatewayWorld, surfer: Surfer
) -> None:
    new = await sign_up(made.client)
    surfer.cookies[SESSION_COOKIE] = new.token
    await surfer.get(f"/w/{new.slug}")
    assert "Make an API key : done" in surfer.text
    assert "Invite somebody : done" not in surfer.text
    body = {"email": "friend@company.example", "role": "viewer"}
    expect(await made.client.post("/api/invitations", json=body, headers=new.headers), 201)
    await surfer.get(f"/w/{new.slug}")
    assert "Invite somebody : done" in surfer.text


async def test_a_key_s_secret_is_shown_once_and_works_until_it_is_revoked(
    made: GatewayWorld, owner: Surfer, shop: Customer
) -> None:
    path = f"/w/{shop.slug}/keys"
    await owner.get(path)
    answer = await owner.submit(path, {"name": "nightly import", "role": "member"})
    secret = answer.text.partition('<code id="secret">')[2].partition("<")[0]
    expect(await made.client.get("/api/tenant", headers=bearer(secret)), 200)
    shown = await owner.get(path)
    assert secret not in shown.text
    listed = expect(await made.client.get("/api/keys", headers=shop.headers), 200)["items"]
    key_id = next(each["id"] for each in listed if each["name"] == "nightly import")
    await owner.get(f"{path}/{key_id}/revoke")
    assert (await owner.submit(f"{path}/{key_id}/revoke")).status_code == 303
    assert "nightly import is revoked" in said(owner)
    expect(await made.client.get("/api/tenant", headers=bearer(secret)), 401)
    assert (await owner.get(f"{path}/{key_id}/revoke")).status_code == 404


async def test_the_same_form_sent_twice_makes_one_key(
    made: GatewayWorld, owner: Surfer, shop: Customer
) -> None:
    path = f"/w/{shop.slug}/keys"
    await owner.get(path)
    form = {**owner.forms[path], "name": "made once", "role": "viewer"}
    await owner.post(path, form)
    await owner.post(path, form)
    listed = expect(await made.client.get("/api/keys", headers=shop.headers), 200)["items"]
    assert [each["name"] for each in listed].count("made once") == 1


async def test_what_is_wrong_with_a_key_stands_beside_its_field(
    owner: Surfer, shop: Customer
) -> None:
    path = f"/w/{shop.slug}/keys"
    await owner.get(path)
    answer = await owner.submit(path, {"name": "", "role": "member"})
    assert answer.status_code == 422
    assert 'id="name-wrong"' in answer.text


async def test_an_invitation_s_token_lets_its_address_in(
    made: GatewayWorld, owner: Surfer, shop: Customer
) -> None:
    email = f"new@{new_slug()}.example"
    await owner.get(f"/w/{shop.slug}/members")
    answer = await owner.submit(
        f"/w/{shop.slug}/members/invite", {"email": email, "role": "viewer"}
    )
    token = answer.text.partition('<code id="token">')[2].partition("<")[0]
    body = {"token": token, "password": PASSWORD, "name": "New"}
    told = expect(await made.client.post("/api/invitations/accept", json=body), 200)
    assert told["role"] == "viewer"
    assert token not in (await owner.get(f"/w/{shop.slug}/members")).text


async def test_a_wrong_address_keeps_what_was_typed(owner: Surfer, shop: Customer) -> None:
    await owner.get(f"/w/{shop.slug}/members")
    answer = await owner.submit(
        f"/w/{shop.slug}/members/invite", {"email": "nobody", "role": "viewer"}
    )
    assert answer.status_code == 422
    assert 'value="nobody"' in answer.text


async def test_a_withdrawn_invitation_is_listed_no_more(
    made: GatewayWorld, owner: Surfer, shop: Customer
) -> None:
    email = f"gone@{new_slug()}.example"
    body = {"email": email, "role": "viewer"}
    told = expect(await made.client.post("/api/invitations", json=body, headers=shop.headers), 201)
    await owner.get(f"/w/{shop.slug}/members")
    assert email in owner.text
    await owner.submit(f"/w/{shop.slug}/members/invitations/{told['id']}/withdraw")
    await owner.get(f"/w/{shop.slug}/members")
    assert email not in owner.text


async def test_a_member_s_role_is_changed_and_the_member_removed(
    made: GatewayWorld, owner: Surfer, shop: Customer
) -> None:
    member = await join(made, shop, "viewer")
    headers = bearer(member.token or "")
    email = expect(await made.client.get("/api/me", headers=headers), 200)["user"]["email"]
    path = f"/w/{shop.slug}/members/{await member_id(made, shop, email)}"
    await owner.get(f"/w/{shop.slug}/members")
    await owner.submit(f"{path}/role", {"member_role": "admin"})
    assert said(owner) == f"{email} is admin now."
    await owner.get(f"{path}/remove")
    assert (await owner.submit(f"{path}/remove")).status_code == 303
    assert (await member.get(f"/w/{shop.slug}/members")).status_code in {303, 404}


async def test_the_last_owner_stays_and_the_page_says_why(
    made: GatewayWorld, owner: Surfer, shop: Customer
) -> None:
    path = f"/w/{shop.slug}/members/{await member_id(made, shop, shop.email)}"
    await owner.get(f"{path}/remove")
    refused = await owner.submit(f"{path}/remove")
    assert refused.status_code == 422
    assert "at least one owner" in owner.text
    await owner.get(f"/w/{shop.slug}/members")
    refused = await owner.submit(f"{path}/role", {"member_role": "viewer"})
    assert refused.status_code == 422
    assert "at least one owner" in owner.text


async def test_what_a_role_doesn_t_allow_is_neither_offered_nor_done(
    made: GatewayWorld, shop: Customer
) -> None:
    viewer = await join(made, shop, "viewer")
    await viewer.get(f"/w/{shop.slug}/members")
    assert f"/w/{shop.slug}/members/invite" not in viewer.forms
    form = {"_csrf_token": viewer.forms["/logout"]["_csrf_token"]}
    body = {**form, "email": "x@company.example", "role": "viewer"}
    refused = await viewer.post(f"/w/{shop.slug}/members/invite", body)
    assert refused.status_code == 422
    assert (await viewer.get(f"/w/{shop.slug}/keys")).status_code == 403
    listed = expect(await made.client.get("/api/invitations", headers=shop.headers), 200)["items"]
    assert all(each["email"] != "x@company.example" for each in listed)


async def test_a_role_of_one_s_own_is_made_and_removed_under_a_plan_that_has_them(
    made: GatewayWorld, surfer: Surfer, owner: Surfer, shop: Customer
) -> None:
    await owner.get(f"/w/{shop.slug}/roles")
    assert f"/w/{shop.slug}/roles" not in owner.forms
    large = await sign_up(made.client, plan="pro")
    surfer.cookies[SESSION_COOKIE] = large.token
    path = f"/w/{large.slug}/roles"
    await surfer.get(path)
    sent = await surfer.submit(path, {"name": "auditor", "permissions": "audit.read"})
    assert sent.status_code == 303, sent.text
    await surfer.get(path)
    assert "auditor Read the audit" in surfer.text
    assert (await surfer.submit(f"{path}/auditor/remove")).status_code == 303
    refused = await surfer.post(path, {**surfer.forms[path], "name": "owner"})
    assert refused.status_code == 422


async def test_the_audit_marks_the_staff_and_ends_in_words(
    made: GatewayWorld, owner: Surfer, shop: Customer
) -> None:
    body = {"limits": {"seats": 40}}
    path = f"/api/ops/tenants/{shop.slug}/limits"
    expect(await made.client.post(path, json=body, headers=ops("C-17 wants more seats")), 201)
    await owner.get(f"/w/{shop.slug}/audit")
    assert "staff limits.give" in owner.text
    assert "Why: C-17 wants more seats" in owner.text
    assert (await owner.get(f"/w/{shop.slug}/audit?after=1")).status_code == 200
    assert "There is nothing older." in owner.text
    assert (await owner.get(f"/w/{shop.slug}/audit?after=nonsense")).status_code == 400


async def test_where_nothing_is_sold_the_page_says_so(owner: Surfer, shop: Customer) -> None:
    await owner.get(f"/w/{shop.slug}/billing")
    assert "There is no invoice yet." in owner.text
    assert "takes no payments: ask whoever runs it" in owner.text
    refused = await owner.get(f"/w/{shop.slug}/billing/change?plan=pro")
    assert refused.status_code == 422
    assert "takes no payments" in owner.text


def test_what_a_smaller_plan_has_no_room_for_is_named() -> None:
    used = [
        Metric(metric="api_calls", used=9_000, limit=None),
        Metric(metric="seats", used=6, limit=50),
        Metric(metric="storage_bytes", used=10, limit=50),
    ]
    beyond = too_much(used, Limits(api_calls_per_month=1, seats=5, storage_bytes=10))
    assert [(each.metric, each.used, each.limit) for each in beyond] == [("seats", 6, 5)]
    assert too_much(used, Limits()) == []
