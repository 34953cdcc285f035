"""A trial in a real browser: a window of its own goes to the provider and back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient
from playwright.async_api import async_playwright

from deploy.stack.ports import free_port
from tests.gateways import GatewayWorld, expect, gateway_world, sign_up
from tests.sso.conftest import plans
from tests.sso.provider import CLIENT_ID, SECRET, Provider
from tests.web.browser.conftest import ARGUMENTS, CHROMIUM
from tests.web.browser.people import Person
from tests.worlds import Clusters


@pytest.fixture
async def site(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    port = free_port()
    changes = {"base_domain": f"localhost:{port}", "sign_on_private": "allow"}
    async with gateway_world(clusters, changes=changes, plans=plans(), port=port) as built:
        yield built


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} isn't installed")
async def test_an_owner_sees_a_trial_in_a_window_of_its_own(
    site: GatewayWorld, provider: Provider
) -> None:
    origin = f"http://{site.settings.base_domain}"
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        shop = await sign_up(client)
        async with site.platform.catalog.connection() as connection:
            await connection.execute(
                "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", shop.email
            )
        body = {
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "email_domains": [f"{shop.slug}.example"],
        }
        expect(await client.put("/api/sso", json=body, headers=shop.headers), 200)
    provider.redirect, provider.person = f"{origin}/login/sso/return", shop.email
    provider.claims = {"groups": ["sales"], "name": "Ann"}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(ARGUMENTS)
        )
        async with Person.at(browser, site, others=(provider.issuer,)) as person:
            await person.log_in(shop.email)
            await person.open(f"/w/{shop.slug}/security")
            token = await person.token()
            button = person.page.get_by_role("button", name="Try it in a new window", exact=True)
            async with person.page.expect_popup() as opened:
                await button.click()
            window = await opened.value
            await window.wait_for_url(f"{origin}/w/{shop.slug}/security/trial")
            assert "it works" in await window.inner_text("main")
            assert '["sales"]' in await window.inner_text("main")
            assert await person.token() == token
            await person.open(f"/w/{shop.slug}/security")
            assert await person.faults() == []
            await person.open(f"/w/{shop.slug}/security/trial")
            assert await person.faults() == []
        await browser.close()
