"""An enterprise from draft to live: its trial moves while it works, and what is tried is kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from deploy import archiving
from deploy.operations import make_runner
from router.catalog import tenants
from router.catalog.moves import By
from router.fleet import APP_LOGIN
from router.names import quote
from router.words import Tier
from tests.gateways import GatewayWorld, expect, make_tenant, new_slug, ops, sign_up
from tests.onboarding.deals import PARTIES, PATH, TERMS, Seller, by_token, seller

DEADLINE_S = 90.0
CHECKS = [
    "rules of isolation",
    "the tenant enters",
    "another tenant knocks",
    "an outdated route knocks",
    "the login of others knocks",
    "backup and restore",
]


@contextlib.asynccontextmanager
async def working(made: GatewayWorld) -> AsyncGenerator[None]:
    """Let a worker's runner work meanwhile."""
    stop = asyncio.Event()
    runner = make_runner(made.platform, CollectorRegistry())
    task = asyncio.get_running_loop().create_task(runner.run_forever(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until_ready(deal: Seller) -> None:
    """Wait until nothing is missing before the next stage."""
    async with asyncio.timeout(DEADLINE_S):
        while (await deal.look())["missing"]:
            for operation in (deal.shown["operation"], deal.shown["checking"]):
                assert operation is None or operation["state"] != "failed", operation
            await asyncio.sleep(0.1)


async def test_a_trial_becomes_an_enterprise_with_a_receipt(made: GatewayWorld) -> None:
    ada, shop = await seller(made), await sign_up(made.client)
    kept = expect(
        await made.client.post("/artists", json={"name": "Adele"}, headers=shop.headers), 201
    )
    await ada.up_to("data", source="workspace", workspace=shop.slug)
    assert ada.missing == ["workspace"]
    async with working(made):
        await ada.act("begin")
        again = await ada.act("begin", 409)
        assert "on its way, or there, already" in again["detail"]
        await until_ready(ada)
        assert ada.shown["tenant"]["tier"] == "database"
        assert ada.shown["tenant"]["cluster"] == "dedicated-1"
        await ada.act("advance")
        assert (ada.stage, ada.missing) == ("acceptance", ["sheet"])
        await ada.act("check")
        await until_ready(ada)
    receipt = ada.shown["receipt"]
    checks = receipt["sheet"]["checks"]
    assert [each["name"] for each in checks] == CHECKS
    assert [each["says"] for each in checks if not each["has_passed"]] == []
    file = await made.client.get(f"{ada.path}/receipt", headers=ada.headers)
    assert hashlib.sha256(file.content).hexdigest() == receipt["sha256"]
    await ada.act("advance")
    assert (ada.stage, ada.shown["next"]) == ("live", None)
    found = await made.client.get(f"/artists/{kept['artist_id']}", headers=shop.headers)
    assert expect(found, 200)["name"] == "Adele"
    told = expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)
    assert (told["plan"], told["limits"]["seats"]) == ("enterprise", TERMS["seats"])
    assert told["limits"]["storage_bytes"] == TERMS["storage_bytes"]
    invited = expect(await made.client.get("/api/invitations", headers=shop.headers), 200)["items"]
    assert [(each["email"], each["role"]) for each in invited] == [
        (PARTIES["owner_email"], "owner")
    ]
    trail = expect(await made.client.get("/api/audit?limit=200", headers=shop.headers), 200)
    owners = [each["target"] for each in trail["items"] if each["action"] == "onboarding.owner"]
    assert owners == [PARTIES["owner_email"]], "the tenant sees whom sales made its owner"
    other = await seller(made)
    await other.up_to("data", source="workspace", workspace=shop.slug)
    assert "brought in already" in (await other.act("begin", 409))["detail"]


async def test_a_move_that_was_cancelled_is_begun_again(made: GatewayWorld) -> None:
    ada, shop = by_token(made), await sign_up(made.client)
    await ada.up_to("data", source="workspace", workspace=shop.slug)
    await ada.act("begin")
    assert ada.shown["is_busy"]
    move = f"/api/ops/moves/{ada.shown['operation']['id']}/cancel"
    expect(await made.client.post(move, headers=ops()), 200)
    async with working(made):
        async with asyncio.timeout(DEADLINE_S):
            while (await ada.look())["is_busy"]:
                await asyncio.sleep(0.1)
        assert ada.shown["operation"]["state"] == "cancelled"
        assert ada.missing == ["workspace"]
    cancelled = ada.shown["operation"]["id"]
    await ada.act("begin")
    assert ada.shown["is_busy"]
    assert ada.shown["operation"]["id"] != cancelled


async def test_who_begins_with_nothing_gets_a_database_and_an_owner(made: GatewayWorld) -> None:
    ada, slug = by_token(made), new_slug("acme")
    await ada.up_to("data", source="new", slug="Not A Slug")
    assert "slug: " in (await ada.act("begin", 409))["detail"]
    await ada.save("data", {"source": "new", "slug": slug})
    await ada.act("begin")
    await until_ready(ada)
    assert (ada.shown["tenant"]["slug"], ada.shown["tenant"]["tier"]) == (slug, "database")
    await ada.act("advance")
    expect(await made.client.get(f"{ada.path}/receipt", headers=ada.headers), 404)
    assert "nothing was tried yet" in (await ada.act("advance", 409))["detail"]
    await with_a_hole(made, ada)
    await ada.act("check")
    await until_ready(ada)
    await ada.act("advance")
    assert ada.stage == "live"
    audit = await made.client.get(f"/api/ops/audit?tenant={slug}", headers=ops())
    actions = [each["action"] for each in expect(audit, 200)["items"]]
    assert {"onboarding.begin", "onboarding.receipt", "onboarding.advance"} <= set(actions)


async def with_a_hole(made: GatewayWorld, deal: Seller) -> None:
    """A database that lets others in fails its sheet, and nobody goes live on that."""
    async with made.platform.catalog.connection() as connection:
        slug = deal.shown["tenant"]["slug"]
        place = (await tenants.get(connection, slug)).tenant.placement
    assert place is not None
    database, others = quote(place.database), quote(APP_LOGIN)
    async with made.platform.fleet.admin(place.cluster, place.database) as admin:
        await admin.execute(f"GRANT CONNECT ON DATABASE {database} TO {others}")
        await deal.act("check")
        async with asyncio.timeout(DEADLINE_S):
            while (await deal.look())["checking"]["state"] != "done":
                await asyncio.sleep(0.1)
        await admin.execute(f"REVOKE CONNECT ON DATABASE {database} FROM {others}")
    sheet = deal.shown["receipt"]["sheet"]
    failed = {each["name"]: each["says"] for each in sheet["checks"] if not each["has_passed"]}
    assert failed["the login of others knocks"] == "the database let it in"
    assert "a check failed" in (await deal.act("advance", 409))["detail"]


async def test_an_archive_is_brought_in_with_its_rows(made: GatewayWorld) -> None:
    giver, slug = await make_tenant(made, Tier.ROWS), new_slug("import")
    expect(await made.client.post("/artists", json={"name": "B"}, headers=giver.headers), 201)
    folder = Path(made.settings.archive_dir or "") / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    by = By(actor="operator:test", reason="a test asks for it")
    await archiving.export(made.platform, giver.slug, folder / f"{slug}.zip", by)
    ada = by_token(made)
    await ada.up_to("data", source="archive", slug=slug, archive="../../etc/passwd")
    assert "name a file of the archive folder" in (await ada.act("begin", 409))["detail"]
    await ada.save("data", {"source": "archive", "slug": slug, "archive": f"{slug}.zip"})
    async with working(made):
        await ada.act("begin")
        await until_ready(ada)
    assert ada.shown["tenant"]["tier"] == "database"
    told = expect(await made.client.get(f"/api/ops/tenants/{slug}", headers=ops()), 200)
    assert told["placement"]["cluster"] == "dedicated-1"


async def test_a_receipt_and_an_onboarding_are_kept_for_ever(made: GatewayWorld) -> None:
    ada = by_token(made)
    await ada.begin()
    async with made.platform.catalog.connection() as connection:
        for statement in (
            "DELETE FROM catalog.onboarding",
            "TRUNCATE catalog.onboarding CASCADE",
            "UPDATE catalog.onboarding SET stage = 'live'",
            "DELETE FROM catalog.onboarding_receipt",
        ):
            with pytest.raises(Exception, match=r"kept for ever|can't be changed|late_onboarding"):
                await connection.execute(statement)
    expect(await made.client.get(f"{PATH}/{ada.shown['line']['id']}", headers=ops()), 200)
