"""An installation that takes no payments: plans are given away, and every call says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.gateways import Customer, GatewayWorld, bearer, expect, make_key, ops, sign_up

BUYING = (
    ("/api/billing/checkout", {"plan": "pro"}),
    ("/api/billing/portal", None),
    ("/api/billing/preview", {"plan": "pro"}),
    ("/api/billing/change", {"plan": "pro"}),
    ("/api/billing/cancel", None),
    ("/api/billing/resume", None),
)


@pytest.mark.parametrize(("path", "body"), BUYING)
async def test_nothing_is_sold(
    made: GatewayWorld, shop: Customer, path: str, body: dict[str, object] | None
) -> None:
    answer = await made.client.post(path, json=body, headers=shop.headers)
    assert "takes no payments" in expect(answer, 404)["detail"]


async def test_a_sign_up_gets_the_plan_that_it_asks_for(made: GatewayWorld) -> None:
    customer = await sign_up(made.client, plan="pro")
    shown = expect(await made.client.get("/api/billing", headers=customer.headers), 200)
    assert (shown["plan"], shown["basis"], shown["standing"]) == ("pro", "nothing", "good")
    assert (shown["subscription"], shown["contract"], shown["notices"]) == (None, None, [])


async def test_everybody_may_read_the_price_list(made: GatewayWorld) -> None:
    listed = expect(await made.client.get("/api/plans"), 200)["items"]
    assert [plan["name"] for plan in listed] == ["starter", "pro", "enterprise"]
    starter, pro, enterprise = listed
    assert starter["prices"] == []
    assert pro["limits"]["seats"] == 50
    monthly = {"charge": "plan", "currency": "usd", "amount": 9_900, "interval": "month"}
    assert {**monthly, "metric": None} in pro["prices"]
    assert enterprise["is_contract"]


async def test_a_payer_who_comes_back_is_told_in_plain_text(made: GatewayWorld) -> None:
    answer = await made.client.get("/api/billing/return?tenant=<b>x&checkout=paid")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for query in ("", "?tenant=x&checkout=stolen", "?tenant=" + "x" * 200):
        expect(await made.client.get(f"/api/billing/return{query}"), 400)


async def test_a_contract_holds_until_it_is_released(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    path = f"/api/ops/tenants/{customer.slug}/contract"
    until = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    body = {"plan": "pro", "until": until, "seats": 80}
    told = expect(await made.client.post(path, json=body, headers=ops("C-2026-18")), 200)
    assert told["invoice"] is None
    assert told["billing"]["basis"] == "contract"
    assert told["billing"]["contract"]["reason"] == "C-2026-18"
    own = expect(await made.client.get("/api/tenant", headers=customer.headers), 200)
    assert (own["plan"], own["limits"]["seats"]) == ("pro", 80)
    trail = expect(await made.client.get("/api/audit", headers=customer.headers), 200)
    assert "tenant.contract" in [line["action"] for line in trail["items"]]
    told = expect(await made.client.delete(path, headers=ops("it ended")), 200)
    assert told["contract"] is None
    expect(await made.client.delete(path, headers=ops("again")), 409)


async def test_what_operators_set_is_a_contract_too(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    path = f"/api/ops/tenants/{customer.slug}/plan"
    expect(await made.client.post(path, json={"plan": "pro"}, headers=ops("a gift")), 200)
    shown = expect(await made.client.get("/api/billing", headers=customer.headers), 200)
    assert (shown["plan"], shown["basis"]) == ("pro", "contract")
    assert shown["contract"]["reason"] == "a gift"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"plan": "gold"}, 422),
        ({"plan": "pro", "until": "2001-01-01T00:00:00Z"}, 422),
        ({"plan": "pro", "until": "2031-01-01"}, 422),
        ({"plan": "pro", "until": "2031-01-01T00:00:00"}, 422),
        ({"plan": "pro", "seats": 0}, 422),
        ({"plan": "pro", "seats": 10**9}, 422),
        ({"plan": "pro", "amount": -1}, 422),
        ({"plan": "pro", "currency": "USD"}, 422),
        ({"plan": "pro", "interval": "day"}, 422),
        ({"plan": "pro", "net_days": 1_000}, 422),
        ({"plan": "pro", "discount": 5}, 422),
        ({"plan": "enterprise", "amount": 5}, 404),
    ],
    ids=str,
)
async def test_a_wrong_contract_changes_nothing(
    made: GatewayWorld, shop: Customer, body: dict[str, object], status: int
) -> None:
    path = f"/api/ops/tenants/{shop.slug}/contract"
    expect(await made.client.post(path, json=body, headers=ops()), status)
    shown = expect(await made.client.get("/api/billing", headers=shop.headers), 200)
    assert (shown["plan"], shown["contract"]) == ("starter", None)


async def test_operators_see_an_empty_inbox_and_nobody_to_compare_with(
    made: GatewayWorld, shop: Customer
) -> None:
    listed = expect(await made.client.get("/api/ops/inbox", headers=ops()), 200)
    assert listed == {"items": [], "next": None}
    expect(await made.client.get("/api/ops/inbox/evt_none", headers=ops()), 404)
    expect(await made.client.post("/api/ops/inbox/evt_none/replay", headers=ops()), 404)
    both = expect(await made.client.get(f"/api/ops/billing/{shop.slug}", headers=ops()), 200)
    assert (both["theirs"], both["differences"], both["error"]) == (None, [], None)
    expect(await made.client.get("/api/ops/billing/nobody", headers=ops()), 404)
    expect(await made.client.post("/api/ops/billing/reconcile", headers=ops()), 404)


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "tenant=no-such-tenant"])
async def test_a_wrong_filter_of_the_inbox_is_refused(made: GatewayWorld, query: str) -> None:
    answer = await made.client.get(f"/api/ops/inbox?{query}", headers=ops())
    assert answer.status_code in {400, 404}, answer.text


async def test_members_have_no_way_to_the_operators_calls(
    made: GatewayWorld, shop: Customer
) -> None:
    key = bearer(await make_key(made.client, shop.token, role="owner"))
    for method, path in (
        ("GET", "/api/ops/inbox"),
        ("POST", "/api/ops/inbox/evt_1/replay"),
        ("GET", f"/api/ops/billing/{shop.slug}"),
        ("POST", "/api/ops/billing/reconcile"),
        ("POST", f"/api/ops/tenants/{shop.slug}/contract"),
        ("DELETE", f"/api/ops/tenants/{shop.slug}/contract"),
    ):
        expect(await made.client.request(method, path, headers=key), 401)


async def test_a_change_without_a_reason_is_refused(made: GatewayWorld, shop: Customer) -> None:
    for method, path in (
        ("POST", "/api/ops/inbox/evt_1/replay"),
        ("POST", "/api/ops/billing/reconcile"),
        ("POST", f"/api/ops/tenants/{shop.slug}/contract"),
        ("DELETE", f"/api/ops/tenants/{shop.slug}/contract"),
    ):
        answer = await made.client.request(method, path, headers=ops(None))
        assert "X-Reason" in expect(answer, 400)["detail"]
