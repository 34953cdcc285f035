"""Limits and unpaid bills as callers of a gateway meet them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from httpx import AsyncClient, Response

from tests.billing.usage.worlds import books, even
from tests.gateways import Customer, GatewayWorld, expect, gateway_world, sign_up
from tests.worlds import Clusters

_LIMIT = """
    INSERT INTO catalog.limit_override (id, tenant_id, limits, reason, made_by)
    VALUES (gen_random_uuid(), $1, $2::text::jsonb, 'a test asks for it', 'test')
"""
_OPEN = "INSERT INTO catalog.billing (tenant_id, provider) VALUES ($1, 'test')"
_REFUSE = """
    UPDATE catalog.billing SET standing = 'read_only', standing_until = '2026-11-19'
    WHERE tenant_id = $1
"""
_SETTLE = "UPDATE catalog.billing SET standing = 'good', standing_until = NULL WHERE tenant_id = $1"


@pytest.fixture(scope="module")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    product, changes = "tests.billing.usage.careless:product", {"usage_flush_s": 0.1}
    async with gateway_world(clusters, product=product, changes=changes) as built:
        yield built


async def limited(made: GatewayWorld, limits: str) -> Customer:
    """Sign a customer up who has other limits than its plan's."""
    customer = await sign_up(made.client)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(_LIMIT, customer.id, limits)
    return customer


async def until(made: GatewayWorld, customer: Customer, method: str, status: int) -> Response:
    """Ask until the gateway has heard the news."""
    async with asyncio.timeout(20):
        while True:
            answer = await ask(made.client, customer, method)
            if answer.status_code == status:
                return answer
            await asyncio.sleep(0.02)


async def ask(client: AsyncClient, customer: Customer, method: str = "GET") -> Response:
    if method == "POST":
        return await client.post("/artists", json={"name": "X"}, headers=customer.headers)
    return await client.get("/artists", headers=customer.headers)


async def test_a_used_up_month_is_told_as_one_can_act_upon(made: GatewayWorld) -> None:
    customer = await limited(made, '{"api_calls_per_month": 3}')
    answer = await until(made, customer, "GET", 429)
    told = expect(answer, 429)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["code"] == "limit_reached"
    assert (told["metric"], told["limit"]) == ("api_calls", 3)
    assert told["used"] >= 3
    assert told["upgrade_url"] == "https://stepwell.test/upgrade"
    resets_at = datetime.fromisoformat(told["resets_at"])
    left_s = (resets_at - datetime.now(UTC)).total_seconds()
    assert abs(int(answer.headers["retry-after"]) - left_s) < 5
    assert (resets_at.day, resets_at.hour) == (1, 0)


async def test_every_answer_says_what_is_left(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    left: list[int] = []
    for method in ("GET", "POST", "GET"):
        answer = await ask(made.client, customer, method)
        policy = answer.headers["ratelimit-policy"]
        assert policy.startswith('"month";q=5000;w=')
        assert policy.endswith('"second";q=200;w=1')
        name, remaining, reset = answer.headers["ratelimit"].split(";")
        assert name == '"month"'
        assert 0 < int(reset.removeprefix("t=")) <= 31 * 86_400
        left.append(int(remaining.removeprefix("r=")))
    assert left == [4_999, 4_998, 4_997]


async def test_only_what_was_let_in_is_counted(made: GatewayWorld) -> None:
    customer, other = await sign_up(made.client), await sign_up(made.client)
    expect(await ask(made.client, customer, "POST"), 201)
    expect(await made.client.get("/artists/999", headers=customer.headers), 404)
    expect(await made.client.get("/artists"), 401)
    named = {**customer.headers, "X-Tenant": other.slug}
    expect(await made.client.get("/artists", headers=named), 400)
    expect(await made.client.get("/api/tenant", headers=customer.headers), 200)
    await asyncio.sleep(0.5)
    assert await books(made.platform.catalog, customer.id) == even(2)
    assert await books(made.platform.catalog, other.id) == even(0)


async def test_whoever_hasnt_paid_may_read_and_is_told_since_when(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    expect(await ask(made.client, customer, "POST"), 201)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(_OPEN, customer.id)
        await connection.execute(_REFUSE, customer.id)
    told = expect(await until(made, customer, "POST", 402), 402)
    assert told["code"] == "payment_required"
    assert "2026-11-19" in told["detail"]
    assert "/api/billing" in told["detail"]
    # A handler that writes where one only looks is held by the database.
    refused = expect(await made.client.get("/visit", headers=customer.headers), 403)
    assert refused["code"] == "read_only"
    listed = expect(await ask(made.client, customer), 200)
    assert {row["name"] for row in listed["items"]} == {"X"}
    async with made.platform.catalog.connection() as connection:
        await connection.execute(_SETTLE, customer.id)
    await until(made, customer, "POST", 201)
