"""What happens to everybody: twice pressed, gone back, two windows, a session that has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from playwright.async_api import expect

from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    bearer,
    new_slug,
    sign_up,
)
from tests.gateways import expect as answered
from tests.web.browser.people import Person

WAIT_MS_MAX = 60_000


@pytest.fixture(scope="module")
async def api(site: GatewayWorld) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        yield client


@pytest.fixture
async def customer(site: GatewayWorld, api: AsyncClient) -> Customer:
    """An owner whose address is proved."""
    made = await sign_up(api)
    async with site.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", made.email
        )
    return made


async def me(api: AsyncClient, customer: Customer) -> dict[str, Any]:
    return answered(await api.get("/api/me", headers=customer.headers), 200)


async def test_a_second_click_makes_no_second_workspace(
    nobody: Person, api: AsyncClient, customer: Customer
) -> None:
    slug = new_slug("twice")
    await nobody.log_in(customer.email)
    await nobody.open("/onboarding/workspace?plan=starter")
    await nobody.page.fill("#name", slug)
    async with nobody.page.expect_navigation(url=f"**/w/{slug}/welcome"):
        await nobody.page.get_by_role("button", name="Make the workspace").dblclick()
    told = await me(api, customer)
    assert sorted(each["slug"] for each in told["tenants"]) == sorted([slug, customer.slug])


async def test_an_address_is_looked_for_while_it_is_typed(
    nobody: Person, customer: Customer
) -> None:
    await nobody.log_in(customer.email)
    await nobody.open("/onboarding/workspace")
    said = nobody.page.locator("[data-checked=slug]")
    for typed, part in (("admin", "is reserved"), (new_slug("free"), "is free")):
        await nobody.page.fill("#slug", typed)
        await expect(said).to_contain_text(part, timeout=WAIT_MS_MAX)


async def test_the_same_form_in_two_windows_is_done_once(
    nobody: Person, api: AsyncClient, customer: Customer
) -> None:
    slug = new_slug("windows")
    await nobody.log_in(customer.email)
    other = await nobody.page.context.new_page()
    for page in (nobody.page, other):
        await page.goto(f"{nobody.origin}/onboarding/workspace?plan=starter")
        await page.fill("#name", slug)
    await nobody.press("Make the workspace")
    assert nobody.page.url.endswith(f"/w/{slug}/welcome")
    await other.get_by_role("button", name="Make the workspace").click()
    await expect(other.locator("#slug-wrong")).to_contain_text("is taken", timeout=WAIT_MS_MAX)
    assert await other.input_value("#name") == slug
    assert len((await me(api, customer))["tenants"]) == 2


async def test_going_back_shows_what_holds_and_saves_it_once_more(
    nobody: Person, api: AsyncClient, customer: Customer
) -> None:
    await nobody.log_in(customer.email)
    await nobody.open(f"/w/{customer.slug}/general")
    for name in ("First name", "Second name"):
        await nobody.page.fill("#name", name)
        await nobody.press("Save")
        await nobody.open(f"/w/{customer.slug}")
        await nobody.page.go_back()
        await expect(nobody.page.locator("#name")).to_have_value(name, timeout=WAIT_MS_MAX)
    assert (await me(api, customer))["tenants"][0]["name"] == "Second name"


async def test_a_session_that_has_ended_leads_to_the_log_in_and_nothing_is_done(
    nobody: Person, api: AsyncClient, customer: Customer
) -> None:
    await nobody.log_in(customer.email)
    await nobody.open(f"/w/{customer.slug}/general")
    await nobody.page.fill("#name", "Never saved")
    ended = await api.post("/api/logout", headers=bearer(await nobody.token()))
    assert ended.is_success
    await nobody.press("Save")
    assert "/login" in nobody.page.url
    assert (await me(api, customer))["tenants"][0]["name"] == customer.slug
    await nobody.page.fill("#email", customer.email)
    await nobody.page.fill("#password", PASSWORD)
    await nobody.press("Log in")
    assert "/login" not in nobody.page.url


async def test_one_switches_to_another_workspace_and_back_by_its_link(
    nobody: Person, api: AsyncClient, customer: Customer
) -> None:
    other = await sign_up(api, email=customer.email)
    await nobody.log_in(customer.email)
    await nobody.open("/workspaces")
    await nobody.press(f"Switch to {other.slug}")
    assert nobody.page.url == f"{nobody.origin}/w/{other.slug}"
    await nobody.open(f"/w/{customer.slug}/location")
    await nobody.press(f"Switch to {customer.slug}")
    assert nobody.page.url == f"{nobody.origin}/w/{customer.slug}/location"
