"""Noisy neighbours: what gateways tell of their tenants, and how operators see it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from router.catalog import loads
from router.catalog.loads import Load
from tests.gateways import HEARD_S_MAX, Customer, GatewayWorld, expect, gateway, ops, sign_up

REQUESTS = 5


async def first(made: GatewayWorld, asked: str = "") -> list[dict[str, Any]]:
    answer = await made.client.get(f"/api/ops/neighbours?limit=50{asked}", headers=ops(None))
    items: list[dict[str, Any]] = expect(answer, 200)["items"]
    return items


async def told_of(made: GatewayWorld, customer: Customer) -> dict[str, Any] | None:
    found = await first(made, "&by=requests")
    return next((each for each in found if each["slug"] == customer.slug), None)


async def load(made: GatewayWorld, customer: Customer, *, busy_ms: int, waiting_ms: int) -> None:
    async with made.platform.catalog.connection() as connection:
        given = Load(tenant_id=customer.id, requests=10_000, busy_ms=busy_ms, waiting_ms=waiting_ms)
        await loads.add(connection, [given])


@pytest.fixture(scope="module")
async def two(made: GatewayWorld) -> tuple[Customer, Customer]:
    """Make a tenant that is busy and one that waits, both twice as much as is told at once."""
    busy, waiting = await sign_up(made.client), await sign_up(made.client)
    for _ in range(2):
        await load(made, busy, busy_ms=900_000, waiting_ms=0)
        await load(made, waiting, busy_ms=800_000, waiting_ms=700_000)
    return busy, waiting


async def test_what_a_tenants_requests_took_is_told_while_the_gateway_runs(
    made: GatewayWorld,
) -> None:
    customer = await sign_up(made.client)
    settings = msgspec.structs.replace(made.settings, load_flush_s=0.2)
    async with gateway(settings) as hasty:
        for _ in range(REQUESTS):
            expect(await hasty.client.get("/artists", headers=customer.headers), 200)
        async with asyncio.timeout(HEARD_S_MAX):
            while (told := await told_of(made, customer)) is None or told["requests"] < REQUESTS:
                await asyncio.sleep(0.05)
    assert told["requests"] == sum(told["by_minute"]) == REQUESTS
    assert told["busy_ms"] > 0
    assert (told["tier"], told["cluster"]) == ("rows", "shared-1")


async def test_a_gateway_that_ends_tells_what_it_has_not_told_yet(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    settings = msgspec.structs.replace(made.settings, load_flush_s=60.0)
    async with gateway(settings) as lazy:
        expect(await lazy.client.get("/artists", headers=customer.headers), 200)
        refused = await lazy.client.get("/artists/999999999", headers=customer.headers)
        assert refused.status_code == 404
        assert await told_of(made, customer) is None
    told = await told_of(made, customer)
    assert told is not None
    assert told["requests"] == 2


async def test_tenants_come_by_the_measure_that_was_asked_for(
    made: GatewayWorld, two: tuple[Customer, Customer]
) -> None:
    busy, waiting = two
    assert [each["slug"] for each in await first(made)][:2] == [busy.slug, waiting.slug]
    (most, *_) = by_waiting = await first(made, "&by=waiting&minutes=1440")
    assert most["slug"] == waiting.slug
    assert (most["requests"], most["busy_ms"], most["waiting_ms"]) == (20_000, 1_600_000, 1_400_000)
    assert len(most["by_minute"]) == 1_440
    assert sum(most["by_minute"]) == 1_400_000
    assert busy.slug not in [each["slug"] for each in by_waiting]


async def test_neighbours_are_those_of_one_cluster(
    made: GatewayWorld, two: tuple[Customer, Customer]
) -> None:
    busy, _ = two
    assert busy.slug in [each["slug"] for each in await first(made, "&cluster=shared-1")]
    assert busy.slug not in [each["slug"] for each in await first(made, "&cluster=dedicated-1")]
    assert await first(made, "&cluster=nowhere") == []


async def test_what_is_older_than_a_day_is_forgotten(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    await load(made, customer, busy_ms=1, waiting_ms=1)
    count = "SELECT count(*) FROM catalog.load WHERE tenant_id = $1"
    age = "UPDATE catalog.load SET minute = minute - interval '25 hours' WHERE tenant_id = $1"
    async with made.platform.catalog.connection() as connection:
        await loads.forget_old(connection)
        assert await connection.fetchval(count, customer.id) == 1
        await connection.execute(age, customer.id)
        await loads.forget_old(connection)
        assert await connection.fetchval(count, customer.id) == 0


@pytest.mark.parametrize("asked", ["minutes=0", "minutes=1441", "by=noise", "limit=51", "limit=0"])
async def test_what_cannot_be_asked_is_refused(made: GatewayWorld, asked: str) -> None:
    expect(await made.client.get(f"/api/ops/neighbours?{asked}", headers=ops(None)), 400)
