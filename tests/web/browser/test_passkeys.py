"""Passkeys in a browser that has an authenticator: added by one click, and the only way back in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from httpx import AsyncClient
from playwright.async_api import Browser, CDPSession

from tests.gateways import Customer, GatewayWorld, sign_up
from tests.web.browser.people import Person


@contextlib.asynccontextmanager
async def device(person: Person) -> AsyncGenerator[CDPSession]:
    """A phone's own authenticator, as the browser sees one, whose person confirms at once."""
    told = await person.page.context.new_cdp_session(person.page)
    await told.send("WebAuthn.enable")  # pyright: ignore[reportUnknownMemberType]  # bare dicts
    kind: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await told.send("WebAuthn.addVirtualAuthenticator", {"options": kind})  # pyright: ignore[reportUnknownMemberType]  # as above
    yield told
    await told.detach()


async def confirmed(site: GatewayWorld) -> Customer:
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        owner = await sign_up(client)
    async with site.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", owner.email
        )
    return owner


async def test_a_passkey_is_added_by_a_click_and_logs_in_by_another(
    browser: Browser, site: GatewayWorld
) -> None:
    owner = await confirmed(site)
    async with Person.at(browser, site) as person, device(person):
        await person.log_in(owner.email)
        await person.open("/account/passkeys")
        await person.page.fill("#name", "my phone")
        await person.press("Add a passkey")
        await person.page.get_by_text("From now on my phone opens your account.").wait_for()
        assert await person.faults() == []
        # The device has one for this account now.
        await person.page.fill("#name", "my phone again")
        await person.page.get_by_role("button", name="Add a passkey").click()
        await person.page.get_by_text("No passkey was made").wait_for()
        before = await person.token()
        async with person.page.expect_navigation():
            await person.page.get_by_role("button", name="Log out").click()
        await person.open("/login?next=/account/passkeys")
        await person.press("Log in with a passkey")
        assert person.page.url.endswith("/account/passkeys")
        assert await person.token() != before
        await person.page.get_by_role("button", name="Remove my phone").click()
        await person.page.get_by_text("You have none yet").wait_for()


async def test_a_device_without_a_passkey_of_ours_says_so(
    browser: Browser, site: GatewayWorld
) -> None:
    async with Person.at(browser, site) as person, device(person):
        await person.open("/login")
        await person.page.get_by_role("button", name="Log in with a passkey").click()
        await person.page.locator("[data-passkey-said]", has_text="No passkey was used").wait_for()
        assert await person.faults() == []
