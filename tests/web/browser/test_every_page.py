"""Every page, light, dark and on a phone: axe-core finds nothing, and nothing leaves the host."""

from __future__ import annotations

from tests.gateways import Customer
from tests.web.browser.people import Person

OF_NOBODY = (
    "/",
    "/pricing",
    "/login",
    "/login/sso",
    "/signup?plan=pro",
    "/verify",
    "/reset",
    "/invitation",
    "/mailbox",
    "/no/such/page",
)
OF_AN_ACCOUNT = (
    "/workspaces",
    "/account",
    "/account/password",
    "/account/email",
    "/account/passkeys",
    "/verify",
)
OF_A_WORKSPACE = (
    "",
    "/members",
    "/roles",
    "/keys",
    "/domains",
    "/data",
    "/data/delete",
    "/billing",
    "/audit",
    "/security",
    "/access",
    "/nothing-here",
)
OF_AN_UPGRADE = ("/location", "/general", "/welcome", "/upgrade/return?plan=pro")
OF_THE_CONSOLE = (
    "/sales",
    "/sales/new",
    "/console",
    "/console/tenants",
    "/console/search?q=nothing-like-it",
    "/console/moves",
    "/console/migrations",
    "/console/clusters",
    "/console/neighbours",
    "/console/isolation",
    "/console/inbox",
    "/console/access",
    "/console/audit",
    "/console/audit/verify",
)


async def assert_fit(person: Person, path: str) -> None:
    """See one page as everybody does: wide and narrow, by day and by night, by eye and by ear."""
    status = await person.open(path)
    assert status in {200, 404}, (path, status)
    assert await person.faults() == [], path


async def test_what_anybody_sees(nobody: Person) -> None:
    for path in OF_NOBODY:
        await assert_fit(nobody, path)


async def test_what_an_owner_sees(owner: Person, shop: Customer) -> None:
    pages = (*OF_A_WORKSPACE, *OF_AN_UPGRADE)
    of_nobody_else = (*OF_AN_ACCOUNT, "/onboarding/workspace")
    for path in (*of_nobody_else, *(f"/w/{shop.slug}{each}" for each in pages)):
        await assert_fit(owner, path)


async def test_what_an_operator_sees(operator: Person, shop: Customer) -> None:
    tenant = f"/console/tenants/{shop.slug}"
    for path in (*OF_THE_CONSOLE, tenant, f"{tenant}/data"):
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
