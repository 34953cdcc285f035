"""Self-serve by clicks, on a real stack: from the price list to a schema, and to a database.

People write all the while: no request of theirs fails, and no row of theirs is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
from httpx import AsyncClient
from playwright.async_api import Browser, Locator, expect

from deploy import payments
from deploy.stack.ports import LOOPBACK, free_port
from tests.billing.stand_in.running import StandIn, stand_in
from tests.gateways import PASSWORD, GatewayWorld, bearer, gateway_world, make_key, new_slug, ops
from tests.gateways import expect as answered
from tests.plans import roomy_plans
from tests.promotion.traffic import Traffic
from tests.promotion.workers import Nursery, nursery
from tests.proxy import Proxy, proxied
from tests.web.browser.people import Person
from tests.worlds import Clusters

WAIT_MS_MAX = 90_000
WRITERS = 3
ARTISTS = "artist_id,name\n" + "".join(f"{number},Artist {number}\n" for number in range(1, 2_001))


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A site that sells, the provider, and the wire between the site and its people."""

    site: GatewayWorld
    stripe: StandIn
    proxy: Proxy
    api: AsyncClient
    workers: Nursery


@pytest.fixture(scope="module")
async def selling(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        webhook = f"http://{LOOPBACK}:{port}/webhooks/stripe"
        stripe = await stack.enter_async_context(stand_in(webhook))
        proxy = await stack.enter_async_context(proxied(LOOPBACK, port))
        changes = {
            "base_domain": f"localhost:{proxy.address[1]}",
            "stripe_api_key": stripe.api_key,
            "stripe_webhook_secret": stripe.webhook_secret,
            "stripe_api_base": stripe.url,
        }
        site = await stack.enter_async_context(
            gateway_world(clusters, changes=changes, plans=roomy_plans(), port=port)
        )
        provider = payments.make_provider(site.settings)
        assert provider is not None
        await payments.sync_prices(site.platform.catalog, provider)
        await provider.close()
        api = await stack.enter_async_context(
            AsyncClient(base_url=site.gateways[0].url, timeout=60)
        )
        workers = await stack.enter_async_context(nursery(tmp_path_factory.mktemp("workers")))
        yield Shop(site=site, stripe=stripe, proxy=proxy, api=api, workers=workers)


@pytest.fixture
async def ann(browser: Browser, selling: Shop) -> AsyncIterator[Person]:
    async with Person.at(browser, selling.site, others=(selling.stripe.url,)) as person:
        person.page.set_default_timeout(WAIT_MS_MAX)
        yield person


async def test_a_person_buys_a_schema_and_a_database_while_others_write(
    ann: Person, selling: Shop
) -> None:
    slug = await sign_up_for_pro(ann, selling)
    assert await ann.faults() == []
    site, api, main = selling.site, selling.api, ann.page.locator("main")
    traffic = Traffic([api], await stock(api, ann), writers=WRITERS, seed=7)
    async with traffic.flowing():
        await lose_the_connection(ann, selling.proxy)
        worker = await selling.workers.bear(site.settings, {})
        await reads(main, "Pro is all yours")
        await settle(api, slug)
        await worker.stop()
    assert traffic.failures() == []
    assert await traffic.differences() == []
    assert len(traffic.asked) > 0
    await ann.page.get_by_role("link", name="Receipt").click()
    await reads(main, "A schema of its own")
    row = main.locator("tr", has=ann.page.get_by_role("cell", name="artist", exact=True))
    await reads(row, "yes")
    assert await ann.faults() == []
    await put_on_paper(ann, row)

    await cancel_and_go_on(ann, slug)

    path = f"/api/ops/tenants/{slug}/plan"
    answered(await api.post(path, json={"plan": "enterprise"}, headers=ops()), 200)
    body = {"tenant": slug, "tier": "plan"}
    answered(await api.post("/api/ops/moves", json=body, headers=ops()), 202)
    await ann.open(f"/w/{slug}")
    strip = ann.page.get_by_label("Notices")
    await reads(strip, "Waiting for its turn")
    assert await ann.faults() == []
    async with traffic.flowing():
        worker = await selling.workers.bear(site.settings, {})
        await reads(strip, "Your rows are in their new place")
        await worker.stop()
    assert traffic.failures() == []
    assert await traffic.differences() == []
    await strip.get_by_role("link", name="Receipt").click()
    await reads(main, "A database of its own")
    await ann.open(f"/w/{slug}/location")
    await reads(main, "all of them were equal")


async def test_all_of_it_works_without_a_script(browser: Browser, selling: Shop) -> None:
    """The page after paying asks for itself anew until the move is done."""
    others = (selling.stripe.url,)
    async with Person.at(browser, selling.site, others=others, has_script=False) as bob:
        bob.page.set_default_timeout(WAIT_MS_MAX)
        await sign_up_for_pro(bob, selling)
        main = bob.page.locator("main")
        worker = await selling.workers.bear(selling.site.settings, {})
        await reads(main, "Pro is all yours")
        await worker.stop()
        await bob.page.get_by_role("link", name="Receipt").click()
        await reads(main, "A schema of its own")
        await bob.page.get_by_role("button", name="Log out").click()
        await bob.page.get_by_role("link", name="Log in", exact=True).wait_for()


async def reads(place: Locator, text: str) -> None:
    """Wait until a part of the page says so."""
    await expect(place).to_contain_text(text, timeout=WAIT_MS_MAX)


async def put_on_paper(ann: Person, row: Locator) -> None:
    """See a receipt as it is printed: what it says, without the way to other pages."""
    await ann.page.emulate_media(media="print")
    await expect(ann.page.get_by_label("Workspace", exact=True)).to_be_hidden()
    await expect(row).to_be_visible()
    await ann.keep_picture("paper")
    await ann.page.emulate_media(media="screen")


async def sign_up_for_pro(ann: Person, selling: Shop) -> str:
    """Go from the price list to the page that waits for the payment; return the slug."""
    slug = new_slug("ann")
    await ann.open("/pricing")
    await ann.page.get_by_role("link", name="Choose Pro").click()
    for field, typed in (
        ("email", f"ann@{slug}.example"),
        ("password", PASSWORD),
        ("company", slug),
    ):
        await ann.page.fill(f"#{field}", typed)
    await ann.press("Sign up")
    assert ann.page.url.startswith(selling.stripe.url)
    await ann.page.get_by_role("button", name="Pay", exact=True).click()
    await ann.page.wait_for_url(f"**/w/{slug}/upgrade/return**")
    # Nobody works yet: what the provider told waits in the inbox.
    await reads(ann.page.locator("main"), "Waiting for the payment provider")
    return slug


async def stock(api: AsyncClient, ann: Person) -> str:
    """Bring rows into the shop by a key of its owner, which is returned."""
    key = await make_key(api, await ann.token(), role="owner")
    headers = {**bearer(key), "Content-Type": "text/csv"}
    sent = await api.post("/import/artist", content=ARTISTS, headers=headers)
    assert answered(sent, 201)["rows"] == ARTISTS.count("\n") - 1
    return key


async def settle(api: AsyncClient, slug: str) -> None:
    """Make the first move final now and not in a day: the next one leads to a third place."""
    listed = await api.get(f"/api/ops/moves?tenant={slug}", headers=ops())
    (move,) = answered(listed, 200)["items"]
    path = f"/api/ops/moves/{move['id']}"
    answered(await api.post(f"{path}/settle", headers=ops()), 202)
    async with asyncio.timeout(WAIT_MS_MAX / 1_000):
        while answered(await api.get(path, headers=ops()), 200)["settled_at"] is None:
            await asyncio.sleep(0.05)


async def lose_the_connection(ann: Person, proxy: Proxy) -> None:
    """Cut the wire under a live page: it says so, and finds its way back by itself."""
    lost = ann.page.locator("[data-lost]")
    await expect(lost).to_be_hidden(timeout=WAIT_MS_MAX)
    proxy.is_shut = True
    proxy.cut()
    await expect(lost).to_be_visible(timeout=WAIT_MS_MAX)
    proxy.is_shut = False
    await expect(lost).to_be_hidden(timeout=WAIT_MS_MAX)


async def cancel_and_go_on(ann: Person, slug: str) -> None:
    """See what another interval costs, cancel the subscription, and take that back."""
    main = ann.page.locator("main")
    await ann.open(f"/w/{slug}/billing/change?plan=pro&interval=year")
    await reads(main, "Next invoice")
    assert await ann.faults() == []
    await ann.open(f"/w/{slug}/billing")
    await ann.page.get_by_role("link", name="Cancel the subscription").click()
    await ann.press("Cancel the subscription")
    await reads(main, ", then Starter")
    await ann.press("Take the cancellation back")
    await expect(main).not_to_contain_text(", then Starter", timeout=WAIT_MS_MAX)
