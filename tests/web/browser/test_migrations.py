"""A migration in the console, by a real browser: begun, watched as it happens, held and ended."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from deploy.operations import make_runner
from tests.gateways import GatewayWorld
from tests.web.browser.people import Person
from tests.web.browser.test_every_page import assert_fit

SHOWN_MS_MAX = 60_000


async def begin(operator: Person) -> str:
    """Begin one by the form; returns its page's address."""
    await operator.open("/console/migrations")
    await operator.page.fill("#reason", "a new revision")
    await operator.press("Begin the migration")
    return operator.page.url.removeprefix(operator.origin)


@pytest.mark.usefixtures("shop")
async def test_a_migration_is_begun_held_and_ended_by_clicks(operator: Person) -> None:
    path = await begin(operator)
    await assert_fit(operator, path)
    await assert_fit(operator, f"{path}/places")
    await operator.open(path)
    await operator.page.fill("#reason-pause", "wait")
    await operator.press("Pause the migration")
    await assert_fit(operator, path)
    await operator.page.fill("#confirm", "cancel")
    await operator.page.fill("#reason-cancel", "enough")
    await operator.press("Cancel the migration")
    assert await operator.page.locator(".badge", has_text="cancelled").count() == 1
    await assert_fit(operator, "/console/migrations")


async def test_a_page_that_is_open_sees_the_end_without_being_asked_again(
    operator: Person, site: GatewayWorld
) -> None:
    await begin(operator)
    assert await operator.page.locator("[data-live]").count() == 1
    stop, runner = asyncio.Event(), make_runner(site.platform, CollectorRegistry())
    working = asyncio.create_task(runner.run_forever(stop))
    try:
        done = operator.page.locator(".badge.good", has_text="done")
        await done.wait_for(timeout=SHOWN_MS_MAX)
        await operator.page.locator("[data-live]").wait_for(state="detached", timeout=SHOWN_MS_MAX)
    finally:
        stop.set()
        await working
