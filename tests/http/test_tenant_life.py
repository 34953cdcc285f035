"""What operators are told of one tenant: its life, its limits, its people, its tables."""

from __future__ import annotations

import pytest

from router.catalog import latest, loads, usage
from router.catalog.loads import Load
from tests.gateways import Customer, GatewayWorld, expect, ops, sign_up


@pytest.fixture(scope="module")
async def shop(made: GatewayWorld) -> Customer:
    return await sign_up(made.client, plan="pro")


async def test_a_tenants_life_is_read_page_by_page(made: GatewayWorld, shop: Customer) -> None:
    path = f"/api/ops/tenants/{shop.slug}"
    for act in ("suspend", "resume", "suspend", "resume"):
        expect(await made.client.post(f"{path}/{act}", headers=ops(f"to {act}")), 200)
    whole = expect(await made.client.get(f"{path}/timeline", headers=ops()), 200)["items"]
    assert [each["what"] for each in whole[:4]] == [
        "tenant.resume",
        "tenant.suspend",
        "tenant.resume",
        "tenant.suspend",
    ]
    assert (whole[0]["said"], whole[0]["reason"]) == ("suspended → active", "to resume")
    assert "provision.done" in [each["what"] for each in whole]
    assert not [each for each in whole if each["what"].startswith("session.")]
    read: list[object] = []
    after = ""
    while True:
        told = expect(await made.client.get(f"{path}/timeline?limit=2{after}", headers=ops()), 200)
        read += told["items"]
        if told["next"] is None:
            break
        after = f"&after={told['next']}"
    assert read == whole


@pytest.mark.parametrize("after", ["x", "1.audit", "1.secret.0", "99999999999999999.audit.0"])
async def test_a_made_up_cursor_is_refused(made: GatewayWorld, shop: Customer, after: str) -> None:
    path = f"/api/ops/tenants/{shop.slug}/timeline?after={after}"
    told = expect(await made.client.get(path, headers=ops()), 400)
    assert "cursor" in told["detail"]


async def test_each_limit_is_told_beside_its_plans(made: GatewayWorld, shop: Customer) -> None:
    path = f"/api/ops/tenants/{shop.slug}"
    before = expect(await made.client.get(f"{path}/allowances", headers=ops()), 200)
    seats = next(each for each in before["limits"] if each["limit"] == "seats")
    assert (seats["used"], seats["override"]) == (1, None)
    assert seats["allowed"] == seats["by_plan"]
    assert (before["plan"], before["features_override"]) == ("pro", None)
    given: dict[str, object] = {}
    for value, until in ((70, None), (71, "2099-01-01T00:00:00Z")):
        body: dict[str, object] = {"limits": {"seats": value, "features": ["x"]}, "until": until}
        given = expect(
            await made.client.post(f"{path}/limits", json=body, headers=ops("a deal")), 201
        )
    after = expect(await made.client.get(f"{path}/allowances", headers=ops()), 200)
    seats = next(each for each in after["limits"] if each["limit"] == "seats")
    assert (seats["allowed"], seats["override"], seats["reason"]) == (71, given["id"], "a deal")
    assert seats["until"].startswith("2099-01-01")
    assert seats["by_plan"] == next(
        each["by_plan"] for each in before["limits"] if each["limit"] == "seats"
    )
    life = expect(await made.client.get(f"{path}/timeline?limit=1", headers=ops()), 200)["items"]
    assert (life[0]["what"], life[0]["said"]) == ("limits.give", "features x, seats 71")
    assert (after["features"], after["features_override"]) == (["x"], given["id"])
    assert after["features_by_plan"] == before["features_by_plan"]


async def test_operators_read_a_tenants_people_and_no_tokens(
    made: GatewayWorld, shop: Customer
) -> None:
    body = {"email": "eve@elsewhere.example", "role": "viewer"}
    expect(await made.client.post("/api/invitations", json=body, headers=shop.headers), 201)
    path = f"/api/ops/tenants/{shop.slug}"
    people = expect(await made.client.get(f"{path}/members", headers=ops()), 200)["items"]
    assert [(each["email"], each["role"]) for each in people] == [(shop.email, "owner")]
    invited = expect(await made.client.get(f"{path}/invitations", headers=ops()), 200)["items"]
    assert [sorted(each) for each in invited] == [["email", "expires_at", "id", "role"]]
    roles = expect(await made.client.get(f"{path}/roles", headers=ops()), 200)["items"]
    assert roles[0]["name"] == "owner"


async def test_a_tenants_rows_are_counted_table_by_table(
    made: GatewayWorld, shop: Customer
) -> None:
    path = f"/api/ops/tenants/{shop.slug}/tables"
    tables = expect(await made.client.get(path, headers=ops()), 200)["items"]
    assert {"table", "rows", "bytes"} == set(tables[0])
    assert {each["table"] for each in tables} >= {"genre", "track"}


async def test_the_size_is_left_out_for_whoever_does_not_ask(
    made: GatewayWorld, shop: Customer
) -> None:
    path = f"/api/ops/tenants/{shop.slug}"
    whole = expect(await made.client.get(path, headers=ops()), 200)
    brief = expect(await made.client.get(f"{path}?size=false", headers=ops()), 200)
    assert whole["size_bytes"] > 0
    assert whole["lately"] is not None
    assert (brief["size_bytes"], brief["lately"]) == (None, None)
    assert (whole["ends_at"], brief["ends_at"]) == (None, None)


async def test_a_list_says_how_busy_and_large_each_tenant_is(
    made: GatewayWorld, shop: Customer
) -> None:
    async with made.platform.catalog.connection() as connection:
        load = Load(tenant_id=shop.id, requests=41, busy_ms=1, waiting_ms=0)
        await loads.add(connection, [load])
        await usage.measure(connection, shop.id, usage.STORAGE_BYTES, 12_345)
    whole = expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)
    path = f"/api/ops/tenants?search={shop.slug}&standing=good"
    path += f"&cluster={whole['placement']['cluster']}"
    told = expect(await made.client.get(path, headers=ops()), 200)["items"]
    assert [each["slug"] for each in told] == [shop.slug]
    lately = told[0]["lately"]
    assert (lately["requests"], lately["stored_bytes"]) == (41, 12_345)
    assert lately["active_at"] is not None
    assert whole["lately"] == lately
    for narrowed in ("standing=grace", "cluster=nowhere"):
        path = f"/api/ops/tenants?search={shop.slug}&{narrowed}"
        assert expect(await made.client.get(path, headers=ops()), 200)["items"] == []
    expect(await made.client.get("/api/ops/tenants?standing=tall", headers=ops()), 400)


@pytest.mark.parametrize(
    ("revision", "revisions", "told"),
    [
        ("0002", ("0001", "0002"), False),
        ("0001", ("0001", "0002"), True),
        ("0003", ("0001", "0002"), None),
        (None, ("0001", "0002"), None),
        ("0001", (), None),
    ],
)
def test_a_place_is_behind_only_where_that_is_known(
    *, revision: str | None, revisions: tuple[str, ...], told: bool | None
) -> None:
    assert latest.is_behind(revision, revisions) is told
