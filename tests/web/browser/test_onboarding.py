"""Sales bring an enterprise in by clicks, while its people work in their trial."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from httpx import AsyncClient
from playwright.async_api import Browser, expect
from prometheus_client import CollectorRegistry

from deploy.operations import make_runner
from tests.gateways import Customer, GatewayWorld, new_slug, sign_up
from tests.web.browser.people import Person, staff

WAIT_MS = 90_000.0


@pytest.fixture
async def seller(browser: Browser, site: GatewayWorld) -> AsyncIterator[Person]:
    async with Person.at(browser, site) as person:
        await person.log_in(await staff(site, "sales"))
        yield person


@contextlib.asynccontextmanager
async def working(site: GatewayWorld) -> AsyncGenerator[None]:
    """Let a worker's runner work meanwhile."""
    stop = asyncio.Event()
    runner = make_runner(site.platform, CollectorRegistry())
    task = asyncio.get_running_loop().create_task(runner.run_forever(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def fill(person: Person, **fields: str) -> None:
    for name, value in fields.items():
        await person.page.fill(f"#{name}", value)


async def assert_fit(person: Person) -> None:
    """Nothing is wrong with the page as it stands, for eyes, ears and phones."""
    assert await person.faults() == []


async def drafted(person: Person, workspace: str) -> None:
    """Fill in draft and contract."""
    await person.open("/sales")
    await assert_fit(person)
    await person.page.get_by_role("link", name="New onboarding").last.click()
    await fill(person, name="Acme Records", due_on="2099-01-01", reason="offer 17")
    await fill(person, workspace=workspace)
    await person.press("Begin the draft")
    await assert_fit(person)
    await person.press("Save and go on")
    await expect(person.page.locator("#legal_name-wrong")).to_contain_text("legal entity")
    await assert_fit(person)
    await fill(person, legal_name="Acme Records GmbH", address="Ringstraße 1")
    await fill(person, owner_email="boss@acme.example", billing_email="bills@acme.example")
    await person.press("Save and go on")
    await assert_fit(person)
    await fill(person, starts_on="2026-01-01", ends_on="2099-12-31", seats="40", amount="1200000")
    await person.press("Save and go on")


async def test_a_trial_is_brought_from_draft_to_live(seller: Person, site: GatewayWorld) -> None:
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        trial: Customer = await sign_up(client)
        await drafted(seller, trial.slug)
        await assert_fit(seller)
        await seller.page.select_option("#cluster", "dedicated-1")
        await seller.press("Save and go on")
        await assert_fit(seller)
        await seller.press("Save and begin")
        await assert_fit(seller)
        async with working(site):
            go_on = seller.page.get_by_role("button", name="Go on to the acceptance")
            await expect(go_on).to_be_visible(timeout=WAIT_MS)
            await assert_fit(seller)
            await fill(seller, **{"reason-advance": "it has arrived"})
            await seller.press("Go on to the acceptance")
            await fill(seller, **{"reason-check": "the customer waits"})
            await seller.press("Run the checks")
            await expect(seller.page.get_by_role("button", name="Go live")).to_be_visible(
                timeout=WAIT_MS
            )
        await expect(seller.page.locator("main")).to_contain_text("backup and restore")
        await assert_fit(seller)
        async with seller.page.expect_download() as fetched:
            await seller.page.get_by_role("link", name="Receipt for the customer").click()
        assert (await fetched.value).suggested_filename == f"acceptance-{trial.slug}.json"
        await fill(seller, **{"reason-advance": "signed"})
        await seller.press("Go live")
        await expect(seller.page.locator("main")).to_contain_text("tier database on dedicated-1")
        await assert_fit(seller)
        answer = await client.get("/artists", headers=trial.headers)
        assert answer.status_code == 200


async def test_a_server_of_loopback_is_refused_by_the_page(seller: Person) -> None:
    await drafted(seller, "")
    await seller.page.select_option("#kind", "own")
    await fill(seller, own_cluster=new_slug("own"), region="theirs", host="127.1")
    await fill(seller, user="admin", password="typed once")
    await seller.press("Save and go on")
    await expect(seller.page.locator("#host-wrong")).to_contain_text("can't be taken")
    assert await seller.page.input_value("#host") == "127.1"
    assert await seller.page.input_value("#password") == ""
    await assert_fit(seller)
