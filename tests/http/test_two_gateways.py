"""Two gateways over one catalog: what one is told, the other heeds at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from httpx import AsyncClient, Response

from tests.gateways import (
    HEARD_S_MAX,
    PASSWORD,
    GatewayWorld,
    bearer,
    expect,
    ops,
    sign_up,
)


def clients(made: GatewayWorld) -> tuple[AsyncClient, AsyncClient]:
    first, second = made.gateways
    return first.client, second.client


async def test_a_tenant_of_one_is_served_by_the_other(made: GatewayWorld) -> None:
    first, second = clients(made)
    customer = await sign_up(first)
    expect(await second.post("/artists", json={"name": "X"}, headers=customer.headers), 201)
    listed = expect(await first.get("/artists", headers=bearer(customer.key)), 200)
    assert [row["name"] for row in listed["items"]] == ["X"]


async def test_an_unknown_slug_is_known_once_it_is_taken(made: GatewayWorld) -> None:
    first, second = clients(made)
    stranger = await sign_up(first)
    host = {"X-Tenant": "taken-later"}
    unbound = await first.post(
        "/api/signup",
        json={
            "email": stranger.email,
            "password": PASSWORD,
            "company": "second",
            "slug": stranger.slug + "-2",
        },
    )
    expect(unbound, 201)
    told = await second.post("/api/login", json={"email": stranger.email, "password": PASSWORD})
    headers = {**bearer(expect(told, 200)["token"]), **host}
    expect(await second.get("/artists", headers=headers), 404)
    await sign_up(first, "taken-later", email=stranger.email)
    await until_answered(lambda: second.get("/artists", headers=headers), 200)


async def test_a_suspension_is_heeded(made: GatewayWorld) -> None:
    first, second = clients(made)
    customer = await sign_up(first)
    expect(await second.get("/artists", headers=customer.headers), 200)
    path = f"/api/ops/tenants/{customer.slug}"
    expect(await first.post(f"{path}/suspend", headers=ops()), 200)
    expect(await first.get("/artists", headers=customer.headers), 503)
    await until_answered(lambda: second.get("/artists", headers=customer.headers), 503)
    expect(await first.post(f"{path}/resume", headers=ops()), 200)
    await until_answered(lambda: second.get("/artists", headers=customer.headers), 200)


async def test_a_revoked_key_is_refused(made: GatewayWorld) -> None:
    first, second = clients(made)
    customer = await sign_up(first)
    body = {"name": "x", "role": "member"}
    issued = expect(await first.post("/api/keys", json=body, headers=customer.headers), 201)
    headers = bearer(issued["secret"])
    expect(await second.get("/artists", headers=headers), 200)
    expect(await first.delete(f"/api/keys/{issued['id']}", headers=customer.headers), 204)
    await until_answered(lambda: second.get("/artists", headers=headers), 401)
    await until_answered(lambda: first.get("/artists", headers=headers), 401)


async def test_a_session_that_ended_is_refused(made: GatewayWorld) -> None:
    first, second = clients(made)
    customer = await sign_up(first)
    expect(await second.get("/artists", headers=customer.headers), 200)
    expect(await first.post("/api/logout", headers=customer.headers), 204)
    await until_answered(lambda: second.get("/artists", headers=customer.headers), 401)


async def test_a_member_who_was_taken_out_is_refused(made: GatewayWorld) -> None:
    first, second = clients(made)
    customer = await sign_up(first)
    body = {"email": f"m@{customer.slug}.example", "password": PASSWORD}
    member = expect(await first.post("/api/members", json=body, headers=customer.headers), 201)
    told = await second.post("/api/login", json=body)
    headers = bearer(expect(told, 200)["token"])
    expect(await second.get("/artists", headers=headers), 200)
    expect(await first.delete(f"/api/members/{member['id']}", headers=customer.headers), 204)
    await until_answered(lambda: second.get("/artists", headers=headers), 404)


async def test_an_answer_is_repeated_by_the_other(made: GatewayWorld) -> None:
    first, second = clients(made)
    customer = await sign_up(first)
    for path, body in (("/artists", {"name": "X"}), ("/api/keys", {"name": "X"})):
        headers = {**customer.headers, "Idempotency-Key": f"both {path}"}
        here = await first.post(path, json=body, headers=headers)
        there = await second.post(path, json=body, headers=headers)
        assert (there.status_code, there.content) == (here.status_code, here.content)
        assert there.headers["Idempotency-Replayed"] == "true"


async def until_answered(ask: Callable[[], Awaitable[Response]], status: int) -> None:
    async with asyncio.timeout(HEARD_S_MAX):
        while (await ask()).status_code != status:
            await asyncio.sleep(0.01)
