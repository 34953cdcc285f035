"""An operator's afternoon by a real browser: a move foreseen, begun, watched and undone."""

from __future__ import annotations

import asyncio

from httpx import AsyncClient
from prometheus_client import CollectorRegistry

from deploy.operations import make_runner
from router.catalog import loads
from router.catalog.loads import Load
from tests.gateways import Customer, GatewayWorld, sign_up
from tests.web.browser.people import Person
from tests.web.browser.test_every_page import assert_fit

SHOWN_MS_MAX = 60_000


async def test_a_move_is_foreseen_begun_watched_and_undone_by_clicks(
    operator: Person, site: GatewayWorld
) -> None:
    # Not everybody's shop: this one keeps a pin.
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        shop = await sign_up(client)
    page = operator.page
    await operator.open(f"/console/tenants/{shop.slug}/placement")
    await page.locator("summary", has_text="Move it").click()
    await page.select_option("#tier", "schema")
    await page.fill("#reason-move", "a try")
    await operator.press("Show what it would do")
    assert await page.get_by_role("heading", name="What it would do").is_visible()
    assert await operator.faults() == []
    await operator.press("Begin the move")
    assert await page.locator("[data-live]").count() == 1
    stop, runner = asyncio.Event(), make_runner(site.platform, CollectorRegistry())
    working = asyncio.create_task(runner.run_forever(stop))
    try:
        # The page that is open comes by itself to what may be done now.
        undo = page.get_by_role("button", name="Undo the move")
        await undo.wait_for(timeout=SHOWN_MS_MAX)
        await page.fill("#reason-undo", "only a try")
        await operator.press("Undo the move")
        undone = page.locator(".badge", has_text="undone")
        await undone.first.wait_for(timeout=SHOWN_MS_MAX)
    finally:
        stop.set()
        await working
    await operator.open(f"/console/tenants/{shop.slug}/placement")
    assert "rows" in await page.locator("dl.facts", has_text="Epoch").inner_text()


async def test_a_move_is_held_paused_resumed_and_cut_over_by_clicks(
    operator: Person, site: GatewayWorld
) -> None:
    async with AsyncClient(base_url=site.gateways[0].url, timeout=60) as client:
        shop = await sign_up(client)
    page = operator.page
    await operator.open(f"/console/tenants/{shop.slug}/placement")
    await page.locator("summary", has_text="Move it").click()
    await page.select_option("#tier", "schema")
    await page.check("#hold")
    await page.fill("#reason-move", "on Sunday")
    await operator.press("Begin the move")
    stop, runner = asyncio.Event(), make_runner(site.platform, CollectorRegistry())
    working = asyncio.create_task(runner.run_forever(stop))
    try:
        # What is shown comes by itself to where somebody is to say the word.
        waits = page.get_by_text("Waits for its cut-over")
        await waits.wait_for(timeout=SHOWN_MS_MAX)
        await page.fill("#reason-pace", "it is Saturday")
        await operator.press("Pause the move")
        await page.locator(".badge", has_text="paused").first.wait_for(timeout=SHOWN_MS_MAX)
        assert await operator.faults() == []
        await page.fill("#reason-pace", "it goes on")
        await operator.press("Resume the move")
        await waits.wait_for(timeout=SHOWN_MS_MAX)
        await page.fill("#reason-pace", "it is Sunday")
        await operator.press("Cut over now")
        undo = page.get_by_role("button", name="Undo the move")
        await undo.wait_for(timeout=SHOWN_MS_MAX)
    finally:
        stop.set()
        await working
    await operator.open(f"/console/tenants/{shop.slug}/placement")
    assert "schema" in await page.locator("dl.facts", has_text="Epoch").inner_text()


async def test_the_plot_of_the_neighbours_is_read_by_everybody(
    operator: Person, site: GatewayWorld, shop: Customer
) -> None:
    async with site.platform.catalog.connection() as connection:
        load = Load(tenant_id=shop.id, requests=9, busy_ms=70, waiting_ms=5)
        await loads.add(connection, [load])
    await assert_fit(operator, "/console/neighbours")
    assert await operator.page.get_by_role("img").count() == 1
