"""Every page, light, dark and on a phone: axe-core finds nothing, and nothing leaves the host."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from tests.gateways import Customer, GatewayWorld, ops, sign_up
from tests.web.addresses import Who, addresses, make_move, make_things
from tests.web.browser.people import Person

#: Pages that answer all the same to who isn't looked for there.
ABSENT = "/no/such/page"


@pytest.fixture(scope="module")
async def things(site: GatewayWorld, shop: Customer) -> dict[str, str]:
    """One of each thing that has a page."""
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        # Not everybody's shop: a tenant that is to move says so on all its pages.
        moved = await sign_up(client)
        move_id = await make_move(client, moved.slug, operator=ops())
        made = await make_things(client, shop.slug, operator=ops(), owner=shop.headers)
    return {**made, "moves": move_id, "operations": move_id}


async def assert_fit(person: Person, path: str) -> None:
    """See one page as everybody does: wide and narrow, by day and by night, by eye and by ear."""
    status = await person.open(path)
    assert status in {200, 404}, (path, status)
    assert person.page.url == person.origin + path, f"{path} leads elsewhere"
    assert await person.faults() == [], path


async def test_what_anybody_sees(nobody: Person, things: dict[str, str]) -> None:
    for path in (*addresses(Who.NOBODY, things), ABSENT):
        await assert_fit(nobody, path)


async def test_what_an_owner_sees(owner: Person, things: dict[str, str]) -> None:
    absent = f"/w/{things['w']}/nothing-here"
    for path in (*addresses(Who.OWNER, things), "/verify", absent):
        await assert_fit(owner, path)


async def test_what_an_operator_sees(operator: Person, things: dict[str, str]) -> None:
    counted = f"/console/tenants/{things['tenants']}/data?counted=true"
    for path in (*addresses(Who.OPERATOR, things), counted):
        await assert_fit(operator, path)


async def test_a_page_with_a_fault_would_be_found(nobody: Person) -> None:
    await nobody.open("/login")
    await nobody.page.evaluate("document.querySelector('label[for=email]').remove()")
    assert any(each.startswith("label (light):") for each in await nobody.faults())


async def test_a_request_to_another_host_would_be_found(nobody: Person) -> None:
    await nobody.open("/login")
    await nobody.page.evaluate("new Image().src = 'http://elsewhere.example/'")
    await nobody.page.wait_for_function("performance.now() > 0")
    assert any("elsewhere.example" in each for each in nobody.offences)
    nobody.offences.clear()


async def test_a_second_click_sends_a_form_once(nobody: Person) -> None:
    await nobody.open("/login")
    await nobody.page.fill("#email", "nobody@nowhere.example")
    await nobody.page.fill("#password", "whatever it is")
    sent: list[str] = []
    nobody.page.on("request", lambda request: sent.append(request.method))
    async with nobody.page.expect_navigation():
        await (
            nobody.page.locator("main").get_by_role("button", name="Log in", exact=True).dblclick()
        )
    assert sent.count("POST") == 1
    assert await nobody.page.input_value("#email") == "nobody@nowhere.example"
    assert await nobody.page.input_value("#password") == ""
