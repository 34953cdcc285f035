"""Break-glass in a real browser: asked for, approved, entered, seen by the tenant, ended."""

from __future__ import annotations

from httpx import AsyncClient
from playwright.async_api import Browser

from tests.gateways import GatewayWorld, sign_up
from tests.web.browser.people import Person, staff

WHY = "the totals of June are wrong"


async def test_a_break_glass_session_is_seen_by_the_tenant(
    browser: Browser, site: GatewayWorld
) -> None:
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        shop = await sign_up(client)
    async with (
        Person.at(browser, site) as ada,
        Person.at(browser, site) as bob,
        Person.at(browser, site) as owner,
    ):
        await ada.log_in(await staff(site, "operator"))
        await bob.log_in(await staff(site, "operator"))
        await owner.log_in(shop.email)
        where = await ask(ada, shop.slug)
        await approve(bob, where)
        await enter(ada, where, shop.slug)
        await mend(ada)
        await owner.open(f"/w/{shop.slug}")
        await says(owner, "of our staff may read and write the rows of this workspace", WHY)
        await fit(owner)
        await owner.open(f"/w/{shop.slug}/audit?staff=yes")
        await says(owner, "access.ask", "access.approve", "access.begin", "POST /artists")
        await fit(owner)
        await owner.open(f"/w/{shop.slug}/access")
        await fit(owner)
        await owner.page.locator("td a").first.click()
        await owner.page.get_by_role("heading", name="Access of our staff").wait_for()
        await says(owner, "INSERT INTO", "POST /artists")
        await fit(owner)
        await end(bob, where)
        await ada.open(f"{where}/rows?path=/artists")
        assert ada.page.url == ada.origin + where
        await says(ada, "Ended")
        await owner.open(f"/w/{shop.slug}")
        assert "of our staff" not in await owner.page.inner_text("body")
        await bob.open("/console/audit/verify")
        await says(bob, "The audit is whole")
        await fit(bob)


async def ask(person: Person, slug: str) -> str:
    """Ask to write by the console's form; returns where it is approved, entered and ended."""
    await person.open("/console/access")
    await fit(person)
    await person.page.locator("summary").click()
    await person.page.fill("#slug", slug)
    await person.page.select_option("#mode", "write")
    await person.page.fill("#ticket", "T-4711")
    await person.page.fill("#minutes", "15")
    await person.page.fill("#reason", WHY)
    await person.press("Ask")
    await says(person, "Another operator has to approve it now.")
    return person.page.url.removeprefix(person.origin)


async def approve(person: Person, where: str) -> None:
    await person.open("/console/access?state=requested")
    await fit(person)
    await person.open(where)
    await person.page.fill("#reason-approve", "I saw the ticket")
    await fit(person)
    await person.press("Approve")


async def enter(person: Person, where: str, slug: str) -> None:
    await person.open(where)
    await person.page.fill("#reason-enter", "to mend the totals")
    await person.press("Enter")
    await says(person, f"You have access to the rows of {slug}")


async def mend(person: Person) -> None:
    """Read, and write."""
    await person.page.fill("#path", "/artists?limit=5")
    await person.press("Read")
    await says(person, '"items": []')
    await person.page.locator("summary").click()
    await fit(person)
    await person.page.fill("#change-path", "/artists")
    await person.page.fill("#body", '{"name": "mended by hand"}')
    await person.press("Change it")
    await says(person, "mended by hand")


async def end(person: Person, where: str) -> None:
    await person.open(where)
    await says(person, "INSERT INTO")
    await fit(person)
    await person.page.fill("#reason-end", "that was all")
    await person.press("End the access")


async def fit(person: Person) -> None:
    """See a page as everybody does: by eye and by ear, by day and by night, on a phone too."""
    assert await person.faults() == [], person.page.url


async def says(person: Person, *texts: str) -> None:
    said = await person.page.inner_text("body")
    for text in texts:
        assert text in said, (person.page.url, text)
