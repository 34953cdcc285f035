"""Members, invitations, custom roles and API keys."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from httpx import Response

from router.catalog import members
from tests.gateways import (
    HEARD_S_MAX,
    PASSWORD,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    make_key,
    new_slug,
    ops,
    prove,
    sign_up,
)

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
NEW_PASSWORD = "a password of the invited"


@pytest.fixture(scope="module")
async def studio(made: GatewayWorld) -> Customer:
    """A tenant whose plan has custom roles."""
    return await sign_up(made.client, plan="pro")


async def test_a_member_can_be_added_and_log_in(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    email = f"m@{customer.slug}.example"
    added = await add(made, customer, email=email, role="member", password=PASSWORD)
    assert added["role"] == "member"
    listed = expect(await made.client.get("/api/members", headers=customer.headers), 200)
    assert [each["email"] for each in listed["items"]] == [email, customer.email]
    told = await made.client.post("/api/login", json={"email": email, "password": PASSWORD})
    token = expect(told, 200)["token"]
    expect(await made.client.post("/artists", json={"name": "X"}, headers=bearer(token)), 201)


async def test_a_member_without_an_account_needs_a_password(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    answer = await made.client.post(
        "/api/members", json={"email": "nobody@x.example"}, headers=customer.headers
    )
    assert "invitation" in expect(answer, 422)["detail"]


async def test_nobody_sets_the_password_of_an_account_that_is_there(
    made: GatewayWorld, shop: Customer
) -> None:
    customer = await sign_up(made.client)
    answer = await made.client.post(
        "/api/members",
        json={"email": shop.email, "password": NEW_PASSWORD},
        headers=customer.headers,
    )
    expect(answer, 409)
    expect(
        await made.client.post("/api/login", json={"email": shop.email, "password": PASSWORD}), 200
    )


async def test_who_has_not_proved_an_address_is_not_added_by_it(made: GatewayWorld) -> None:
    customer, early = await sign_up(made.client), await sign_up(made.client)
    body = {"email": early.email, "role": "member"}
    answer = await made.client.post("/api/members", json=body, headers=customer.headers)
    assert "invitation" in expect(answer, 409)["detail"]
    await prove(made, early.email)
    added = await add(made, customer, email=early.email, role="member")
    assert added["email"] == early.email


async def test_a_role_that_changes_is_heeded_at_once(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    email = f"m@{customer.slug}.example"
    added = await add(made, customer, email=email, role="member", password=PASSWORD)
    told = await made.client.post("/api/login", json={"email": email, "password": PASSWORD})
    headers = bearer(expect(told, 200)["token"])
    path = f"/api/members/{added['id']}"
    expect(await made.client.patch(path, json={"role": "viewer"}, headers=customer.headers), 200)
    async with asyncio.timeout(HEARD_S_MAX):
        while (await write(made, headers)).status_code != 403:
            await asyncio.sleep(0.01)
    expect(await made.client.delete(path, headers=customer.headers), 204)
    await until(made, "/artists", headers, 404)


async def test_who_became_an_owner_just_now_is_demoted_by_owners_alone(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    added = await add(made, customer, email=f"m@{customer.slug}.example", password=PASSWORD)
    admin = bearer(await make_key(made.client, customer.token, role="admin"))
    path, member_id = f"/api/members/{added['id']}", uuid.UUID(added["id"])

    def ask(method: str) -> asyncio.Task[Response]:
        body = {"role": "viewer"} if method == "PATCH" else None
        asked = made.client.request(method, path, json=body, headers=admin)
        return asyncio.get_running_loop().create_task(asked)

    async with made.platform.catalog.transaction() as connection:
        await members.set_role(connection, customer.id, member_id, role="owner")
        asked = [ask("PATCH"), ask("DELETE")]
        await until_waiting(made, len(asked))
    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [403, 403]


async def until_waiting(made: GatewayWorld, count: int) -> None:
    """Wait until so many statements stand in line for a lock."""
    async with asyncio.timeout(HEARD_S_MAX), made.platform.catalog.connection() as connection:
        while await connection.fetchval(_WAITING) < count:
            await asyncio.sleep(0.02)


async def test_the_last_owner_stays(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    listed = expect(await made.client.get("/api/members", headers=customer.headers), 200)
    path = f"/api/members/{listed['items'][0]['id']}"
    demoted = await made.client.patch(path, json={"role": "admin"}, headers=customer.headers)
    assert "owner" in expect(demoted, 409)["detail"]
    expect(await made.client.delete(path, headers=customer.headers), 409)


async def test_a_plan_has_only_so_many_seats(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    for number in range(4):
        email = f"m{number}@{customer.slug}.example"
        await add(made, customer, email=email, role="viewer", password=PASSWORD)
    answer = await made.client.post(
        "/api/members",
        json={"email": f"m5@{customer.slug}.example", "password": PASSWORD},
        headers=customer.headers,
    )
    told = expect(answer, 429)
    assert told["code"] == "limit_reached"
    assert "5 seats" in told["detail"]
    assert (told["metric"], told["limit"], told["used"]) == ("seats", 5, 5)
    assert told["upgrade_url"].endswith("/upgrade")


async def test_the_last_seat_is_taken_once(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)

    async def ask(number: int) -> int:
        body = {"email": f"m{number}@{customer.slug}.example", "password": PASSWORD}
        client = made.gateways[number % 2].client
        answer = await client.post("/api/members", json=body, headers=customer.headers)
        return answer.status_code

    answers = await asyncio.gather(*(ask(number) for number in range(10)))
    assert sorted(answers) == [201] * 4 + [429] * 6


async def test_nobody_gives_more_than_it_has(made: GatewayWorld) -> None:
    customer = await sign_up(made.client, plan="pro")
    admin = bearer(await make_key(made.client, customer.token, role="admin"))
    new = {"email": f"m@{customer.slug}.example", "password": PASSWORD, "role": "owner"}
    expect(await made.client.post("/api/members", json=new, headers=admin), 403)
    expect(
        await made.client.post("/api/keys", json={"name": "x", "role": "owner"}, headers=admin), 403
    )
    invited = {"email": "m@x.example", "role": "owner"}
    expect(await made.client.post("/api/invitations", json=invited, headers=admin), 403)
    role = {"permissions": ["billing.write"]}
    expect(await made.client.put("/api/roles/biller", json=role, headers=admin), 403)
    listed = expect(await made.client.get("/api/members", headers=admin), 200)
    path = f"/api/members/{listed['items'][0]['id']}"
    expect(await made.client.patch(path, json={"role": "viewer"}, headers=admin), 403)
    expect(await made.client.delete(path, headers=admin), 403)


async def test_an_invitation_makes_an_account(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    email = f"new@{customer.slug}.example"
    invited = await invite(made, customer, email, role="viewer")
    listed = expect(await made.client.get("/api/invitations", headers=customer.headers), 200)
    assert [each["email"] for each in listed["items"]] == [email]
    assert "token" not in listed["items"][0]
    told = expect(await accept(made, invited["token"], NEW_PASSWORD), 200)
    assert (told["role"], told["user"]["email"]) == ("viewer", email)
    assert told["tenant"]["slug"] == customer.slug
    expect(await made.client.get("/artists", headers=bearer(told["token"])), 200)
    expect(await accept(made, invited["token"], NEW_PASSWORD), 404)


async def test_an_invitation_takes_the_password_of_an_account_that_is_there(
    made: GatewayWorld, shop: Customer
) -> None:
    customer = await sign_up(made.client)
    invited = await invite(made, customer, shop.email, role="admin")
    expect(await accept(made, invited["token"], NEW_PASSWORD), 401)
    told = expect(await accept(made, invited["token"], PASSWORD), 200)
    assert told["tenant"]["slug"] == customer.slug


async def test_a_withdrawn_or_made_up_invitation_opens_nothing(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    invited = await invite(made, customer, f"w@{customer.slug}.example", role="member")
    path = f"/api/invitations/{invited['id']}"
    expect(await made.client.delete(path, headers=customer.headers), 204)
    expect(await made.client.delete(path, headers=customer.headers), 404)
    for token in (invited["token"], "stw_i_" + "A" * 43, "x", customer.token):
        expect(await accept(made, token, NEW_PASSWORD), 404)


async def test_custom_roles_come_with_a_plan_that_has_them(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    path, role = "/api/roles/auditor", {"permissions": ["audit.read"]}
    refused = expect(await made.client.put(path, json=role, headers=customer.headers), 403)
    assert refused["detail"] == (
        "the plan starter doesn't include custom roles: change to pro or enterprise"
    )
    body = {"plan": "pro"}
    changed = await made.client.post(
        f"/api/ops/tenants/{customer.slug}/plan", json=body, headers=ops()
    )
    expect(changed, 200)
    expect(await made.client.put(path, json=role, headers=customer.headers), 200)


async def test_a_custom_role_allows_what_it_says(made: GatewayWorld) -> None:
    customer = await sign_up(made.client, plan="pro")
    path, owner = "/api/roles/auditor", customer.headers
    role = {"permissions": ["audit.read", "rows.read"]}
    expect(await made.client.put(path, json=role, headers=owner), 200)
    auditor = bearer(await make_key(made.client, customer.token, role="auditor"))
    expect(await made.client.get("/api/audit", headers=auditor), 200)
    expect(await made.client.get("/artists", headers=auditor), 200)
    expect(await made.client.post("/artists", json={"name": "X"}, headers=auditor), 403)
    expect(await made.client.get("/api/members", headers=auditor), 403)
    expect(await made.client.put(path, json={"permissions": []}, headers=owner), 200)
    await until(made, "/api/audit", auditor, 403)
    expect(await made.client.delete(path, headers=owner), 409)
    listed = expect(await made.client.get("/api/roles", headers=owner), 200)
    assert [each["name"] for each in listed["items"]][-2:] == ["viewer", "auditor"]


@pytest.mark.parametrize(
    ("name", "permissions", "status"),
    [
        ("owner", [], 422),
        ("Upper", [], 422),
        ("x" * 41, [], 400),
        ("nul%00", [], 422),
        ("fine", ["rows.fly"], 422),
        ("fine", "rows.read", 422),
        ("fine", ["rows.read"] * 51, 422),
    ],
)
async def test_a_wrong_role_is_refused(
    made: GatewayWorld, studio: Customer, name: str, permissions: object, status: int
) -> None:
    answer = await made.client.put(
        f"/api/roles/{name}", json={"permissions": permissions}, headers=studio.headers
    )
    expect(answer, status)


async def test_a_key_works_until_it_is_revoked(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    answer = await made.client.post(
        "/api/keys", json={"name": "a program", "role": "viewer"}, headers=customer.headers
    )
    made_key = expect(answer, 201)
    headers = bearer(made_key["secret"])
    expect(await made.client.get("/artists", headers=headers), 200)
    listed = await made.client.get("/api/keys", headers=customer.headers)
    assert made_key["secret"] not in listed.text
    path = f"/api/keys/{made_key['id']}"
    expect(await made.client.delete(path, headers=customer.headers), 204)
    await until(made, "/artists", headers, 401)


async def test_another_tenants_members_and_keys_are_not_there(
    made: GatewayWorld, shop: Customer
) -> None:
    stranger = await sign_up(made.client)
    members = expect(await made.client.get("/api/members", headers=shop.headers), 200)
    keys = expect(await made.client.get("/api/keys", headers=shop.headers), 200)
    for foreign, unknown in (
        (f"/api/members/{members['items'][0]['id']}", f"/api/members/{uuid.uuid4()}"),
        (f"/api/keys/{keys['items'][0]['id']}", "/api/keys/aaaaaaaaaaaaaaaa"),
    ):
        answers = [
            await made.client.delete(path, headers=stranger.headers) for path in (foreign, unknown)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
    expect(await made.client.get("/api/tenant", headers=shop.headers), 200)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/members", {"email": "x"}),
        ("POST", "/api/members", {"email": "x@a.example", "role": "no such role"}),
        ("POST", "/api/members", {"email": "x@a.example", "password": "short"}),
        ("POST", "/api/members", {"email": "x@a.example", "tenant_id": 1}),
        ("POST", "/api/keys", {"name": ""}),
        ("POST", "/api/keys", {"name": "x", "role": "nul\x00"}),
        ("POST", "/api/keys", {"name": "x" * 201}),
        ("POST", "/api/keys", {"name": "nul\x00"}),
        ("POST", "/api/keys", {"name": "x", "secret": "mine"}),
        ("POST", "/api/invitations", {"email": "x@@", "role": "member"}),
        ("POST", "/api/invitations", {"email": "x@a.example", "role": "none"}),
        ("POST", "/api/invitations/accept", {"token": "x"}),
    ],
)
async def test_a_wrong_body_is_refused(
    made: GatewayWorld, shop: Customer, method: str, path: str, body: dict[str, object]
) -> None:
    answer = await made.client.request(method, path, json=body, headers=shop.headers)
    expect(answer, 422)


async def test_what_members_do_is_in_their_audit(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    email = f"m@{new_slug()}.example"
    headers = {**customer.headers, "X-Request-Id": "the-request-that-added"}
    body = {"email": email, "password": PASSWORD}
    expect(await made.client.post("/api/members", json=body, headers=headers), 201)
    page = expect(await made.client.get("/api/audit?limit=1", headers=customer.headers), 200)
    line = page["items"][0]
    assert (line["action"], line["detail"]["email"]) == ("member.add", email)
    assert line["request_id"] == "the-request-that-added"
    assert line["actor"].startswith("account:")
    actions = [line["action"]]
    while page["next"] is not None:
        path = f"/api/audit?limit=1&after={page['next']}"
        page = expect(await made.client.get(path, headers=customer.headers), 200)
        actions += [each["action"] for each in page["items"]]
    assert actions == ["member.add", "key.create", "tenant.create"]


async def add(made: GatewayWorld, customer: Customer, **new: object) -> dict[str, Any]:
    answer = await made.client.post("/api/members", json=new, headers=customer.headers)
    return expect(answer, 201)


async def invite(
    made: GatewayWorld, customer: Customer, email: str, *, role: str
) -> dict[str, Any]:
    body = {"email": email, "role": role}
    answer = await made.client.post("/api/invitations", json=body, headers=customer.headers)
    return expect(answer, 201)


async def write(made: GatewayWorld, headers: dict[str, str]) -> Response:
    return await made.client.post("/artists", json={"name": "X"}, headers=headers)


async def accept(made: GatewayWorld, token: str, password: str) -> Response:
    body = {"token": token, "password": password}
    return await made.client.post("/api/invitations/accept", json=body)


async def until(made: GatewayWorld, path: str, headers: dict[str, str], status: int) -> None:
    """Wait until a change is heeded."""
    async with asyncio.timeout(HEARD_S_MAX):
        while (await made.client.get(path, headers=headers)).status_code != status:
            await asyncio.sleep(0.01)
