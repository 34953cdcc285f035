"""What nobody does by staff's access, however it is tried."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.accesses import end_accesses
from router.catalog import access, accounts
from router.catalog.access_words import By
from router.errors import NotAllowed
from router.words import Tier
from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    at,
    bearer,
    expect,
    make_key,
    make_tenant,
    ops,
    prove,
    sign_up,
)
from tests.trail.staffed import PATH, Colleague, act, ask, enter, hire, transcript
from tests.trail.test_access import trail_of

DEADLINE_S = 30.0


async def test_nobody_approves_what_it_asked_for_itself(
    made: GatewayWorld, shop: Customer, operator: Colleague
) -> None:
    access_id = await ask(made, operator, shop.slug, mode="write")
    refused = await act(made, operator, access_id, "approve", 403)
    assert "another person" in refused["detail"]
    # Whoever holds the operators' token has no name, so it may be the same person.
    expect(await made.client.post(f"{PATH}/{access_id}/approve", headers=ops()), 403)
    await act(made, operator, access_id, "enter", 409)


async def test_nobody_approves_by_a_second_account_or_a_second_name(
    made: GatewayWorld, shop: Customer, operator: Colleague, second: Colleague
) -> None:
    accomplice = await sign_up(made.client)
    await prove(made, accomplice.email)
    path, body = "/api/ops/staff", {"email": accomplice.email, "role": "operator"}
    expect(await made.client.post(path, json=body, headers=operator.says()), 200)
    login = {"email": accomplice.email, "password": PASSWORD}
    again = bearer(expect(await made.client.post("/api/login", json=login), 200)["token"])
    access_id = await ask(made, operator, shop.slug, mode="write")
    approve, why = f"{PATH}/{access_id}/approve", {"X-Reason": "a test asks for it"}
    refused = expect(await made.client.post(approve, headers={**again, **why}), 403)
    assert "let" in refused["detail"]
    moved = {"email": f"other.{operator.email}"}
    answer = await made.client.post("/api/profile/email", json=moved, headers=operator.says())
    assert "by their addresses" in expect(answer, 403)["detail"]
    async with made.platform.catalog.connection() as connection:
        known = await accounts.find_by_email(connection, operator.email)
        assert known is not None
        with pytest.raises(NotAllowed):
            await accounts.set_email(connection, known.id, moved["email"])
    expect(await made.client.post(path, json=body, headers=second.says()), 200)
    expect(await made.client.post(approve, headers={**again, **why}), 200)


async def test_an_observer_asks_to_read_and_approves_nothing(
    made: GatewayWorld, shop: Customer, observer: Colleague, operator: Colleague
) -> None:
    body = {"tenant": shop.slug, "mode": "write", "ticket": "T-1", "minutes": 5}
    expect(await made.client.post(PATH, json=body, headers=observer.says()), 403)
    access_id = await ask(made, operator, shop.slug, mode="write")
    for verb in ("approve", "deny", "end", "enter"):
        await act(made, observer, access_id, verb, 403)
    sales = await hire(made, "sales")
    read = {**body, "mode": "read"}
    expect(await made.client.post(PATH, json=read, headers=sales.says()), 403)


async def test_a_token_is_shown_once_and_to_whoever_asked(
    made: GatewayWorld, shop: Customer, observer: Colleague, operator: Colleague
) -> None:
    access_id = await ask(made, observer, shop.slug)
    await act(made, operator, access_id, "enter", 403)
    entered = await act(made, observer, access_id, "enter")
    refused = await act(made, observer, access_id, "enter", 409)
    assert "shown once" in refused["detail"]
    shown = expect(await made.client.get(f"{PATH}/{access_id}", headers=ops()), 200)
    assert str(entered["token"]) not in str(shown)


async def test_a_double_click_enters_once_and_shows_the_same_token(
    made: GatewayWorld, shop: Customer, observer: Colleague
) -> None:
    access_id = await ask(made, observer, shop.slug)
    headers = {**observer.says(), "Idempotency-Key": str(uuid4())}
    path = f"{PATH}/{access_id}/enter"
    tokens = {
        str(expect(await made.client.post(path, headers=headers), 200)["token"]) for _ in range(2)
    }
    assert len(tokens) == 1


async def test_a_denied_request_opens_nothing(
    made: GatewayWorld, shop: Customer, operator: Colleague, second: Colleague
) -> None:
    access_id = await ask(made, operator, shop.slug, mode="write")
    await act(made, operator, access_id, "deny", 409)
    denied = await act(made, second, access_id, "deny")
    assert (denied["state"], denied["ended_by"]) == ("denied", second.email)
    for verb in ("approve", "enter"):
        await act(made, second if verb == "approve" else operator, access_id, verb, 409)
    assert [each["action"] for each in await trail_of(made, shop, access_id)] == [
        "access.ask",
        "access.deny",
    ]


async def test_one_tenants_token_is_nothing_at_another(
    made: GatewayWorld, shop: Customer, operator: Colleague
) -> None:
    other = await sign_up(made.client)
    access_id, token = await enter(made, operator, shop.slug)
    for request in ({**token, **at(other.slug)}, {**token, "X-Tenant": other.slug}):
        expect(await made.client.get("/notes", headers=request), 400)
    expect(await made.client.get(f"/t/{other.slug}/notes", headers=token), 400)
    lines = await transcript(made, operator, access_id)
    assert [each["status"] for each in lines] == [400, 400, 400]


async def test_a_tenant_sees_the_accesses_to_its_own_rows_alone(
    made: GatewayWorld, shop: Customer, observer: Colleague
) -> None:
    other = await sign_up(made.client)
    viewer = bearer(await make_key(made.client, shop.token, role="viewer"))
    access_id, token = await enter(made, observer, shop.slug)
    assert (await made.client.get("/notes", headers=token)).status_code == 200
    path = f"/api/access/{access_id}"
    for mine, whole in ((shop.headers, 200), (viewer, 403)):
        assert expect(await made.client.get(path, headers=mine), 200)["by"] == observer.email
        expect(await made.client.get(f"{path}/transcript", headers=mine), whole)
    for theirs in (path, f"{path}/transcript"):
        refused = expect(await made.client.get(theirs, headers=other.headers), 404)
        nobodys = theirs.replace(access_id, "00000000-0000-4000-8000-000000000000")
        unknown = expect(await made.client.get(nobodys, headers=other.headers), 404)
        assert refused["title"] == unknown["title"]
    listed = expect(await made.client.get("/api/access?past=true", headers=other.headers), 200)
    assert listed["items"] == []
    await act(made, observer, access_id, "end")


async def test_staff_are_no_members(
    made: GatewayWorld, shop: Customer, operator: Colleague, second: Colleague
) -> None:
    _, token = await enter(made, operator, shop.slug, approver=second)
    document = expect(await made.client.get("/openapi.json"), 200)
    tried = 0
    for path, item in document["paths"].items():
        if not path.startswith("/api/"):
            continue
        for verb, told in item.items():
            if told.get("security") == [{}] or "{" in path:
                continue
            answer = await made.client.request(
                verb.upper(), path, json={}, headers={**token, "X-Reason": "to try"}
            )
            is_open = answer.status_code not in {401, 403}
            anonymous = await made.client.request(verb.upper(), path, json={})
            # What asks nobody who it is may answer; the rest doesn't know these tokens.
            assert not is_open or anonymous.status_code == answer.status_code, (verb, path)
            tried += 1
    assert tried > 40
    seats = expect(await made.client.get("/api/members", headers=shop.headers), 200)["items"]
    assert [each["email"] for each in seats] == [shop.email]


async def test_an_access_ends_by_itself_and_the_tenant_is_told(
    made: GatewayWorld, shop: Customer, operator: Colleague
) -> None:
    access_id, token = await enter(made, operator, shop.slug, minutes=1)
    expect(await made.client.get("/notes", headers=token), 200)
    await let_time_pass(made, access_id)
    expect(await made.client.get("/notes", headers=token), 401)
    told = expect(await made.client.get(f"{PATH}/{access_id}", headers=ops()), 200)
    assert (told["state"], told["ended_at"]) == ("ended", None)
    ending = asyncio.create_task(end_accesses(made.platform))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (deeds := await trail_of(made, shop, access_id))[-1]["action"] != "access.end":
                await asyncio.sleep(0.05)
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
    assert (deeds[-1]["actor"], deeds[-1]["detail"]["by"]) == ("worker", "time")
    await act(made, operator, access_id, "enter", 409)


async def test_whoever_leaves_the_staff_leaves_the_tenants_too(
    made: GatewayWorld, shop: Customer, second: Colleague
) -> None:
    leaver = await hire(made, "operator")
    reading, read_token = await enter(made, leaver, shop.slug)
    _, write_token = await enter(made, leaver, shop.slug, approver=second)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET staff_role = 'observer' WHERE email = $1", leaver.email
        )
    expect(await made.client.get("/notes", headers=read_token), 200)
    expect(await made.client.get("/notes", headers=write_token), 401)
    gone = await made.client.delete(f"/api/ops/staff/{leaver.email}", headers=second.says())
    assert gone.status_code == 204, gone.text
    expect(await made.client.get("/notes", headers=read_token), 401)
    told = expect(await made.client.get(f"{PATH}/{reading}", headers=ops()), 200)
    assert (told["state"], told["ended_by"]) == ("ended", second.email)


async def test_what_cannot_be_written_down_does_not_run(
    made: GatewayWorld, operator: Colleague, second: Colleague
) -> None:
    tenant = await make_tenant(made, Tier.ROWS)
    access_id, token = await enter(made, operator, tenant.slug, approver=second)
    async with no_statements(made):
        answer = await made.client.post("/notes", json={"text": "x", "tags": []}, headers=token)
        assert answer.is_error, answer.text
    assert (await made.client.get("/notes", headers=tenant.headers)).json() == []
    (line,) = await transcript(made, operator, access_id)
    assert (line["statements"], line["status"]) == ([], answer.status_code)
    async with no_lines(made):
        assert (await made.client.get("/notes", headers=token)).is_error
    assert len(await transcript(made, operator, access_id)) == 1


async def test_the_catalog_keeps_what_was_asked_and_done(
    made: GatewayWorld, shop: Customer, operator: Colleague, second: Colleague
) -> None:
    access_id, token = await enter(made, operator, shop.slug, approver=second)
    expect(await made.client.get("/notes", headers=token), 200)
    async with made.platform.catalog.connection() as connection:
        for change in (
            "UPDATE catalog.access SET reason = 'another' WHERE id = $1",
            "UPDATE catalog.access SET approved_by = 'somebody' WHERE id = $1",
            "UPDATE catalog.access SET ends_at = ends_at - interval '1 minute' WHERE id = $1",
            "UPDATE catalog.access SET token_hash = '\\x00' WHERE id = $1",
            "UPDATE catalog.access_line SET path = '/' WHERE access_id = $1",
            "UPDATE catalog.access_line SET status = 404 WHERE access_id = $1",
            "UPDATE catalog.access_statement SET text = 'SELECT 1' WHERE access_id = $1",
            "DELETE FROM catalog.access_statement WHERE access_id = $1",
            "DELETE FROM catalog.access_line WHERE access_id = $1",
            "DELETE FROM catalog.access WHERE id = $1",
        ):
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(change, UUID(access_id))
        writes = await ask(made, operator, shop.slug, mode="write")
        with pytest.raises(asyncpg.CheckViolationError, match="write_begins_with_an_approval"):
            await connection.execute(
                "UPDATE catalog.access SET token_hash = '\\x01', begun_at = now(), ends_at = now() "
                "WHERE id = $1",
                UUID(writes),
            )
        with pytest.raises(asyncpg.CheckViolationError, match="access_has_four_eyes"):
            await connection.execute(
                "UPDATE catalog.access SET approved_by = requested_by, approved_at = now() "
                "WHERE id = $1",
                UUID(writes),
            )


async def test_a_request_says_what_is_wrong_with_it(
    made: GatewayWorld, shop: Customer, operator: Colleague
) -> None:
    good = {"tenant": shop.slug, "mode": "read", "ticket": "T-1", "minutes": 5}
    for wrong, field in (
        ({"minutes": 61}, "minutes"),
        ({"minutes": 0}, "minutes"),
        ({"ticket": "  "}, "ticket"),
        ({"mode": "own"}, "mode"),
    ):
        answer = await made.client.post(PATH, json={**good, **wrong}, headers=operator.says())
        assert field in str(expect(answer, 422)["errors"])
    for name in ("no-such-tenant", "\x00", "é", str(uuid4())):
        nobody = {**good, "tenant": name}
        expect(await made.client.post(PATH, json=nobody, headers=operator.says()), 404)
    expect(await made.client.post(PATH, json=good, headers=bearer(operator.token)), 400)
    unnamed = {**good, "mode": "write"}
    expect(await made.client.post(PATH, json=unnamed, headers=ops()), 403)
    expect(await made.client.post(f"{PATH}/{uuid4()}/enter", headers=operator.says()), 404)
    expect(await made.client.get(f"{PATH}/{uuid4()}/transcript", headers=ops()), 404)
    access_id = await ask(made, operator, shop.slug)
    for after, status in (("9" * 18, 200), ("9" * 19, 400), ("-1", 400), ("x", 400)):
        path = f"{PATH}/{access_id}/transcript?after={after}"
        expect(await made.client.get(path, headers=ops()), status)
    for stranger in (shop.headers, {}):
        expect(await made.client.get(PATH, headers=stranger), 401)


async def test_the_transcript_an_end_vouches_for_is_the_one_that_is_kept(
    made: GatewayWorld, shop: Customer, operator: Colleague, second: Colleague
) -> None:
    by = By(actor="worker", name="worker")
    access_id, token = await enter(made, operator, shop.slug, approver=second)
    assert (await made.client.get("/dashed/words", headers=token)).status_code == 200
    async with made.platform.catalog.transaction() as connection:
        known = await access.get(connection, UUID(access_id))
        assert await access.is_vouched_for(connection, known) is None
        known = await access.end(connection, known.id, by=by)
        assert await access.is_vouched_for(connection, known)
    vouched = (await trail_of(made, shop, access_id))[-1]["detail"]["transcript"]
    assert len(str(vouched)) == 64
    async with made.platform.catalog.connection() as connection:
        await connection.execute("ALTER TABLE catalog.access_statement DISABLE TRIGGER USER")
        await connection.execute(
            "UPDATE catalog.access_statement SET text = 'SELECT 1' WHERE access_id = $1", known.id
        )
        await connection.execute("ALTER TABLE catalog.access_statement ENABLE TRIGGER USER")
        assert await access.is_vouched_for(connection, known) is False


async def let_time_pass(made: GatewayWorld, access_id: str) -> None:
    """Have an access begun so long ago that its time is over."""
    async with made.platform.catalog.transaction() as connection:
        await connection.execute(
            "ALTER TABLE catalog.access DISABLE TRIGGER access_keeps_what_was_asked"
        )
        await connection.execute(
            "UPDATE catalog.access SET begun_at = begun_at - $2::interval, "
            "ends_at = ends_at - $2::interval "
            "WHERE id = $1",
            UUID(access_id),
            timedelta(minutes=2),
        )
        await connection.execute(
            "ALTER TABLE catalog.access ENABLE TRIGGER access_keeps_what_was_asked"
        )


@contextlib.asynccontextmanager
async def no_statements(made: GatewayWorld) -> AsyncGenerator[None]:
    """Have a catalog that takes no statement into a transcript."""
    async with _refusing(made, "catalog.access_statement"):
        yield


@contextlib.asynccontextmanager
async def no_lines(made: GatewayWorld) -> AsyncGenerator[None]:
    """Have a catalog that takes no request into a transcript."""
    async with _refusing(made, "catalog.access_line"):
        yield


@contextlib.asynccontextmanager
async def _refusing(made: GatewayWorld, table: str) -> AsyncGenerator[None]:
    rule = "ALTER TABLE {} {} CONSTRAINT full_disk{}"
    async with made.platform.catalog.connection() as connection:
        await connection.execute(rule.format(table, "ADD", " CHECK (false) NOT VALID"))
    try:
        yield
    finally:
        async with made.platform.catalog.connection() as connection:
            await connection.execute(rule.format(table, "DROP", ""))
