"""The operators' calls: onboarding, plans, suspension, maintenance, and who may make them."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from router.catalog import tenants
from router.words import Tier
from tests.gateways import (
    OPS_TOKEN,
    PASSWORD,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    gateway,
    make_tenant,
    new_slug,
    ops,
    prove,
    sign_up,
    until_active,
)

CHANGES = (
    ("/api/ops/tenants", {"name": "x", "slug": "xxx", "plan": "pro", "owner_email": "x@x.example"}),
    ("/api/ops/tenants/{slug}/plan", {"plan": "pro"}),
    ("/api/ops/tenants/{slug}/suspend", None),
    ("/api/ops/tenants/{slug}/resume", None),
    ("/api/ops/tenants/{slug}/maintenance", {"on": True}),
    ("/api/ops/isolation", None),
    ("/api/ops/operations/00000000-0000-0000-0000-000000000000/retry", None),
    ("/api/ops/moves/dry-run", {"tenant": "{slug}", "tier": "schema"}),
)
READS = (
    "/api/ops/tenants",
    "/api/ops/tenants/{slug}",
    "/api/ops/tenants/{slug}/timeline",
    "/api/ops/tenants/{slug}/tables",
    "/api/ops/tenants/{slug}/members",
    "/api/ops/tenants/{slug}/invitations",
    "/api/ops/tenants/{slug}/roles",
    "/api/ops/tenants/{slug}/allowances",
    "/api/ops/clusters",
    "/api/ops/clusters/shared-1",
    "/api/ops/overview",
    "/api/ops/comparison",
    "/api/ops/operations",
    "/api/ops/audit",
    "/api/ops/search?q={slug}",
    "/api/ops/isolation",
    "/api/ops/neighbours",
)


async def test_a_tenant_is_onboarded_behind_the_answer(made: GatewayWorld) -> None:
    slug = new_slug()
    body = {
        "name": "A large company",
        "slug": slug,
        "plan": "enterprise",
        "owner_email": f"cto@{slug}.example",
        "cluster": "dedicated-1",
        "contract": "C-2026-17",
    }
    told = expect(
        await made.client.post("/api/ops/tenants", json=body, headers=ops("signed today")), 202
    )
    assert told["tenant"]["slug"] == slug
    assert told["operation"]["kind"] == "provision"
    assert told["invitation"]["email"] == f"cto@{slug}.example"
    whole = await until_active(made.client, slug)
    assert whole["placement"]["tier"] == "database"
    assert whole["placement"]["cluster"] == "dedicated-1"
    assert whole["size_bytes"] > 0
    assert (whole["members"], whole["operation"]) == (0, None)
    path = f"/api/ops/operations/{told['operation']['id']}"
    operation = expect(await made.client.get(path, headers=ops()), 200)
    assert operation["operation"]["state"] == "done"
    assert [line["step"] for line in operation["log"]]
    trail = expect(await made.client.get(f"/api/ops/audit?tenant={slug}", headers=ops()), 200)
    assert trail["items"][0]["reason"] == "signed today"
    assert trail["items"][0]["detail"]["contract"] == "C-2026-17"


async def test_an_owner_who_has_proved_the_address_needs_no_invitation(made: GatewayWorld) -> None:
    slug, shop = new_slug(), await sign_up(made.client)
    await prove(made, shop.email)
    body = {"name": "B", "slug": slug, "plan": "pro", "owner_email": shop.email}
    told = expect(await made.client.post("/api/ops/tenants", json=body, headers=ops()), 202)
    assert told["invitation"] is None
    await until_active(made.client, slug)
    switched = await made.client.post(
        "/api/switch", json={"tenant": slug}, headers=bearer(await log_in(made, shop))
    )
    own = await made.client.get("/api/tenant", headers=bearer(expect(switched, 200)["token"]))
    assert expect(own, 200)["tier"] == "schema"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"plan": "gold"}, 422),
        ({"slug": "www"}, 422),
        ({"slug": "Upper"}, 422),
        ({"owner_email": "nobody"}, 422),
        ({"name": ""}, 422),
        ({"cluster": "no-such-cluster"}, 422),
        ({"cluster": "shared-1", "plan": "enterprise"}, 422),
        ({"contract": "x" * 501}, 422),
        ({"price": 5}, 422),
    ],
)
async def test_a_wrong_onboarding_leaves_no_half_made_tenant(
    made: GatewayWorld, change: dict[str, object], status: int
) -> None:
    slug = new_slug()
    body = {"name": "x", "slug": slug, "plan": "pro", "owner_email": f"x@{slug}.example"}
    answer = await made.client.post("/api/ops/tenants", json={**body, **change}, headers=ops())
    expect(answer, status)
    expect(await made.client.get(f"/api/ops/tenants/{slug}", headers=ops()), 404)


@pytest.mark.parametrize(("path", "body"), CHANGES)
async def test_every_change_says_why(
    made: GatewayWorld, shop: Customer, path: str, body: dict[str, object] | None
) -> None:
    path = path.format(slug=shop.slug)
    for reason in (None, "", "x" * 501):
        answer = await made.client.post(path, json=body, headers=ops(reason))
        assert "X-Reason" in expect(answer, 400)["detail"]
    expect(await made.client.get("/artists", headers=shop.headers), 200)


async def test_a_reason_may_be_in_any_language(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    headers = [
        (name.encode(), value.encode()) for name, value in ops("Überfällige Zahlung").items()
    ]
    path = f"/api/ops/tenants/{customer.slug}/suspend"
    expect(await made.client.post(path, headers=headers), 200)
    trail = expect(await made.client.get("/api/audit", headers=customer.headers), 200)
    assert trail["items"][0]["reason"] == "Überfällige Zahlung"
    assert trail["items"][0]["actor"].startswith("operator:")


async def test_operators_and_members_have_doors_of_their_own(
    made: GatewayWorld, shop: Customer
) -> None:
    for headers in ({}, shop.headers, bearer(shop.key), bearer(OPS_TOKEN + "x"), bearer("ü")):
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        for path in READS:
            answer = await made.client.get(path.format(slug=shop.slug), headers=sent)
            expect(answer, 401)
        for path, body in CHANGES:
            sent_with_reason = [*sent, (b"X-Reason", b"a test")]
            answer = await made.client.post(
                path.format(slug=shop.slug), json=body, headers=sent_with_reason
            )
            expect(answer, 401)
    expect(await made.client.get("/api/tenant", headers=bearer(OPS_TOKEN)), 401)
    expect(await made.client.get("/artists", headers=bearer(OPS_TOKEN)), 401)


async def test_without_a_token_in_the_settings_nobody_is_an_operator(made: GatewayWorld) -> None:
    settings = made.settings.__class__(
        database_url=made.settings.database_url,
        secret_key=made.settings.secret_key,
        base_domain=made.settings.base_domain,
    )
    async with gateway(settings) as closed:
        for token in ("", "None", OPS_TOKEN):
            answer = await closed.client.get(
                "/api/ops/tenants", headers={"Authorization": f"Bearer {token}".strip()}
            )
            expect(answer, 401)


async def test_a_suspended_tenant_is_not_served_until_it_is_resumed(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    path = f"/api/ops/tenants/{customer.slug}"
    told = expect(await made.client.post(f"{path}/suspend", headers=ops("unpaid")), 200)
    assert told["status"] == "suspended"
    refused = await made.client.get("/artists", headers=customer.headers)
    assert expect(refused, 503)["code"] == "tenant_closed"
    assert int(refused.headers["Retry-After"]) > 0
    own = expect(await made.client.get("/api/tenant", headers=customer.headers), 200)
    assert own["status"] == "suspended"
    in_vain = await made.client.post(f"{path}/maintenance", json={"on": False}, headers=ops())
    expect(in_vain, 409)
    expect(await made.client.post(f"{path}/resume", headers=ops("paid")), 200)
    expect(await made.client.get("/artists", headers=customer.headers), 200)
    trail = expect(await made.client.get("/api/audit?limit=2", headers=customer.headers), 200)
    assert [line["reason"] for line in trail["items"]] == ["paid", "unpaid"]


async def test_maintenance_begins_and_ends(made: GatewayWorld) -> None:
    customer = await make_tenant(made, Tier.SCHEMA)
    path = f"/api/ops/tenants/{customer.id}/maintenance"
    expect(await made.client.post(path, json={"on": True}, headers=ops()), 200)
    expect(await made.client.get("/artists", headers=customer.headers), 503)
    expect(await made.client.post(path, json={"on": False}, headers=ops()), 200)
    expect(await made.client.get("/artists", headers=customer.headers), 200)


async def test_a_plan_changes_the_limits_and_not_the_place(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    path = f"/api/ops/tenants/{customer.slug}/plan"
    told = expect(await made.client.post(path, json={"plan": "pro"}, headers=ops()), 200)
    assert (told["plan"], told["limits"]["seats"]) == ("pro", 50)
    assert told["placement"]["tier"] == "rows"
    own = expect(await made.client.get("/api/tenant", headers=customer.headers), 200)
    assert (own["plan"], own["tier"], own["limits"]["seats"]) == ("pro", "rows", 50)
    expect(await made.client.post(path, json={"plan": "gold"}, headers=ops()), 422)


async def test_tenants_are_listed_page_by_page(made: GatewayWorld) -> None:
    mark = uuid.uuid4().hex[:8]
    slugs = sorted([f"list-{mark}-{letter}" for letter in "abc"])
    await asyncio.gather(*(sign_up(made.client, slug) for slug in slugs))
    found: list[str] = []
    path = f"/api/ops/tenants?search={mark}&limit=2"
    page = expect(await made.client.get(path, headers=ops()), 200)
    while True:
        found += [each["slug"] for each in page["items"]]
        if page["next"] is None:
            break
        page = expect(await made.client.get(f"{path}&after={page['next']}", headers=ops()), 200)
    assert found == slugs
    for query, count in (("tier=rows", 3), ("tier=schema", 0), ("plan=starter&status=active", 3)):
        page = expect(await made.client.get(f"{path}&{query}", headers=ops()), 200)
        assert len(page["items"]) == min(count, 2)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "tier=none", "status=gone", "search=" + "x" * 201]
)
async def test_a_wrong_filter_is_refused(made: GatewayWorld, query: str) -> None:
    expect(await made.client.get(f"/api/ops/tenants?{query}", headers=ops()), 400)


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "1" * 19, "²"])
async def test_a_wrong_cursor_is_refused(made: GatewayWorld, shop: Customer, after: str) -> None:
    answer = await made.client.get("/api/audit", params={"after": after}, headers=shop.headers)
    assert "cursor" in expect(answer, 400)["detail"]


@pytest.mark.parametrize(
    "name", ["no-such", "0f8fad5b-d9cb-469f-a165-70867728950e", "%00", "a" * 300, "..%2f", "ü"]
)
async def test_an_unknown_tenant_is_not_found(made: GatewayWorld, name: str) -> None:
    answer = await made.client.get(f"/api/ops/tenants/{name}", headers=ops())
    assert answer.status_code in {400, 404}, answer.text


async def test_clusters_tell_how_full_they_are(made: GatewayWorld, shop: Customer) -> None:
    listed = expect(await made.client.get("/api/ops/clusters", headers=ops()), 200)
    assert [each["name"] for each in listed["items"]] == ["dedicated-1", "shared-1"]
    shared = listed["items"][1]
    assert shared["role"] == "shared"
    assert 0 < shared["tenants"] < shared["capacity"]
    assert "dsn" not in str(listed)
    assert shop.tier is Tier.ROWS


async def log_in(made: GatewayWorld, customer: Customer) -> str:
    body = {"email": customer.email, "password": PASSWORD}
    return str(expect(await made.client.post("/api/login", json=body), 200)["token"])


async def test_a_tenant_is_found_by_whatever_is_known_of_it(made: GatewayWorld) -> None:
    shop, other = await sign_up(made.client), await sign_up(made.client)
    name, domain = f"100%_{shop.slug}", f"{shop.slug}.example"
    customer, subscription = f"cus_{shop.slug}", f"sub_{shop.slug}"
    plan = await made.client.post(
        f"/api/ops/tenants/{shop.slug}/plan", json={"plan": "pro"}, headers=ops()
    )
    request_id = plan.headers["x-request-id"]
    async with made.platform.catalog.transaction() as connection:
        await tenants.set_name(connection, shop.id, name)
        await connection.execute(
            "INSERT INTO catalog.domain (name, tenant_id, verified_at) VALUES ($1, $2, now())",
            domain,
            shop.id,
        )
        await connection.execute(
            "INSERT INTO catalog.billing (tenant_id, provider, customer_id, seen)"
            " VALUES ($1, 'stripe', $2, jsonb_build_object('subscriptions',"
            " jsonb_build_array(jsonb_build_object('id', $3::text))))"
            " ON CONFLICT (tenant_id) DO UPDATE SET customer_id = $2, seen = excluded.seen",
            shop.id,
            customer,
            subscription,
        )
    guest = f"guest@{shop.slug}.example"
    await made.client.post("/api/invitations", json={"email": guest}, headers=shop.headers)
    for word, way in (
        (shop.slug, "slug"),
        (shop.slug[:-2].upper(), "slug"),
        (str(shop.id), "id"),
        ("100%_" + shop.slug[:-1], "name"),
        (domain, "domain"),
        (shop.email.upper(), "member"),
        (guest, "invited"),
        (customer, "customer"),
        (subscription, "subscription"),
        (request_id, "request"),
    ):
        answer = await made.client.get("/api/ops/search", params={"q": word}, headers=ops())
        found = expect(answer, 200)["items"]
        assert [(each["slug"], each["way"]) for each in found] == [(shop.slug, way)], word
    for nothing in ("100%%", "__", "no such thing", other.slug + "%"):
        answer = await made.client.get("/api/ops/search", params={"q": nothing}, headers=ops())
        assert expect(answer, 200)["items"] == [], nothing
