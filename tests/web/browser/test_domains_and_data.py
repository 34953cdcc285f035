"""A domain of one's own, and an archive of one's rows, in a real browser."""

from __future__ import annotations

import asyncio
import zipfile

from httpx import AsyncClient
from playwright.async_api import Browser

from deploy.operations import make_runner
from tests.domains.name_server import NameServer
from tests.gateways import Customer, GatewayWorld, bearer, expect, new_slug, sign_up
from tests.web.browser.people import Person

DEADLINE_S = 60.0


async def signed_up(site: GatewayWorld) -> Customer:
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        return await sign_up(client, plan="pro")


async def test_a_domain_is_added_its_record_set_and_the_product_answers_there(
    browser: Browser, site: GatewayWorld, names: NameServer
) -> None:
    customer, name = await signed_up(site), f"{new_slug()}.example.com"
    async with Person.at(browser, site) as person:
        await person.log_in(customer.email)
        await person.open(f"/w/{customer.slug}/domains")
        await person.page.fill("#name", name)
        await person.press("Add the domain")
        where = await person.page.locator("#record-name-1").inner_text()
        value = await person.page.locator("#record-value-1").inner_text()
        await person.press(f"Check {name} now")
        assert await person.page.get_by_text("there is no TXT record").count()
        assert await person.faults() == []
        names.texts[where] = [value]
        await person.press(f"Check {name} now")
        await person.page.get_by_text("the product answers there").wait_for()
        assert await person.faults() == []
    gateway = site.gateways[0]
    async with AsyncClient(base_url=gateway.url, timeout=60) as client:
        headers = {**bearer(customer.key), "Host": f"{name}:{gateway.port}"}
        async with asyncio.timeout(DEADLINE_S):
            while (await client.get("/artists", headers=headers)).status_code != 200:
                await asyncio.sleep(0.05)
        expect(await client.get("/ask", params={"domain": name}), 200)


async def test_an_archive_is_watched_until_it_is_there_and_fetched(
    browser: Browser, site: GatewayWorld
) -> None:
    customer = await signed_up(site)
    runner, stop = make_runner(site.platform), asyncio.Event()
    async with Person.at(browser, site) as person:
        await person.log_in(customer.email)
        await person.open(f"/w/{customer.slug}/data")
        await person.press("Ask for an archive")
        await person.page.get_by_text("An archive waits for a worker").wait_for()
        assert await person.faults() == []
        working = asyncio.create_task(runner.run_forever(stop))
        link = person.page.get_by_role("link", name="Download")
        await link.wait_for(timeout=DEADLINE_S * 1_000)
        stop.set()
        await working
        assert await person.faults() == []
        async with person.page.expect_download() as downloading:
            await link.click()
        download = await downloading.value
        assert download.suggested_filename.startswith(customer.slug)
        with zipfile.ZipFile(await download.path()) as archive:
            assert archive.testzip() is None
        async with person.page.expect_navigation():
            await person.page.get_by_role("link", name="Restore").click()
        assert await person.faults() == []
