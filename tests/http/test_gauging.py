"""Storage is measured in every tier, and whoever comes near its limit is told so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import Response

from deploy.gauging import GaugePace, Gauging
from examples.store.generate import generate_csv
from promotion.shape import shape_of
from promotion.side import Side
from promotion.sizes import measure
from router.words import Tenant, Tier
from tests.gateways import Customer, GatewayWorld, expect, make_tenant, ops, sign_up

#: A chunk ends in the midst of every table.
BRISK = GaugePace(pause_s=0.0, chunk_rows=37)
WHOLE = GaugePace(chunk_rows=1_000_000)


@pytest.fixture(scope="module")
async def filled(made: GatewayWorld) -> Customer:
    """A tenant in shared tables with rows in all of its product's."""
    customer = await sign_up(made.client)
    for table, text in generate_csv().items():
        answer = await made.client.post(f"/import/{table}", content=text, headers=customer.headers)
        expect(answer, 201)
    return customer


async def tenant_of(made: GatewayWorld, customer: Customer) -> Tenant:
    tenant = await made.platform.directory.refresh(customer.id)
    assert tenant is not None
    return tenant


async def gauged(made: GatewayWorld, customer: Customer) -> dict[str, Any]:
    """Measure a tenant, and return what it is told."""
    assert await Gauging(made.platform, pace=BRISK).gauge(await tenant_of(made, customer))
    told = expect(await made.client.get("/api/usage", headers=customer.headers), 200)
    return next(each for each in told["items"] if each["metric"] == "storage_bytes")


async def gauge_of(made: GatewayWorld, customer: Customer) -> object:
    gauge = "SELECT quantity FROM catalog.usage_gauge WHERE tenant_id = $1"
    async with made.platform.catalog.connection() as connection:
        return await connection.fetchval(gauge, customer.id)


async def notices(made: GatewayWorld, customer: Customer) -> dict[str, bool]:
    """Each warning of a tenant, and whether it holds."""
    async with made.platform.catalog.connection() as connection:
        rows = await connection.fetch(
            "SELECT kind, ended_at FROM catalog.notice WHERE tenant_id = $1", customer.id
        )
    return {row["kind"]: row["ended_at"] is None for row in rows}


async def allow(made: GatewayWorld, customer: Customer, bytes_max: int) -> None:
    path, body = (
        f"/api/ops/tenants/{customer.slug}/limits",
        {"limits": {"storage_bytes": bytes_max}},
    )
    expect(await made.client.post(path, json=body, headers=ops()), 201)


async def test_shared_rows_are_summed_up_row_by_row(made: GatewayWorld, filled: Customer) -> None:
    tenant = await tenant_of(made, filled)
    assert tenant.placement is not None
    side = Side(fleet=made.platform.fleet, tenant_id=tenant.id, placement=tenant.placement)
    sizes = await measure(side, shape_of(made.platform.loaded.stored))
    assert sum(each.rows for each in sizes) > 100
    assert await Gauging(made.platform, pace=WHOLE).gauge(tenant)
    at_once = await gauge_of(made, filled)
    told = await gauged(made, filled)
    assert told["used"] == at_once, "no row is missed or counted twice between two chunks"
    # An aggregate packs the header of one row a table into a byte.
    assert told["used"] == pytest.approx(sum(each.bytes for each in sizes), abs=3 * len(sizes))
    assert told["limit"] == 1_000_000_000
    assert told["measured_at"]


async def test_a_neighbours_rows_are_not_counted(made: GatewayWorld, filled: Customer) -> None:
    assert (await gauged(made, filled))["used"] > 0
    empty = await sign_up(made.client)
    assert (await gauged(made, empty))["used"] == 0


@pytest.mark.parametrize("tier", [Tier.SCHEMA, Tier.DATABASE])
async def test_own_tables_are_asked_for_their_size(made: GatewayWorld, tier: Tier) -> None:
    customer = await make_tenant(made, tier)
    told = await gauged(made, customer)
    assert told["used"] > 0
    assert told["measured_at"] is None, "asked at once, not remembered"
    assert await gauge_of(made, customer) == told["used"]


async def test_a_round_measures_whoever_is_due_and_no_other(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    gauging = Gauging(made.platform, pace=BRISK)
    assert await gauging.look() >= 1
    assert await gauging.look() == 0
    path = f"/api/ops/tenants/{customer.slug}/suspend"
    expect(await made.client.post(path, headers=ops()), 200)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.usage_gauge SET at = now() - interval '2 hours' WHERE tenant_id = $1",
            customer.id,
        )
    assert await gauging.look() == 0, "a suspended tenant is left alone"


async def test_a_tenant_near_its_limit_is_measured_more_often(made: GatewayWorld) -> None:
    near, far = await sign_up(made.client), await sign_up(made.client)
    for customer in (near, far):
        expect(
            await made.client.post("/artists", json={"name": "X"}, headers=customer.headers), 201
        )
    gauging = Gauging(made.platform, pace=BRISK)
    await gauging.look()
    await allow(made, near, (await gauged(made, near))["used"])
    await gauging.look()
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.usage_gauge SET at = now() - interval '10 minutes'"
            " WHERE tenant_id = ANY($1::uuid[])",
            [near.id, far.id],
        )
    assert await gauging.look() == 1


async def test_warnings_are_given_at_80_and_100_percent_and_end(
    made: GatewayWorld, filled: Customer
) -> None:
    used = int((await gauged(made, filled))["used"])
    expected: tuple[tuple[int, dict[str, bool]], ...] = (
        (used * 2, {}),
        (used * 5 // 4 + 1, {}),
        (used * 5 // 4, {"usage_80": True}),
        (used, {"usage_80": True, "usage_100": True}),
        (used + 1, {"usage_80": True, "usage_100": False}),
        (used * 2, {"usage_80": False, "usage_100": False}),
        (used - 1, {"usage_80": True, "usage_100": True}),
    )
    for limit, warned in expected:
        await allow(made, filled, limit)
        await gauged(made, filled)
        assert await notices(made, filled) == warned, f"{used} of {limit}"


async def test_a_tenant_that_can_not_be_entered_is_left_for_later(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    tenant = await tenant_of(made, customer)
    path = f"/api/ops/tenants/{customer.slug}/suspend"
    expect(await made.client.post(path, headers=ops()), 200)
    suspended = await tenant_of(made, customer)
    assert tenant != suspended
    assert not await Gauging(made.platform, pace=BRISK).gauge(suspended)


async def test_a_tenant_that_stores_too_much_may_delete_and_then_write(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    artist = expect(await write(made, customer), 201)["artist_id"]
    await allow(made, customer, int((await gauged(made, customer))["used"]))
    await gauged(made, customer)
    refused = await until_status(made, customer, 429)
    assert (refused["metric"], refused["used"]) == ("storage_bytes", refused["limit"])
    expect(await made.client.get("/artists", headers=customer.headers), 200)
    listed = expect(await made.client.get("/artists?limit=200", headers=customer.headers), 200)
    assert artist in [row["artist_id"] for row in listed["items"]]
    for row in listed["items"]:
        path = f"/artists/{row['artist_id']}"
        expect(await made.client.delete(path, headers=customer.headers), 204)
    await gauged(made, customer)
    await until_status(made, customer, 201)


async def write(made: GatewayWorld, customer: Customer) -> Response:
    return await made.client.post("/artists", json={"name": "X"}, headers=customer.headers)


async def until_status(made: GatewayWorld, customer: Customer, status: int) -> dict[str, Any]:
    """Write until that is answered so: a gateway looks at what is stored when it counts."""
    async with asyncio.timeout(30):
        while (answer := await write(made, customer)).status_code != status:
            await asyncio.sleep(0.2)
    return expect(answer, status)
