"""What people are written of what happens to their workspace: each thing once, with the deed."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from billing import accounts
from billing.accounts import PlanChange
from billing.life_words import Basis
from deploy import archiving
from deploy.operations import make_runner
from router.catalog import moves, tenants
from router.catalog.moves import By
from tests.accounts.people import SITE_URL, Town
from tests.accounts.post_office import text_of
from tests.gateways import (
    PASSWORD,
    Customer,
    GatewayWorld,
    expect,
    make_key,
    new_slug,
    ops,
    sign_up,
)

MOVED: dict[str, object] = {"from": "rows on a", "to": "schema on a", "pause_ms": 31.4}


@pytest.fixture
async def owner(made: GatewayWorld) -> Customer:
    return await sign_up(made.client)


async def written(town: Town, email: str) -> dict[str, EmailMessage]:
    """Return what came to an address by subject; each subject comes once."""
    came = await town.mail(email)
    told = {str(each["Subject"]): each for each in came}
    assert len(told) == len(came)
    return told


async def change_plan(made: GatewayWorld, owner: Customer, change: PlanChange) -> None:
    async with made.platform.catalog.transaction() as connection:
        tenant = await tenants.get_by_id(connection, owner.id)
        await accounts.change_plan(connection, tenant, change)


def bought(plan: str) -> PlanChange:
    return PlanChange(plan=plan, basis=Basis.SUBSCRIPTION, reason="subscription sub_1")


async def tell(made: GatewayWorld, owner: Customer, kind: str, payload: dict[str, object]) -> None:
    async with made.platform.catalog.transaction() as connection:
        await moves.put_out(connection, kind, owner.id, payload)


async def add_member(made: GatewayWorld, owner: Customer, role: str) -> tuple[str, str]:
    email = f"{role}@{new_slug()}.example"
    body = {"email": email, "password": PASSWORD, "role": role}
    answer = await made.client.post("/api/members", json=body, headers=owner.headers)
    return email, str(expect(answer, 201)["id"])


async def test_owners_are_told_of_each_step_of_staff_s_access(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    admin, _ = await add_member(made, owner, "admin")
    wanted = {"tenant": owner.slug, "ticket": "T-42", "minutes": 7}
    reason = ops("a report shows too much")
    asked = await made.client.post("/api/ops/access", json=wanted, headers=reason)
    access_id = expect(asked, 201)["id"]
    (first,) = [
        each for subject, each in (await written(town, owner.email)).items() if "asks" in subject
    ]
    link = f"{SITE_URL}/w/{owner.slug}/access/{access_id}"
    for said in ("7 minutes", "a report shows too much", "T-42", "to read the rows", link):
        assert said in text_of(first)
    entered = await made.client.post(f"/api/ops/access/{access_id}/enter", headers=reason)
    token = expect(entered, 200)["token"]
    await made.client.post(f"/api/ops/access/{access_id}/end", headers=reason)
    told = await written(town, owner.email)
    assert link in text_of(told[f"Our staff has entered “{owner.slug}”"])
    left = text_of(told[f"Our staff has left “{owner.slug}”"])
    assert "0 requests" in left
    assert link in left
    assert all(token not in text_of(each) for each in told.values())
    assert not [subject for subject in await written(town, admin) if "staff" in subject]


async def test_an_access_whose_time_is_over_is_told_too(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    left: dict[str, object] = {
        "access": "x",
        "mode": "write",
        "staff": "eve@stepwell.example",
        "reason": "a report",
        "ticket": "T-43",
        "minutes": 10,
        "ended_by": None,
        "requests": 1,
    }
    await tell(made, owner, "access.end", left)
    letter = text_of((await written(town, owner.email))[f"Our staff has left “{owner.slug}”"])
    for said in ("its time was over", "eve@stepwell.example of our staff", "There was 1 request"):
        assert said in letter


async def test_a_plan_that_moves_nothing_is_told_at_once_with_what_changed(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    async with made.platform.catalog.transaction() as connection:
        await connection.execute(
            "UPDATE catalog.tenant SET pinned_tier = 'rows', pin_reason = 'a test' WHERE id = $1",
            owner.id,
        )
    await change_plan(made, owner, bought("pro"))
    letter = text_of((await written(town, owner.email))[f"“{owner.slug}” has the plan pro now"])
    assert "it was starter" in letter
    assert "what your subscription is for" in letter
    assert "API calls a month:" in letter
    assert "Its rows" not in letter


async def test_a_plan_and_the_move_that_it_brings_are_one_letter(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    await change_plan(made, owner, bought("pro"))
    assert not [each for each in await written(town, owner.email) if "plan" in each]
    await tell(made, owner, "move.decide", MOVED)
    told = await written(town, owner.email)
    letter = text_of(told[f"“{owner.slug}” has the plan pro now"])
    assert "Its rows are in a schema of its own now" in letter
    assert "31 ms" in letter
    assert not [subject for subject in told if "moved" in subject]


async def test_a_plan_whose_move_takes_its_time_is_told_alone(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    await change_plan(made, owner, bought("pro"))
    assert not [each for each in await written(town, owner.email) if "plan" in each]
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.letter SET not_before = now() WHERE tenant_id = $1", owner.id
        )
    told = await written(town, owner.email)
    assert "Its rows move to a schema" in text_of(told[f"“{owner.slug}” has the plan pro now"])
    await tell(made, owner, "move.decide", MOVED)
    assert f"“{owner.slug}” has moved" in await written(town, owner.email)


async def test_two_changes_of_plan_at_a_stroke_that_end_where_they_began_are_no_news(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    await change_plan(made, owner, bought("pro"))
    await written(town, owner.email)
    left = PlanChange(plan="starter", basis=Basis.NOTHING, reason="nothing")
    await change_plan(made, owner, left)
    assert not [each for each in await written(town, owner.email) if "plan" in each]


async def test_a_smaller_plan_is_told_once_with_what_it_has_no_room_for(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    left = PlanChange(plan="pro", basis=Basis.NOTHING, reason="nothing", lacks=("9 seats of 5",))
    await change_plan(made, owner, left)
    given: dict[str, object] = {"kind": "plan_left", "said": "It was larger.", "notice": "x"}
    await tell(made, owner, "notice.given", given)
    await tell(made, owner, "move.decide", MOVED)
    told = [text_of(each) for each in (await written(town, owner.email)).values()]
    (letter,) = [each for each in told if "plan" in each]
    assert "has ended; nothing was deleted" in letter
    assert "9 seats of 5" in letter


async def test_whoever_may_write_again_is_told(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    for before, after in (("good", "grace"), ("grace", "read_only"), ("read_only", "good")):
        await tell(made, owner, "standing.changed", {"from": before, "to": after, "reason": "x"})
    told = [each for each in await written(town, owner.email) if "changed" in each]
    assert told == [f"“{owner.slug}” can be changed again"]


async def test_members_are_told_what_others_did_with_them(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    email, member_id = await add_member(made, owner, "member")
    path = f"/api/members/{member_id}"
    for _ in range(2):
        body = {"role": "viewer"}
        expect(await made.client.patch(path, json=body, headers=owner.headers), 200)
    expect(await made.client.delete(path, headers=owner.headers), 204)
    told = await written(town, email)
    assert "as member" in text_of(told[f"You are a member of “{owner.slug}”"])
    assert "viewer now; it was member" in text_of(told[f"You have another role in “{owner.slug}”"])
    out = text_of(told[f"You are no longer a member of “{owner.slug}”"])
    assert "http" not in out
    async with made.platform.catalog.connection() as connection:
        kept = await connection.fetchval(
            "SELECT count(*) FROM catalog.outbox WHERE payload::text LIKE '%' || $1 || '%'", email
        )
    assert kept == 0


async def test_a_key_is_told_without_its_secret_to_proved_addresses(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    assert not [each for each in await written(town, owner.email) if "key" in each]
    await town.verify_first(owner.email)
    secret = await make_key(made.client, owner.token, role="viewer")
    letter = text_of((await written(town, owner.email))[f"“{owner.slug}” has a new API key"])
    for said in (f"by {owner.email}", "“a viewer's”", f"/w/{owner.slug}/keys"):
        assert said in letter
    assert secret not in letter


async def test_an_erasure_is_planned_called_off_and_told_to_the_last_owners(
    made: GatewayWorld, town: Town, owner: Customer
) -> None:
    client, body = made.client, {"confirm": owner.slug, "reason": "done with it"}
    expect(await client.post("/api/deletion", json=body, headers=owner.headers), 202)
    expect(await client.delete("/api/deletion", headers=owner.headers), 204)
    told = await written(town, owner.email)
    assert f"“{owner.slug}” is to be erased" in told
    assert "was taken back" in text_of(told[f"“{owner.slug}” stays"])
    begun = await archiving.begin_erasure(
        made.platform, owner.slug, owner.slug, By(actor="test", reason="a test")
    )
    runner = make_runner(made.platform)
    try:
        await archiving.until_ended(runner, begun.id)
    finally:
        await runner.close()
    last = text_of((await written(town, owner.email))[f"“{owner.slug}” has been erased"])
    path = f"/api/ops/tenants/{owner.slug}/certificate"
    certified = expect(await client.get(path, headers=ops()), 200)
    assert str(begun.id) in last
    assert certified["sha256"] in last
    assert "/w/" not in last
    async with made.platform.catalog.connection() as connection:
        kept = await connection.fetchval(
            "SELECT (SELECT count(*) FROM catalog.outbox WHERE payload::text LIKE '%' || $1 || '%')"
            " + (SELECT count(*) FROM catalog.operation WHERE data::text LIKE '%' || $1 || '%')",
            owner.email,
        )
    assert kept == 0
