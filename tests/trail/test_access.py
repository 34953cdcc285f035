"""Staff's access to a tenant's rows, from the request to what the tenant sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from router.words import Tier
from tests.gateways import Customer, GatewayWorld, expect, make_tenant, ops
from tests.trail.scribbling import GATES
from tests.trail.staffed import PATH, Colleague, act, ask, enter, transcript

DEADLINE_S = 30.0
INSERT = "INSERT INTO "


async def test_the_tenant_sees_an_access_from_the_request_to_the_end(
    made: GatewayWorld, operator: Colleague, second: Colleague
) -> None:
    shop = await make_tenant(made, Tier.ROWS)
    access_id, token = await enter(made, operator, shop.slug, approver=second)
    answer = await made.client.post(
        "/notes", json={"text": "a secret of the tenant", "tags": []}, headers=token
    )
    assert answer.status_code == 201, answer.text
    expect(await made.client.get("/notes/1?color=red&color=blue", headers=token), 200)
    (seen,) = expect(await made.client.get("/api/access", headers=shop.headers), 200)["items"]
    assert (seen["by"], seen["approved_by"], seen["mode"], seen["state"]) == (
        operator.email,
        second.email,
        "write",
        "active",
    )
    assert (seen["reason"], seen["ticket"]) == ("ticket 4711 asks for it", "T-4711")
    await act(made, second, access_id, "end")
    assert expect(await made.client.get("/api/access", headers=shop.headers), 200)["items"] == []
    kept = expect(await made.client.get("/api/access?past=true", headers=shop.headers), 200)
    (over,) = [each for each in kept["items"] if each["id"] == access_id]
    assert (over["state"], over["requests"]) == ("ended", 2)
    deeds = await trail_of(made, shop, access_id)
    assert [(each["action"], each["actor"].partition(":")[2]) for each in deeds] == [
        ("access.ask", operator.email),
        ("access.approve", second.email),
        ("access.begin", operator.email),
        ("access.use", operator.email),
        ("access.use", operator.email),
        ("access.end", second.email),
    ]
    assert deeds[3]["detail"] == {"request": "POST /notes"}
    assert deeds[4]["detail"] == {"request": "GET /notes/1?color"}
    assert deeds[4]["actor"] == f"staff:{operator.email}"
    assert len(deeds[5]["detail"]["transcript"]) == 64
    lines = await transcript(made, second, access_id)
    assert [(each["method"], each["path"], each["status"]) for each in lines] == [
        ("POST", "/notes", 201),
        ("GET", "/notes/1?color", 200),
    ]
    assert any(text.startswith(INSERT) for text in lines[0]["statements"])
    assert lines[0]["statements"][-1] == "COMMIT"
    assert "a secret of the tenant" not in str(lines)
    told = await made.client.get(f"/api/access/{access_id}/transcript", headers=shop.headers)
    assert expect(told, 200)["items"] == lines


@pytest.mark.parametrize("tier", list(Tier))
async def test_reading_is_all_that_the_database_lets_a_reader_do(
    made: GatewayWorld, homes: dict[Tier, Customer], observer: Colleague, tier: Tier
) -> None:
    tenant = homes[tier]
    access_id, token = await enter(made, observer, tenant.slug)
    refused = await made.client.post("/notes", json={"text": "x", "tags": []}, headers=token)
    assert expect(refused, 403)["code"] == "not_allowed"
    for path in ("/scribbled/x", "/dashed/x", "/kept/x"):
        answer = await made.client.get(path, headers=token)
        assert expect(answer, 403)["code"] == "read_only", path
    assert (await made.client.get("/escalated", headers=token)).is_error
    assert (await made.client.get("/notes", headers=token)).json() == []
    lines = await transcript(made, observer, access_id)
    assert [each["status"] for each in lines] == [403, 403, 403, 403, lines[4]["status"], 200]
    assert lines[0]["statements"] == []
    for line in lines[1:4]:
        assert line["statements"][0].startswith(INSERT), line


async def test_each_lane_tells_each_statement(
    made: GatewayWorld, shop: Customer, operator: Colleague, second: Colleague
) -> None:
    access_id, token = await enter(made, operator, shop.slug, approver=second)
    for path in ("/scribbled/x", "/dashed/x", "/kept/x", "/many"):
        answer = await made.client.get(path, headers={**token, "Idempotency-Key": path})
        assert answer.status_code == 200, answer.text
    told = [each["statements"] for each in await transcript(made, operator, access_id)]
    kinds = [[text.split()[0] for text in statements] for statements in told]
    assert kinds == [
        ["INSERT", "COMMIT"],
        ["INSERT", "COMMIT"],
        ["INSERT", "COMMIT", "SELECT", "COMMIT"],
        ["UPDATE", "UPDATE", "COMMIT"],
    ]
    await act(made, operator, access_id, "end")


async def test_an_end_holds_at_once_everywhere_and_in_mid_request(
    made: GatewayWorld, shop: Customer, operator: Colleague, second: Colleague
) -> None:
    access_id, token = await enter(made, operator, shop.slug)
    for gateway in made.gateways:
        expect(await gateway.client.get("/notes", headers=token), 200)
    GATES[access_id] = has_begun, may_go_on = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(DEADLINE_S):
        waiting = asyncio.create_task(made.client.get(f"/waiting/{access_id}", headers=token))
        await has_begun.wait()
        await act(made, second, access_id, "end")
        may_go_on.set()
        refused = expect(await waiting, 401)
    assert "has ended" in refused["detail"]
    for gateway in made.gateways:
        expect(await gateway.client.get("/notes", headers=token), 401)
    lines = await transcript(made, second, access_id)
    assert [each["status"] for each in lines] == [200, 200, None]
    assert lines[2]["statements"] == ["SELECT 'before'"]
    again = await act(made, second, access_id, "end")
    assert again["ended_by"] == second.email


async def test_a_request_that_is_broken_off_stands_there_without_a_status(
    made: GatewayWorld, shop: Customer, operator: Colleague
) -> None:
    access_id, token = await enter(made, operator, shop.slug)
    GATES[access_id] = has_begun, may_go_on = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(DEADLINE_S):
        leaving = asyncio.create_task(made.client.get(f"/waiting/{access_id}", headers=token))
        await has_begun.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    (line,) = await transcript(made, operator, access_id)
    assert (line["status"], line["statements"]) == (None, ["SELECT 'before'"])
    await act(made, operator, access_id, "end")
    may_go_on.set()


async def test_what_staff_do_is_not_counted_as_the_tenants_use(
    made: GatewayWorld, operator: Colleague
) -> None:
    tenant = await make_tenant(made, Tier.ROWS)
    own = await made.client.get("/notes", headers=tenant.headers)
    _, token = await enter(made, operator, tenant.slug)
    theirs = await made.client.get("/notes", headers=token)
    assert any("limit" in name for name in own.headers)
    assert not any("limit" in name for name in theirs.headers)


async def test_the_lists_say_who_has_access_and_page_by_cursor(
    made: GatewayWorld, operator: Colleague, observer: Colleague
) -> None:
    tenant = await make_tenant(made, Tier.ROWS)
    asked = [await ask(made, observer, tenant.slug) for _ in range(3)]
    await act(made, operator, asked[0], "deny")
    await act(made, observer, asked[1], "end")
    await act(made, observer, asked[2], "enter")
    params: dict[str, Any] = {"tenant": tenant.slug, "limit": 2}
    first = expect(await made.client.get(PATH, params=params, headers=ops()), 200)
    params["after"] = first["next"]
    rest = expect(await made.client.get(PATH, params=params, headers=ops()), 200)
    listed = [(each["id"], each["state"]) for each in [*first["items"], *rest["items"]]]
    assert listed == [*zip(reversed(asked), ("active", "withdrawn", "denied"), strict=True)]
    active = {"tenant": tenant.slug, "state": "active"}
    (only,) = expect(await made.client.get(PATH, params=active, headers=ops()), 200)["items"]
    assert only == expect(await made.client.get(f"{PATH}/{asked[2]}", headers=ops()), 200)
    for wrong in ({"after": "x"}, {"state": "asleep"}, {"limit": 0}):
        expect(await made.client.get(PATH, params=wrong, headers=ops()), 400)
    expect(await made.client.get(PATH, params={"tenant": "no-such"}, headers=ops()), 404)


async def test_the_tenant_lists_what_staff_did_alone(
    made: GatewayWorld, observer: Colleague
) -> None:
    tenant = await make_tenant(made, Tier.ROWS)
    access_id, token = await enter(made, observer, tenant.slug)
    assert (await made.client.get("/notes", headers=token)).status_code == 200
    await act(made, observer, access_id, "end")
    params: dict[str, Any] = {"staff": True, "limit": 2}
    told = await made.client.get("/api/audit", params=params, headers=tenant.headers)
    first = expect(told, 200)
    params["after"] = first["next"]
    rest = await made.client.get("/api/audit", params=params, headers=tenant.headers)
    listed = [each["action"] for each in [*first["items"], *expect(rest, 200)["items"]]]
    assert listed == ["access.end", "access.use", "access.begin", "access.ask"]


async def trail_of(made: GatewayWorld, shop: Customer, access_id: str) -> list[dict[str, Any]]:
    """Return what the tenant's own audit says of an access, the oldest first."""
    told = expect(await made.client.get("/api/audit?limit=200", headers=shop.headers), 200)
    return [each for each in reversed(told["items"]) if each["target"] == access_id]
