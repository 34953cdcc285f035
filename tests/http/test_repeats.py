"""Idempotency-Key: a repeated request gets the first one's answer, and runs once."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from httpx import Response

from router.words import Tier
from tests.gateways import (
    HEARD_S_MAX,
    PASSWORD,
    Customer,
    GatewayWorld,
    expect,
    make_tenant,
    new_slug,
    ops,
    sign_up,
)


def keyed(headers: dict[str, str], key: str | None = None) -> dict[str, str]:
    return {**headers, "Idempotency-Key": key or uuid.uuid4().hex}


@pytest.fixture(scope="module", params=list(Tier))
async def customer(made: GatewayWorld, request: pytest.FixtureRequest) -> Customer:
    return await make_tenant(made, request.param)


async def test_a_repeated_row_is_written_once(made: GatewayWorld, customer: Customer) -> None:
    headers, name = keyed(customer.headers), uuid.uuid4().hex
    first = await write(made, headers, name)
    again = await write(made, headers, name)
    assert (expect(again, 201), again.content) == (expect(first, 201), first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert await count(made, customer, name) == 1


async def test_a_key_is_for_one_request(made: GatewayWorld, customer: Customer) -> None:
    headers = keyed(customer.headers)
    expect(await write(made, headers, "one"), 201)
    expect(await write(made, headers, "another"), 422)
    other_path = await made.client.post("/genres", json={"name": "one"}, headers=headers)
    expect(other_path, 422)


async def test_a_refused_row_may_be_sent_again(made: GatewayWorld, customer: Customer) -> None:
    headers = keyed(customer.headers)
    expect(await made.client.post("/artists", json={"name": 5}, headers=headers), 422)
    expect(await write(made, headers, "now right"), 201)


async def test_duplicate_rows_at_once_are_written_once(
    made: GatewayWorld, customer: Customer
) -> None:
    headers, name = keyed(customer.headers), uuid.uuid4().hex
    answers = await asyncio.gather(*(write(made, headers, name) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await count(made, customer, name) == 1


async def test_a_key_of_one_tenant_is_unknown_to_another(
    made: GatewayWorld, customer: Customer, shop: Customer
) -> None:
    key, name = uuid.uuid4().hex, uuid.uuid4().hex
    for each in (customer, shop):
        answer = await write(made, keyed(each.headers, key), name)
        assert "Idempotency-Replayed" not in answer.headers
        assert await count(made, each, name) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
@pytest.mark.parametrize("path", ["/artists", "/api/keys", "/api/login"])
async def test_a_wrong_key_is_refused(
    made: GatewayWorld, shop: Customer, path: str, key: str
) -> None:
    headers = {**shop.headers, "Idempotency-Key": key}
    answer = await made.client.post(path, json={"name": "x"}, headers=headers)
    assert "Idempotency-Key" in expect(answer, 400)["detail"]


async def test_a_key_on_a_read_is_of_no_matter(made: GatewayWorld, shop: Customer) -> None:
    headers = keyed(shop.headers)
    for path in ("/artists", "/api/tenant", "/api/tenant"):
        answer = await made.client.get(path, headers=headers)
        expect(answer, 200)
        assert "Idempotency-Replayed" not in answer.headers


async def test_a_repeated_sign_up_makes_one_tenant(made: GatewayWorld) -> None:
    slug = new_slug()
    body = {"email": f"o@{slug}.example", "password": PASSWORD, "company": "A", "slug": slug}
    headers = keyed({})
    first = await made.client.post("/api/signup", json=body, headers=headers)
    again = await made.client.post("/api/signup", json=body, headers=headers)
    assert expect(again, 201) == expect(first, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await made.client.post(
        "/api/signup", json={**body, "password": PASSWORD + "!"}, headers=headers
    )
    expect(other, 422)


async def test_duplicate_sign_ups_at_once_make_one_tenant(made: GatewayWorld) -> None:
    slug = new_slug()
    body = {"email": f"o@{slug}.example", "password": PASSWORD, "company": "A", "slug": slug}
    headers = keyed({})
    answers = await asyncio.gather(
        *(made.client.post("/api/signup", json=body, headers=headers) for _ in range(6))
    )
    made_at_once = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(made_at_once) + len(refused) == 6
    assert len({answer.content for answer in made_at_once}) == 1
    assert all(answer.headers["Retry-After"] == "1" for answer in refused)
    async with made.platform.catalog.connection() as connection:
        operations = await connection.fetchval(
            "SELECT count(*) FROM catalog.operation AS o JOIN catalog.tenant AS t "
            "ON t.id = o.tenant_id WHERE t.slug = $1",
            slug,
        )
    assert operations == 1


async def test_a_repeated_key_is_issued_once(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    headers, body = keyed(customer.headers), {"name": "once", "role": "viewer"}
    answers = await asyncio.gather(
        *(made.client.post("/api/keys", json=body, headers=headers) for _ in range(6))
    )
    first = next(answer for answer in answers if answer.status_code == 201)
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = await made.client.post("/api/keys", json=body, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    listed = expect(await made.client.get("/api/keys", headers=customer.headers), 200)
    assert [key["name"] for key in listed["items"]].count("once") == 1
    trail = expect(await made.client.get("/api/audit", headers=customer.headers), 200)
    assert [line["detail"].get("name") for line in trail["items"]].count("once") == 1


async def test_a_refused_change_may_be_sent_again(made: GatewayWorld) -> None:
    customer = await sign_up(made.client, plan="pro")
    headers, body = keyed(customer.headers), {"name": "later", "role": "made-later"}
    expect(await made.client.post("/api/keys", json=body, headers=headers), 422)
    role = {"permissions": ["rows.read"]}
    expect(await made.client.put("/api/roles/made-later", json=role, headers=customer.headers), 200)
    expect(await made.client.post("/api/keys", json=body, headers=headers), 201)


async def test_a_kept_secret_is_sealed(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    headers, body = keyed(customer.headers), {"name": "sealed", "role": "viewer"}
    secret = expect(await made.client.post("/api/keys", json=body, headers=headers), 201)["secret"]
    async with made.platform.catalog.connection() as connection:
        rows = await connection.fetch("SELECT * FROM catalog.answer")
    assert rows
    assert not any(secret.encode() in row["body_sealed"] for row in rows if row["body_sealed"])


async def test_who_lost_the_permission_gets_no_kept_answer(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    email = f"m@{customer.slug}.example"
    new = {"email": email, "password": PASSWORD, "role": "admin"}
    member = expect(await made.client.post("/api/members", json=new, headers=customer.headers), 201)
    told = await made.client.post("/api/login", json={"email": email, "password": PASSWORD})
    headers = keyed({"Authorization": f"Bearer {expect(told, 200)['token']}"})
    body = {"name": "mine", "role": "viewer"}
    expect(await made.client.post("/api/keys", json=body, headers=headers), 201)
    path = f"/api/members/{member['id']}"
    expect(await made.client.patch(path, json={"role": "viewer"}, headers=customer.headers), 200)
    async with asyncio.timeout(HEARD_S_MAX):
        while True:
            answer = await made.client.post("/api/keys", json=body, headers=headers)
            if answer.status_code == 403:
                return
            await asyncio.sleep(0.01)


async def test_a_repeated_onboarding_makes_one_tenant(made: GatewayWorld) -> None:
    slug = new_slug()
    body = {"name": "A", "slug": slug, "plan": "pro", "owner_email": f"o@{slug}.example"}
    headers = keyed(ops())
    first = expect(await made.client.post("/api/ops/tenants", json=body, headers=headers), 202)
    again = await made.client.post("/api/ops/tenants", json=body, headers=headers)
    assert expect(again, 202) == first
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_an_answer_without_a_body_is_repeated_too(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    body = {"name": "short-lived", "role": "viewer"}
    made_key = expect(await made.client.post("/api/keys", json=body, headers=customer.headers), 201)
    headers, path = keyed(customer.headers), f"/api/keys/{made_key['id']}"
    for replayed in (None, "true"):
        answer = await made.client.delete(path, headers=headers)
        expect(answer, 204)
        assert answer.headers.get("Idempotency-Replayed") == replayed
        assert answer.content == b""


async def write(made: GatewayWorld, headers: dict[str, str], name: str) -> Response:
    return await made.client.post("/artists", json={"name": name}, headers=headers)


async def count(made: GatewayWorld, customer: Customer, name: str) -> int:
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = expect(
            await made.client.get(f"/artists?limit=200{after}", headers=customer.headers), 200
        )
        rows += page["items"]
        if page["next"] is None:
            return [row["name"] for row in rows].count(name)
        after = f"&after={page['next']}"
