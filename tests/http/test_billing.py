"""Buying, changing, cancelling, agreeing: every call, with the stand-in as the provider.

No event is delivered here: what was bought on a page is found by a comparison.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.billing.stand_in.running import StandIn, stand_in
from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    new_slug,
    ops,
    sign_up,
)
from tests.http.billed import billed_world
from tests.worlds import Clusters


@pytest.fixture(scope="module")
async def stripe() -> AsyncIterator[StandIn]:
    async with stand_in() as running:
        yield running


@pytest.fixture(scope="module")
async def made(clusters: Clusters, stripe: StandIn) -> AsyncIterator[GatewayWorld]:
    async with billed_world(clusters, stripe) as built:
        yield built


async def compare(made: GatewayWorld) -> dict[str, Any]:
    return expect(await made.client.post("/api/ops/billing/reconcile", headers=ops()), 200)


async def ask(
    made: GatewayWorld, customer: Customer, path: str, body: object = None, *, status: int = 200
) -> dict[str, Any]:
    answer = await made.client.post(f"/api/billing/{path}", json=body, headers=customer.headers)
    return expect(answer, status)


async def foresee(
    made: GatewayWorld, customer: Customer, query: str, *, status: int = 200
) -> dict[str, Any]:
    path = f"/api/billing/preview?{query}"
    return expect(await made.client.get(path, headers=customer.headers), status)


async def billing(made: GatewayWorld, customer: Customer) -> dict[str, Any]:
    return expect(await made.client.get("/api/billing", headers=customer.headers), 200)


async def buyer(made: GatewayWorld, stripe: StandIn) -> Customer:
    """Make a tenant that has bought pro."""
    customer = await sign_up(made.client)
    told = await ask(made, customer, "checkout", {"plan": "pro"})
    await stripe.pay(told["url"])
    await compare(made)
    assert (await billing(made, customer))["plan"] == "pro"
    return customer


async def sign_up_for(made: GatewayWorld, plan: str, status: int = 201) -> dict[str, Any]:
    slug = new_slug()
    body = {
        "email": f"owner@{slug}.example",
        "password": PASSWORD,
        "company": slug,
        "slug": slug,
        "plan": plan,
    }
    return expect(await made.client.post("/api/signup", json=body), status)


async def test_a_sign_up_for_a_paid_plan_leads_to_a_page_to_pay_on(
    made: GatewayWorld, stripe: StandIn
) -> None:
    told = await sign_up_for(made, "pro")
    assert (told["tenant"]["plan"], told["tenant"]["tier"]) == ("starter", "rows")
    assert told["checkout_url"].startswith(stripe.url)
    back = await stripe.pay(told["checkout_url"])
    assert "checkout=paid" in back
    report = await compare(made)
    assert [each["theirs"]["plan"] for each in report["differences"]] == ["pro"]
    own = await made.client.get("/api/tenant", headers=bearer(told["token"]))
    assert (expect(own, 200)["plan"], own.json()["limits"]["seats"]) == ("pro", 50)


async def test_a_sign_up_for_what_costs_nothing_leads_nowhere(made: GatewayWorld) -> None:
    assert (await sign_up_for(made, "starter"))["checkout_url"] is None
    assert "ask sales" in (await sign_up_for(made, "enterprise", 422))["detail"]


async def test_a_sign_up_doesnt_depend_on_the_provider(made: GatewayWorld, stripe: StandIn) -> None:
    await stripe.faults(nonsense=1.0)
    try:
        told = await sign_up_for(made, "pro")
    finally:
        await stripe.faults()
    assert (told["tenant"]["status"], told["checkout_url"]) == ("active", None)
    answer = await made.client.post(
        "/api/billing/checkout", json={"plan": "pro"}, headers=bearer(told["token"])
    )
    assert expect(answer, 200)["url"].startswith(stripe.url)


async def test_a_page_that_was_left_buys_nothing(made: GatewayWorld, stripe: StandIn) -> None:
    customer = await sign_up(made.client)
    told = await ask(made, customer, "checkout", {"plan": "pro"})
    assert "checkout=left" in await stripe.pay(told["url"], action="cancel")
    await compare(made)
    assert (await billing(made, customer))["plan"] == "starter"


async def test_a_repeated_request_gets_the_same_page(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    headers = {**customer.headers, "Idempotency-Key": "once"}
    urls = {
        expect(
            await made.client.post("/api/billing/checkout", json={"plan": "pro"}, headers=headers),
            200,
        )["url"]
        for _ in range(3)
    }
    assert len(urls) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"plan": "gold"}, "choose one of pro"),
        ({"plan": "starter"}, "choose one of pro"),
        ({"plan": "enterprise"}, "ask sales"),
        ({"plan": "pro", "interval": "day"}, "interval"),
        ({"plan": "pro", "seats": 0}, "seats"),
        ({"plan": "pro", "price": "price_1"}, "price"),
        ({}, "plan"),
    ],
    ids=str,
)
async def test_a_wrong_wish_is_refused(
    made: GatewayWorld, body: dict[str, object], said: str
) -> None:
    customer = await sign_up(made.client)
    for path in ("checkout", "preview", "change"):
        assert said in str(await ask(made, customer, path, body, status=422))


async def test_who_has_bought_nothing_has_nothing_to_change(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    for path, body in (
        ("portal", None),
        ("preview", {"plan": "pro"}),
        ("change", {"plan": "pro"}),
        ("cancel", None),
        ("resume", None),
    ):
        assert "check out first" in (await ask(made, customer, path, body, status=409))["detail"]


async def test_nobody_subscribes_twice(made: GatewayWorld, stripe: StandIn) -> None:
    customer = await buyer(made, stripe)
    told = await ask(made, customer, "checkout", {"plan": "pro"}, status=409)
    assert "/api/billing/change" in told["detail"]


async def test_a_newer_page_to_pay_on_ends_the_one_before(
    made: GatewayWorld, stripe: StandIn
) -> None:
    customer = await sign_up(made.client)
    wanted = ({"plan": "pro"}, {"plan": "pro", "interval": "year"})
    older, newer = [(await ask(made, customer, "checkout", each))["url"] for each in wanted]
    assert (await stripe.press(older, "pay")).status_code >= 400
    await stripe.pay(newer)
    await compare(made)
    assert (await billing(made, customer))["plan"] == "pro"


async def test_the_portal_is_the_providers_own_page(made: GatewayWorld, stripe: StandIn) -> None:
    customer = await buyer(made, stripe)
    url = (await ask(made, customer, "portal"))["url"]
    assert url.startswith(stripe.url)
    answer = await stripe.press(url, "bad_card")
    assert answer.status_code < 400, answer.text


async def test_a_change_is_previewed_and_then_holds(made: GatewayWorld, stripe: StandIn) -> None:
    customer = await buyer(made, stripe)
    yearly = {"plan": "pro", "interval": "year"}
    preview = await ask(made, customer, "preview", yearly)
    # What was paid for the month is credited.
    assert 0 < preview["due_now"] < 99_000
    assert (preview["next_invoice"], preview["currency"]) == (99_000, "usd")
    assert any(line["is_proration"] for line in preview["lines"])
    shown = await ask(made, customer, "change", yearly)
    assert (shown["plan"], shown["is_behind"]) == ("pro", False)
    assert shown["invoices"][0]["amount_paid"] == preview["due_now"]


async def test_a_first_plan_is_foreseen_with_its_price_and_its_move(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    told = await foresee(made, customer, "plan=pro&interval=year")
    bargain, move = told["bargain"], told["move"]
    assert (bargain["is_first"], bargain["title"], bargain["limits"]["seats"]) == (True, "Pro", 50)
    cost = bargain["cost"]
    assert (cost["due_now"], cost["next_invoice"], cost["currency"]) == (99_000, 99_000, "usd")
    paid_until = datetime.fromisoformat(cost["next_invoice_at"])
    assert paid_until - datetime.now(UTC) > timedelta(days=364)
    assert move["tier"] == "schema"
    assert move["duration_s"] > 0
    assert move["pause_ms"] > 0
    assert (await billing(made, customer))["customer_id"] is None, "looking makes no customer"


async def test_another_plan_is_foreseen_as_its_preview_has_it(
    made: GatewayWorld, stripe: StandIn
) -> None:
    customer = await buyer(made, stripe)
    yearly = {"plan": "pro", "interval": "year"}
    bargain = (await foresee(made, customer, "plan=pro&interval=year"))["bargain"]
    preview = await ask(made, customer, "preview", yearly)
    assert (bargain["is_first"], bargain["is_held"]) == (False, False)
    assert (await foresee(made, customer, "plan=pro"))["bargain"]["is_held"] is True
    assert bargain["cost"]["next_invoice"] == preview["next_invoice"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("plan=gold", 422),
        ("plan=enterprise", 422),
        ("plan=starter", 422),
        ("plan=pro&interval=day", 400),
        ("plan=pro&seats=0", 400),
        ("plan=" + "x" * 101, 400),
    ],
)
async def test_what_nobody_sells_isnt_foreseen(made: GatewayWorld, query: str, status: int) -> None:
    customer = await sign_up(made.client)
    await foresee(made, customer, query, status=status)


async def test_a_change_that_isnt_paid_doesnt_hold(made: GatewayWorld, stripe: StandIn) -> None:
    customer = await buyer(made, stripe)
    before = await billing(made, customer)
    await stripe.card(before["customer_id"], "fails")
    yearly = {"plan": "pro", "interval": "year"}
    answer = await made.client.post("/api/billing/change", json=yearly, headers=customer.headers)
    assert answer.status_code in {200, 502}, answer.text
    await compare(made)
    after = await billing(made, customer)
    assert after["subscription"]["period_end"] == before["subscription"]["period_end"]
    assert after["standing"] == "good"


async def test_a_cancellation_is_told_with_its_day_and_can_be_taken_back(
    made: GatewayWorld, stripe: StandIn
) -> None:
    customer = await buyer(made, stripe)
    shown = await ask(made, customer, "cancel")
    assert shown["plan"] == "pro"
    assert shown["ending"]["plan"] == "starter"
    assert shown["ending"]["at"] == shown["subscription"]["period_end"]
    assert [notice["kind"] for notice in shown["notices"]] == ["plan_ends"]
    shown = await ask(made, customer, "resume")
    assert (shown["ending"], shown["notices"]) == (None, [])
    assert "isn't cancelled" in (await ask(made, customer, "resume", status=409))["detail"]
    trail = expect(await made.client.get("/api/audit", headers=customer.headers), 200)
    actions = [line["action"] for line in trail["items"]]
    assert {"billing.checkout", "billing.cancel", "billing.resume"} <= set(actions)


async def test_a_contract_is_invoiced_and_stands_over_what_was_bought(
    made: GatewayWorld, stripe: StandIn
) -> None:
    customer = await buyer(made, stripe)
    path = f"/api/ops/tenants/{customer.slug}/contract"
    body = {"plan": "enterprise", "amount": 1_200_000, "interval": "year", "net_days": 45}
    told = expect(await made.client.post(path, json=body, headers=ops("C-2026-19")), 200)
    assert told["invoice"]["amount_due"] == 1_200_000
    assert told["invoice"]["status"] in {"draft", "open"}
    assert (told["billing"]["plan"], told["billing"]["basis"]) == ("enterprise", "contract")
    for wish in ({"plan": "pro"}, {"plan": "pro", "interval": "year"}):
        for call in ("checkout", "change"):
            assert "by contract" in (await ask(made, customer, call, wish, status=409))["detail"]
    await compare(made)
    both = expect(await made.client.get(f"/api/ops/billing/{customer.slug}", headers=ops()), 200)
    assert both["differences"] == []
    ending = {each["is_invoiced"]: each["cancel_at"] for each in both["theirs"]["subscriptions"]}
    assert ending[True] is None
    assert ending[False] is not None, "what was paid by card ends with its period"


async def test_operators_see_both_sides_and_what_differs(
    made: GatewayWorld, stripe: StandIn
) -> None:
    customer = await buyer(made, stripe)
    url = (await ask(made, customer, "portal"))["url"]
    subscription = (await billing(made, customer))["subscription"]["id"]
    await stripe.press(url, "cancel", subscription=subscription)
    path = f"/api/ops/billing/{customer.slug}"
    both = expect(await made.client.get(path, headers=ops()), 200)
    assert any(subscription in each for each in both["differences"])
    assert both["ours"]["ending"] is None
    whole = expect(await made.client.get(f"/api/ops/tenants/{customer.slug}", headers=ops()), 200)
    told = whole["billing"]
    assert (whole["plan"], told["bought_plan"], told["basis"]) == ("pro", "pro", "subscription")
    assert (told["subscription"], told["subscription_status"]) == (subscription, "active")
    report = await compare(made)
    assert str(customer.id) in [each["tenant_id"] for each in report["differences"]]
    kept = expect(await made.client.get("/api/ops/comparison", headers=ops(None)), 200)
    assert kept["found"]["differences"] == len(report["differences"])
    assert kept["found"]["first_differences"] == report["differences"]
    seen = expect(await made.client.get("/api/ops/overview", headers=ops(None)), 200)
    assert seen["comparison"]["at"] == kept["at"]
    assert seen["comparison"]["differences"] == len(report["differences"])
    both = expect(await made.client.get(path, headers=ops()), 200)
    assert both["differences"] == []
    assert both["ours"]["ending"]["plan"] == "starter"


async def test_while_the_provider_is_away_requests_go_on_by_what_we_know(
    made: GatewayWorld, stripe: StandIn
) -> None:
    customer = await buyer(made, stripe)
    await stripe.faults(nonsense=1.0)
    try:
        refused = await made.client.post("/api/billing/cancel", headers=customer.headers)
        assert expect(refused, 503)["code"] == "provider_failed"
        assert int(refused.headers["Retry-After"]) > 0
        assert (await billing(made, customer))["plan"] == "pro"
        expect(await made.client.get("/artists", headers=customer.headers), 200)
        both = await made.client.get(f"/api/ops/billing/{customer.slug}", headers=ops())
        assert expect(both, 200)["error"]
        report = await compare(made)
        assert report["failures"]
        assert not report["is_complete"]
    finally:
        await stripe.faults()
    assert (await ask(made, customer, "cancel"))["ending"]["plan"] == "starter"


async def test_what_happened_at_the_provider_is_in_the_inbox_and_can_be_replayed(
    made: GatewayWorld, stripe: StandIn
) -> None:
    customer = await buyer(made, stripe)
    path = f"/api/ops/inbox?tenant={customer.slug}&limit=2"
    page = expect(await made.client.get(path, headers=ops()), 200)
    first = page["items"][0]
    assert {each["tenant"] for each in page["items"]} == {str(customer.id)}
    following = await made.client.get(f"{path}&after={page['next']}", headers=ops())
    assert first["id"] not in [each["id"] for each in expect(following, 200)["items"]]
    replayed = await made.client.post(f"/api/ops/inbox/{first['id']}/replay", headers=ops())
    assert expect(replayed, 200)["state"] == "waiting"
    assert (await billing(made, customer))["is_behind"]
    await compare(made)
    assert (await billing(made, customer))["plan"] == "pro"


async def test_operators_have_the_provider_asked_again(made: GatewayWorld, stripe: StandIn) -> None:
    customer = await buyer(made, stripe)
    path = f"/api/ops/tenants/{customer.slug}/billing/resync"
    told = expect(await made.client.post(path, headers=ops("a doubt")), 200)
    assert (told["plan"], told["is_behind"]) == ("pro", True)
    trail = expect(
        await made.client.get(f"/api/ops/audit?tenant={customer.slug}&limit=1", headers=ops()), 200
    )
    assert (trail["items"][0]["action"], trail["items"][0]["reason"]) == (
        "billing.resync",
        "a doubt",
    )
    nobody = await sign_up(made.client)
    path = f"/api/ops/tenants/{nobody.slug}/billing/resync"
    refused = expect(await made.client.post(path, headers=ops("a doubt")), 409)
    assert "has bought nothing" in refused["detail"]


async def test_one_key_in_two_tenants_is_two_requests_to_the_provider(made: GatewayWorld) -> None:
    first = await sign_up(made.client)
    second = await sign_up(made.client, email=first.email)
    key, urls = {"Idempotency-Key": "k" * 200}, set[str]()
    for _ in range(2):
        for tenant in (first, second):
            answer = await made.client.post(
                "/api/billing/checkout", json={"plan": "pro"}, headers={**tenant.headers, **key}
            )
            urls.add(str(expect(answer, 200)["url"]))
    assert len(urls) == 2, "one for each, and no third one"
