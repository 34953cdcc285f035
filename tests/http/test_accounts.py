"""Sign-up, log-in, switch and log-out."""

from __future__ import annotations

from router.words import Tier
from tests.gateways import (
    PASSWORD,
    GatewayWorld,
    bearer,
    expect,
    make_tenant,
    new_slug,
    sign_up,
)


async def test_a_sign_up_gives_a_tenant_that_is_ready(made: GatewayWorld) -> None:
    slug = new_slug()
    answer = await made.client.post(
        "/api/signup",
        json={"email": f"A@{slug}.example", "password": PASSWORD, "company": "A", "slug": slug},
    )
    told = expect(answer, 201)
    assert told["tenant"]["status"] == "active"
    assert told["tenant"]["tier"] == "rows"
    assert told["user"]["email"] == f"a@{slug}.example"
    made_row = await made.client.post("/artists", json={"name": "X"}, headers=bearer(told["token"]))
    expect(made_row, 201)
    whole = expect(await made.client.get("/api/tenant", headers=bearer(told["token"])), 200)
    assert (whole["plan"], whole["tier"], whole["epoch"]) == ("starter", "rows", 1)
    assert whole["usage"] == {"seats": 1}
    assert whole["schema_revision"]


async def test_a_pro_tenant_can_sign_up_too(made: GatewayWorld) -> None:
    customer = await sign_up(made.client, plan="pro")
    assert customer.tier == "schema"
    whole = expect(await made.client.get("/api/tenant", headers=bearer(customer.key)), 200)
    assert whole["usage"]["storage_bytes"] > 0


async def test_an_enterprise_tenant_is_onboarded_by_operators(made: GatewayWorld) -> None:
    customer = await make_tenant(made, Tier.DATABASE)
    whole = expect(await made.client.get("/api/tenant", headers=customer.headers), 200)
    assert (whole["tier"], whole["plan"]) == ("database", "enterprise")
