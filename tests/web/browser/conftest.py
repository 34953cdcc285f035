"""A real browser on a real site; whoever leaves the host, or breaks the page's policy, fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx import AsyncClient
from playwright.async_api import Browser, async_playwright

from deploy.stack.ports import free_port
from tests.domains.name_server import NameServer, name_server
from tests.gateways import Customer, GatewayWorld, gateway_world, sign_up
from tests.plans import roomy_plans
from tests.web.browser.people import Person, staff
from tests.worlds import Clusters

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} isn't installed")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(ARGUMENTS)
        )
        yield launched
        await launched.close()


@pytest.fixture(scope="package")
async def names() -> AsyncIterator[NameServer]:
    async with name_server() as server:
        yield server


@pytest.fixture(scope="package")
async def site(
    clusters: Clusters, names: NameServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GatewayWorld]:
    port = free_port()
    # Browsers keep Secure cookies of this name alone without TLS.
    changes = {
        "base_domain": f"localhost:{port}",
        "mailbox_dir": str(tmp_path_factory.mktemp("mail")),
        "dns_servers": names.address,
        "archive_dir": str(tmp_path_factory.mktemp("archives")),
    }
    async with gateway_world(clusters, changes=changes, plans=roomy_plans(), port=port) as built:
        yield built


@pytest.fixture(scope="package")
async def shop(site: GatewayWorld) -> Customer:
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        return await sign_up(client)


@pytest.fixture
async def owner(browser: Browser, site: GatewayWorld, shop: Customer) -> AsyncIterator[Person]:
    async with Person.at(browser, site) as person:
        await person.log_in(shop.email)
        yield person


@pytest.fixture
async def operator(browser: Browser, site: GatewayWorld) -> AsyncIterator[Person]:
    async with Person.at(browser, site) as person:
        await person.log_in(await staff(site, "operator"))
        yield person


@pytest.fixture
async def nobody(browser: Browser, site: GatewayWorld) -> AsyncIterator[Person]:
    async with Person.at(browser, site) as person:
        yield person
