"""The pages of staff's access: who asks, who approves, what is seen, and what the tenant sees."""

from __future__ import annotations

import uuid

import pytest

from tests.gateways import Customer, GatewayWorld, expect, sign_up
from tests.web.surfing import Surfer
from tests.web.test_console import staff
from web.entered import ACCESS_COOKIE

ROOT = "/console/access"


@pytest.fixture(scope="module")
async def ada(made: GatewayWorld) -> Surfer:
    return await staff(made, "operator")


@pytest.fixture(scope="module")
async def bob(made: GatewayWorld) -> Surfer:
    return await staff(made, "operator")


@pytest.fixture(scope="module")
async def observer(made: GatewayWorld) -> Surfer:
    return await staff(made, "observer")


async def asked(surfer: Surfer, shop: Customer, mode: str = "read") -> str:
    """Ask by the form; returns the page of what was asked for."""
    await surfer.get(ROOT)
    fields = {
        "slug": shop.slug,
        "mode": mode,
        "ticket": "T-1",
        "minutes": "15",
        "reason": "totals are wrong",
    }
    answer = await surfer.submit(ROOT, fields)
    assert answer.status_code == 303, answer.text
    where = str(answer.headers["location"])
    await surfer.get(where)
    return where


async def entered(surfer: Surfer, where: str) -> None:
    answer = await surfer.submit(f"{where}/enter", {"reason": "to look"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{where}/rows")
    assert ACCESS_COOKIE in surfer.cookies
    await surfer.get(f"{where}/rows")


async def test_to_whom_it_is_none_of_their_business_it_is_not_there(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    for path in (ROOT, "/console/audit/verify"):
        assert (await surfer.get(path)).status_code == 404
    sales = await staff(made, "sales")
    assert (await sales.get(ROOT)).status_code == 200
    assert ROOT not in sales.forms or "slug" not in sales.forms[ROOT]
    token = sales.forms["/logout"]["_csrf_token"]
    refused = await sales.post(ROOT, {"_csrf_token": token, "slug": shop.slug, "reason": "x"})
    assert refused.status_code == 403


async def test_an_observer_reads_under_a_banner_and_ends_it(
    made: GatewayWorld, observer: Surfer
) -> None:
    shop = await sign_up(made.client)
    where = await asked(observer, shop)
    assert "totals are wrong" in observer.text
    await entered(observer, where)
    assert f"You have access to the rows of {shop.slug} until" in observer.text
    answer = await observer.get(f"{where}/rows?path=/artists?limit=5")
    assert answer.status_code == 200
    assert '"items": []' in observer.text
    assert f"{where}/rows/change" not in observer.forms
    await observer.get("/console")
    assert f"You have access to the rows of {shop.slug}" in observer.text
    owner = Surfer(made.client)
    await owner.log_in(shop)
    await owner.get(f"/w/{shop.slug}")
    assert "of our staff may read the rows of this workspace until" in owner.text
    assert "totals are wrong (T-1)" in owner.text
    await owner.get(f"/w/{shop.slug}/access")
    assert "active" in owner.text
    await owner.get(f"/w/{shop.slug}/access/{where.rpartition('/')[2]}")
    assert "GET /artists?limit" in owner.text
    assert "SELECT" in owner.text
    assert (await owner.get(f"/w/{shop.slug}/access/{uuid.uuid4()}")).status_code == 404
    await owner.get(f"/w/{shop.slug}/audit?staff=yes")
    assert "access.begin" in owner.text
    assert "GET /artists?limit" in owner.text
    assert "session.open" not in owner.text
    await observer.get(where)
    assert "GET /artists?limit" in observer.text
    assert "SELECT" in observer.text
    ended = await observer.submit(f"{where}/end", {"reason": "seen enough"})
    assert ended.status_code == 303
    assert ACCESS_COOKIE not in observer.cookies
    await observer.get(where)
    assert "ended" in observer.text
    assert "You have access" not in observer.text
    trail = expect(await made.client.get("/api/audit", headers=shop.headers), 200)["items"]
    assert "GET /artists?limit" in str(trail)
    await owner.get(f"/w/{shop.slug}")
    assert "of our staff may" not in owner.text


async def test_a_second_person_lets_the_first_one_write(
    made: GatewayWorld, ada: Surfer, bob: Surfer
) -> None:
    shop = await sign_up(made.client)
    where = await asked(ada, shop, "write")
    assert set(ada.forms) & {f"{where}/{act}" for act in ("approve", "enter", "end")} == {
        f"{where}/end"
    }
    await bob.get(where)
    unsaid = await bob.submit(f"{where}/approve", {"reason": " "})
    assert unsaid.status_code == 422
    assert "Say why" in bob.text
    assert (await bob.submit(f"{where}/approve", {"reason": "go on"})).status_code == 303
    await ada.get(where)
    await entered(ada, where)
    change = {"method": "POST", "path": "/artists", "body": '{"name": "mended"}'}
    filled = {**ada.forms[f"{where}/rows/change"], **change}
    for _ in range(2):
        answer = await ada.post(f"{where}/rows/change", filled)
        assert answer.status_code == 200, answer.text
        assert "mended" in ada.text
    listed = expect(await made.client.get("/artists", headers=shop.headers), 200)["items"]
    assert [each["name"] for each in listed] == ["mended"]
    await bob.get(where)
    await bob.submit(f"{where}/end", {"reason": "enough"})
    late = await ada.get(f"{where}/rows?path=/artists")
    assert (late.status_code, late.headers["location"]) == (303, where)
    assert ACCESS_COOKIE not in ada.cookies


async def test_each_field_says_what_is_wrong_and_keeps_what_was_typed(
    ada: Surfer, shop: Customer
) -> None:
    await ada.get(ROOT)
    typed = {"slug": shop.slug, "ticket": "T-9", "minutes": "900", "reason": "too long"}
    answer = await ada.submit(ROOT, typed)
    assert answer.status_code == 422
    assert "1 to 60 minutes" in ada.text
    assert ada.forms[ROOT]["ticket"] == "T-9"
    answer = await ada.submit(ROOT, {**typed, "minutes": "soon"})
    assert answer.status_code == 422
    answer = await ada.submit(ROOT, {**typed, "slug": "no-such-tenant", "minutes": "5"})
    assert answer.status_code == 422
    where = await asked(ada, shop)
    await entered(ada, where)
    for path in ("//elsewhere.example/x", "artists", "/artists%0a"):
        page = await ada.get(f"{where}/rows?path={path}")
        assert page.status_code in {404, 422}, path
    fields = {"method": "GET", "path": "x", "body": "{"}
    await ada.get(f"{where}/rows")
    reading = await ada.post(f"{where}/rows/change", {**ada.forms["/logout"], **fields})
    assert reading.status_code == 422
    await ada.get(where)
    await ada.submit(f"{where}/end", {"reason": "done"})


async def test_a_cookie_that_is_none_of_ours_opens_nothing(
    observer: Surfer, shop: Customer
) -> None:
    where = await asked(observer, shop)
    access_id = where.rpartition("/")[2]
    for cookie in (
        "x",
        f"{access_id}.{shop.slug}.99999999999.nothing",
        f"{access_id}.{shop.slug}.99999999999999999999.stw_a_{'A' * 43}",
        f"no-uuid.{shop.slug}.9999999999.stw_a_{'A' * 43}",
        f"{access_id}.{shop.slug}.1.stw_a_{'A' * 43}",
    ):
        observer.cookies[ACCESS_COOKIE] = cookie
        assert (await observer.get(f"{where}/rows")).status_code == 303, cookie
    observer.cookies[ACCESS_COOKIE] = f"{access_id}.{shop.slug}.9999999999.stw_a_{'A' * 43}"
    answer = await observer.get(f"{where}/rows?path=/artists")
    assert (answer.status_code, answer.headers["location"]) == (303, where)
    assert ACCESS_COOKIE not in observer.cookies


async def test_the_audit_is_verified_by_a_button(observer: Surfer) -> None:
    await observer.get("/console/audit")
    answer = await observer.get("/console/audit/verify")
    assert answer.status_code == 200
    assert "The audit is whole" in observer.text
    await observer.get(f"/console/audit/verify?expect={'ab' * 32}")
    assert "isn't whole" in observer.text
    assert (await observer.get("/console/audit/verify?expect=x")).status_code == 422
