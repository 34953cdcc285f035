"""What was used, over HTTP: to members, and to operators with the means to allow more."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.overrides import end_expired
from router.months import month_of
from tests.billing.metering.books import record
from tests.gateways import PASSWORD, Customer, GatewayWorld, bearer, expect, make_key, ops, sign_up

MARCH = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)


async def usage_of(made: GatewayWorld, headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    told = expect(await made.client.get("/api/usage", headers=headers), 200)
    return {each["metric"]: each for each in told["items"]}


async def give(made: GatewayWorld, customer: Customer, **body: object) -> dict[str, Any]:
    path = f"/api/ops/tenants/{customer.slug}/limits"
    return expect(await made.client.post(path, json=body, headers=ops("agreed")), 201)


async def test_calls_are_told_with_their_limit_and_their_end(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    now = datetime.now(UTC)
    await record(made.platform.catalog, customer.id, 41, now)
    await record(made.platform.catalog, customer.id, 1, now)
    await record(made.platform.catalog, customer.id, 500, MARCH)
    told = await usage_of(made, customer.headers)
    calls = told["api_calls"]
    assert (calls["used"], calls["limit"], calls["period"]) == (42, 5_000, "month")
    assert datetime.fromisoformat(calls["resets_at"]) == month_of(now).ends_at
    assert (told["seats"]["used"], told["seats"]["limit"]) == (1, 5)
    path = f"/api/ops/tenants/{customer.slug}/usage"
    shown = expect(await made.client.get(path, headers=ops()), 200)
    assert {each["metric"]: each for each in shown["items"]} == told


async def test_a_statement_is_the_months_own(made: GatewayWorld) -> None:
    customer, other = await sign_up(made.client), await sign_up(made.client)
    for tenant_id, quantity in ((customer.id, 3), (customer.id, 4), (other.id, 99)):
        await record(made.platform.catalog, tenant_id, quantity, MARCH)
    path = "/api/usage/statement?month=2026-03"
    told = expect(await made.client.get(path, headers=customer.headers), 200)
    assert (told["month"], told["is_final"], told["differences"]) == ("2026-03", True, [])
    (calls,) = told["metrics"]
    assert (calls["total"], calls["reports"]) == (7, 2)
    assert calls["days"] == [{"day": "2026-03-09", "quantity": 7}]
    path = f"/api/ops/tenants/{customer.slug}/usage/statement?month=2026-03"
    shown = expect(await made.client.get(path, headers=ops()), 200)
    assert shown["metrics"] == told["metrics"]


async def test_a_statement_takes_the_permission_and_a_month(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    viewer = bearer(await make_key(made.client, customer.token, role="viewer"))
    expect(await made.client.get("/api/usage/statement", headers=viewer), 403)
    told = expect(await made.client.get("/api/usage/statement", headers=customer.headers), 200)
    assert not told["is_final"]
    for month, status in (("2026-13", 422), ("march", 422), ("9" * 30, 400)):
        path = f"/api/usage/statement?month={month}"
        expect(await made.client.get(path, headers=customer.headers), status)


async def test_given_seats_can_be_taken_on_every_gateway_until_they_end(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    for number in range(4):
        await add_member(made, customer, number, 201)
    told = await add_member(made, customer, 4, 429)
    assert "5 seats" in told["detail"]
    given = await give(made, customer, limits={"seats": 6})
    assert (given["limits"], given["reason"], given["made_by"]) == (
        {"seats": 6},
        "agreed",
        "operator:token",
    )
    async with asyncio.timeout(20):
        while (await seats_at(made, customer, gateway=1)) != 6:
            await asyncio.sleep(0.02)
    await add_member(made, customer, 4, 201)
    path = f"/api/ops/tenants/{customer.slug}/limits"
    ended = expect(await made.client.delete(f"{path}/{given['id']}", headers=ops()), 200)
    assert ended["ended_at"]
    expect(await made.client.delete(f"{path}/{given['id']}", headers=ops()), 404)
    assert await seats_at(made, customer, gateway=0) == 5
    assert expect(await made.client.get(path, headers=ops()), 200)["items"] == []
    whole = expect(await made.client.get(f"{path}?ended=true", headers=ops()), 200)["items"]
    assert [each["id"] for each in whole] == [given["id"]]
    trail = expect(await made.client.get("/api/audit", headers=customer.headers), 200)
    reasons = {each["action"]: each["reason"] for each in trail["items"]}
    assert (reasons["limits.give"], reasons["limits.end"]) == ("agreed", "a test asks for it")


async def test_one_tenants_limits_are_not_anothers(made: GatewayWorld) -> None:
    customer, other = await sign_up(made.client), await sign_up(made.client)
    given = await give(made, customer, limits={"seats": 6})
    path = f"/api/ops/tenants/{other.slug}/limits/{given['id']}"
    expect(await made.client.delete(path, headers=ops()), 404)
    assert await seats_at(made, customer, gateway=0) == 6
    assert await seats_at(made, other, gateway=0) == 5


@pytest.mark.parametrize(
    "body",
    [
        {"limits": {}},
        {"limits": {"seat": 1}},
        {"limits": {"seats": -1}},
        {"limits": {"seats": "six"}},
        {"limits": {"statement_timeout_ms": None}},
        {"limits": {"seats": 6}, "until": "2020-01-01T00:00:00Z"},
        {"limits": {"seats": 6}, "until": "2030-01-01T00:00:00"},
        {"limits": {"seats": 6}, "until": "tomorrow"},
        {"limits": {"seats": 6}, "plan": "pro"},
        {},
    ],
)
async def test_wrong_limits_are_refused(
    made: GatewayWorld, shop: Customer, body: dict[str, object]
) -> None:
    path = f"/api/ops/tenants/{shop.slug}/limits"
    expect(await made.client.post(path, json=body, headers=ops()), 422)
    assert expect(await made.client.get(path, headers=ops()), 200)["items"] == []


async def test_limits_are_given_by_operators_with_a_reason(
    made: GatewayWorld, shop: Customer
) -> None:
    path, body = f"/api/ops/tenants/{shop.slug}/limits", {"limits": {"seats": 6}}
    expect(await made.client.post(path, json=body, headers=shop.headers), 401)
    expect(await made.client.post(path, json=body, headers=ops(None)), 400)
    expect(await made.client.delete(f"{path}/{uuid.uuid4()}", headers=ops(None)), 400)
    expect(await made.client.delete(f"{path}/{uuid.uuid4()}", headers=ops()), 404)
    expect(await made.client.delete(f"{path}/nonsense", headers=ops()), 404)
    for ending in ("limits", "usage", "usage/statement"):
        answer = await made.client.get(f"/api/ops/tenants/nobody/{ending}", headers=ops())
        expect(answer, 404)


async def test_limits_end_at_the_time_that_was_agreed(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    until = datetime.now(UTC) + timedelta(seconds=0.4)
    await give(made, customer, limits={"seats": 6}, until=until.isoformat())
    assert await seats_at(made, customer, gateway=0) == 6
    await asyncio.sleep(0.5)
    async with made.platform.catalog.transaction() as connection:
        await end_expired(connection)
    async with asyncio.timeout(20):
        while (await seats_at(made, customer, gateway=0)) != 5:
            await asyncio.sleep(0.02)


async def add_member(
    made: GatewayWorld, customer: Customer, number: int, status: int
) -> dict[str, Any]:
    body = {"email": f"m{number}@{customer.slug}.example", "password": PASSWORD}
    answer = await made.client.post("/api/members", json=body, headers=customer.headers)
    return expect(answer, status)


async def seats_at(made: GatewayWorld, customer: Customer, *, gateway: int) -> int:
    client = made.gateways[gateway].client
    told = expect(await client.get("/api/tenant", headers=customer.headers), 200)
    return int(told["limits"]["seats"])
