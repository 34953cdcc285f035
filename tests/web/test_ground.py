"""The ground that every page stands on: whose it is, which site's, which session's."""

from __future__ import annotations

import pytest

from tests.accounts.people import until_refused
from tests.gateways import PASSWORD, Customer, GatewayWorld, at, bearer, expect, sign_up
from tests.web.surfing import Surfer
from web.site import CSRF_COOKIE
from web.visitor import SESSION_COOKIE, own_path

FOREIGN = ["https://evil.example", "null", "https://shop.stepwell.test"]


async def test_a_page_allows_nothing_from_elsewhere_and_nothing_inline(surfer: Surfer) -> None:
    answer = await surfer.get("/pricing")
    policy = answer.headers["content-security-policy"]
    assert answer.headers.get_list("content-security-policy") == [policy]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "data:" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["strict-transport-security"]
    assert " style=" not in answer.text
    assert " on" not in answer.text.replace(" on ", " ").replace(" one", " ").replace(" once", " ")


async def test_cookies_can_be_set_and_read_by_this_host_alone(
    surfer: Surfer, shop: Customer
) -> None:
    opened = await surfer.get("/login")
    entered = await surfer.submit("/login", {"email": shop.email, "password": PASSWORD})
    for answer, name in ((opened, CSRF_COOKIE), (entered, SESSION_COOKIE)):
        told = next(
            each for each in answer.headers.get_list("set-cookie") if each.startswith(name + "=")
        )
        for part in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
            assert part in told
        assert "Domain" not in told
        assert name.startswith("__Host-")


async def test_a_form_without_its_token_changes_nothing(surfer: Surfer, shop: Customer) -> None:
    await surfer.log_in(shop)
    token = surfer.token
    for forged in ({}, {"_csrf_token": "x" * 128}):
        assert (await surfer.post("/logout", forged)).status_code == 403
    expect(await surfer._client.get("/api/me", headers=bearer(token or "")), 200)  # noqa: SLF001 - the session itself is asked, behind the pages


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_form_from_another_site_is_refused_though_its_token_is_right(
    surfer: Surfer, shop: Customer, origin: str
) -> None:
    await surfer.log_in(shop)
    await surfer.get("/workspaces")
    refused = await surfer.submit("/logout", headers={"Origin": origin})
    assert refused.status_code == 403
    assert "another site" in surfer.text


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
async def test_a_form_that_the_browser_calls_foreign_is_refused(
    surfer: Surfer, shop: Customer, where: str
) -> None:
    await surfer.log_in(shop)
    await surfer.get("/workspaces")
    refused = await surfer.submit("/logout", headers={"Sec-Fetch-Site": where})
    assert refused.status_code == 403


async def test_pages_are_at_the_site_alone(made: GatewayWorld, shop: Customer) -> None:
    for headers in (at(shop.slug), {"X-Tenant": shop.slug}, {"Host": "shop.example"}):
        answer = await made.client.get("/login", headers=headers)
        assert answer.status_code == 404


async def test_a_page_of_nobody_asks_to_log_in_and_comes_back(
    surfer: Surfer, shop: Customer
) -> None:
    answer = await surfer.get("/workspaces?x=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fworkspaces%3Fx%3D1"
    await surfer.get(answer.headers["location"])
    entered = await surfer.submit("/login", {"email": shop.email, "password": PASSWORD})
    assert entered.headers["location"] == "/workspaces?x=1"


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb", "x" * 2_000]
)
def test_nobody_is_sent_to_another_site(path: str) -> None:
    assert own_path(path) == "/"


async def test_a_log_in_draws_a_new_session_whatever_the_browser_had(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    planted = surfer.token
    await surfer.get("/workspaces")
    await surfer.submit("/logout")
    assert planted is not None
    await until_refused(made.client, planted)
    surfer.cookies[SESSION_COOKIE] = planted
    await surfer.get("/login")
    await surfer.submit("/login", {"email": shop.email, "password": PASSWORD})
    assert surfer.token not in {None, planted}


async def test_a_log_in_ends_the_session_that_it_takes_the_place_of(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    before = surfer.token
    assert before is not None
    await surfer.get("/account")
    tab = dict(surfer.forms["/logout"])
    login = {**tab, "email": shop.email, "password": PASSWORD, "next": "/"}
    assert (await surfer.post("/login", login)).status_code == 303
    assert surfer.token not in {None, before}
    await until_refused(made.client, before)


async def test_log_out_ends_the_session_itself(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    token = surfer.token or ""
    await surfer.get("/workspaces")
    await surfer.submit("/logout")
    assert surfer.token is None
    await until_refused(made.client, token)


async def test_a_switch_draws_a_new_session_and_ends_the_old_one(
    made: GatewayWorld, surfer: Surfer
) -> None:
    first = await sign_up(made.client)
    second = await sign_up(made.client, email=first.email)
    await surfer.log_in(first)
    await surfer.get("/workspaces")
    await surfer.post("/switch", {**surfer.forms["/switch"], "tenant": first.slug})
    before = surfer.token or ""
    await surfer.get("/workspaces")
    switched = await surfer.post("/switch", {**surfer.forms["/switch"], "tenant": second.slug})
    assert switched.headers["location"] == f"/w/{second.slug}"
    told = expect(await made.client.get("/api/me", headers=bearer(surfer.token or "")), 200)
    assert told["tenant"]["slug"] == second.slug
    await until_refused(made.client, before)


async def test_a_stranger_s_workspace_can_t_be_switched_to(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    other = await sign_up(made.client)
    await surfer.log_in(shop)
    token = surfer.token
    await surfer.get("/workspaces")
    form = {"_csrf_token": surfer.forms["/logout"]["_csrf_token"]}
    refused = await surfer.post("/switch", {**form, "tenant": other.slug})
    missing = await surfer.post("/switch", {**form, "tenant": "no-such-workspace"})
    assert refused.status_code == missing.status_code == 404
    assert surfer.token == token


async def test_what_no_address_can_hold_is_no_failure_of_ours(
    surfer: Surfer, shop: Customer
) -> None:
    live = {"Accept": "text/event-stream", "Referer": "http://[::1"}
    over = await surfer.get(f"/w/{shop.slug}", headers=live)
    assert over.text == "event: end\ndata: /\n\n"
    await surfer.log_in(shop)
    for slug in ("%E2%98%83", "%0d%0aX-A:%20b", "a%00b", "%ff"):
        assert (await surfer.get(f"/w/{slug}/keys")).status_code == 404


async def test_an_unknown_page_is_a_page_for_browsers_and_a_document_for_programs(
    made: GatewayWorld, surfer: Surfer
) -> None:
    answer = await surfer.get("/no/such/page")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    told = await made.client.get("/no/such/page")
    assert told.headers["content-type"] == "application/problem+json"
    api = await made.client.get("/api/nothing", headers={"Accept": "text/html"})
    assert api.headers["content-type"] == "application/problem+json"


async def test_a_dead_session_s_cookie_is_taken_away(surfer: Surfer, shop: Customer) -> None:
    surfer.cookies[SESSION_COOKIE] = shop.token[:-1] + ("a" if shop.token[-1] != "a" else "b")
    answer = await surfer.get("/workspaces")
    assert answer.headers["location"].startswith("/login?")
    assert surfer.token is None
    await surfer.get("/login")
    assert "session has ended" in surfer.text


async def test_assets_are_kept_for_ever_because_their_address_changes(surfer: Surfer) -> None:
    page = await surfer.get("/pricing")
    path = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "?v=" in path
    asset = await surfer.get(path)
    assert asset.status_code == 200
    assert "immutable" in asset.headers["cache-control"]
