"""Pages for who doesn't point: by keyboard alone, and without anything that moves."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.gateways import PASSWORD, Customer, GatewayWorld
from tests.web.browser.people import Person

#: More than any page here has to stop at.
STOPS_MAX = 80
#: What holds the focus: its name, whether it is in sight, and what is drawn around it.
AT = """() => {
  const at = document.activeElement, box = at.getBoundingClientRect(), look = getComputedStyle(at);
  return {
    name: at === document.body ? "" : (at.id || at.textContent || at.name || at.tagName).trim(),
    seen: box.width > 0 && box.left >= 0 && box.right <= innerWidth && box.bottom > 0
      && box.top < innerHeight,
    ring: look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2,
  };
}"""
MOVING = "document.getAnimations().length"


async def test_the_first_stop_leads_past_the_links_to_the_content(
    owner: Person, shop: Customer
) -> None:
    await owner.open(f"/w/{shop.slug}")
    await owner.page.keyboard.press("Tab")
    first = await owner.page.evaluate(AT)
    assert (first["name"], first["seen"]) == ("Skip to the content", True)
    await owner.page.keyboard.press("Enter")
    assert (await owner.page.evaluate(AT))["name"] == "main"
    await owner.page.keyboard.press("Tab")
    assert await owner.page.evaluate("document.activeElement.closest('main') !== null")


async def test_every_stop_is_seen_and_has_a_ring(owner: Person, shop: Customer) -> None:
    for path in ("", "/members", "/billing"):
        await owner.open(f"/w/{shop.slug}{path}")
        stops: list[str] = []
        for _ in range(STOPS_MAX):
            await owner.page.keyboard.press("Tab")
            at = await owner.page.evaluate(AT)
            if at["name"] == "":
                break
            stops.append(at["name"])
            assert at["seen"], (path, at)
            assert at["ring"], (path, at)
        assert len(stops) < STOPS_MAX
        assert {"Members", "Log out", "Pricing"} <= set(stops)


async def test_one_logs_in_by_keyboard_alone(nobody: Person, shop: Customer) -> None:
    await nobody.open("/login")
    await expect(nobody.page.locator("#email")).to_be_focused()
    keys = nobody.page.keyboard
    await keys.type(shop.email)
    await keys.press("Tab")
    await keys.type(PASSWORD)
    async with nobody.page.expect_navigation():
        await keys.press("Enter")
    assert nobody.page.url.endswith(f"/w/{shop.slug}")


async def test_escape_loses_nothing_that_was_typed(operator: Person) -> None:
    await operator.open("/console/access")
    summary = operator.page.locator("main summary")
    await summary.focus()
    await operator.page.keyboard.press("Enter")
    await operator.page.fill("#ticket", "T-4711")
    await operator.page.keyboard.press("Escape")
    await expect(operator.page.locator("#ticket")).to_be_visible()
    assert await operator.page.input_value("#ticket") == "T-4711"


async def test_what_moves_rests_for_who_asks_for_it(
    browser: Browser, site: GatewayWorld, shop: Customer
) -> None:
    async with Person.at(browser, site) as person:
        await person.log_in(shop.email)
        await person.open(f"/w/{shop.slug}/upgrade/return?plan=pro")
        assert await person.page.evaluate(MOVING) == 0
        await person.page.emulate_media(reduced_motion="no-preference")
        await person.page.wait_for_function(f"{MOVING} > 0")
