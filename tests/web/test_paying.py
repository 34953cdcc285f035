"""The way to a larger plan and back, by the pages, with the stand-in as the provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest

from tests.billing.stand_in.running import StandIn, stand_in
from tests.gateways import GatewayWorld, expect, ops, sign_up
from tests.http.billed import billed_world
from tests.web.surfing import Surfer
from tests.worlds import Clusters
from web.visitor import SAID_COOKIE, SESSION_COOKIE


@pytest.fixture(scope="module")
async def stripe() -> AsyncIterator[StandIn]:
    async with stand_in() as running:
        yield running


@pytest.fixture(scope="module")
async def selling(clusters: Clusters, stripe: StandIn) -> AsyncIterator[GatewayWorld]:
    async with billed_world(clusters, stripe) as built:
        yield built


async def test_a_plan_is_bought_changed_cancelled_and_kept_after_all(
    selling: GatewayWorld, stripe: StandIn
) -> None:
    customer = await sign_up(selling.client)
    surfer = Surfer(selling.client)
    surfer.cookies[SESSION_COOKIE] = customer.token
    path = f"/w/{customer.slug}/billing"
    assert f"{path}/change?plan=pro&amp;interval=month" in (await surfer.get(path)).text
    await surfer.get(f"{path}/change?plan=pro&interval=month")
    for said in ("Due now 99.00 USD", "Taxes", "50 now 5", "a schema of its own", "Expected pause"):
        assert said in surfer.text
    bought = await surfer.submit(f"{path}/checkout")
    assert bought.headers["location"].startswith(stripe.url)
    assert stripe.url in bought.headers["content-security-policy"]
    await stripe.pay(bought.headers["location"])
    expect(await selling.client.post("/api/ops/billing/reconcile", headers=ops()), 200)
    await surfer.get(path)
    assert "Pro yours" in surfer.text
    assert "99.00 USD" in surfer.text

    await surfer.get(f"{path}/change?plan=pro&interval=month")
    assert "Nothing would change." in surfer.text
    assert f"{path}/change" not in surfer.forms
    await surfer.get(f"/w/{customer.slug}/data/delete")
    assert "Cancel it first" in surfer.text
    assert f"/w/{customer.slug}/data/delete" not in surfer.forms

    await surfer.get(f"{path}/change?plan=pro&interval=year")
    assert "Next invoice" in surfer.text
    assert "990.00 USD" in surfer.text
    assert (await surfer.submit(f"{path}/change")).status_code == 303
    assert unquote(surfer.cookies[SAID_COOKIE]) == "The plan is pro now."

    await surfer.get(f"{path}/cancel")
    assert "Then" in surfer.text
    assert (await surfer.submit(f"{path}/cancel")).status_code == 303
    await surfer.get(path)
    assert ", then Starter" in surfer.text
    assert (await surfer.submit(f"{path}/resume")).status_code == 303
    await surfer.get(path)
    assert ", then Starter" not in surfer.text
    portal = await surfer.submit(f"{path}/portal")
    assert portal.headers["location"].startswith(stripe.url)


async def test_a_wish_that_can_t_be_is_said_on_the_page(selling: GatewayWorld) -> None:
    customer = await sign_up(selling.client)
    surfer = Surfer(selling.client)
    surfer.cookies[SESSION_COOKIE] = customer.token
    path = f"/w/{customer.slug}/billing"
    for query in ("plan=gold", "plan=pro&interval=day", "plan=enterprise", "plan=starter"):
        answer = await surfer.get(f"{path}/change?{query}")
        assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
    assert (await surfer.get(f"{path}/change")).status_code == 400


async def test_two_windows_buy_one_plan(selling: GatewayWorld, stripe: StandIn) -> None:
    customer = await sign_up(selling.client)
    windows = [Surfer(selling.client), Surfer(selling.client)]
    path = f"/w/{customer.slug}/billing"
    for surfer in windows:
        surfer.cookies[SESSION_COOKIE] = customer.token
        await surfer.get(f"{path}/change?plan=pro")
    first, second = windows
    pages = [(await first.submit(f"{path}/checkout")).headers["location"] for _ in range(2)]
    assert pages[0] == pages[1], "a second click leads to the same page"
    await stripe.pay(pages[0])
    late = await second.submit(f"{path}/checkout")
    assert (late.status_code, late.headers["location"]) == (303, path)
    assert "nothing was bought twice" in unquote(second.cookies[SAID_COOKIE])
