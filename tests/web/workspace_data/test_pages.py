"""The page of a workspace's data, by forms: archives, and the end that can be taken back."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.archive.test_kept import until_made, working
from tests.gateways import Customer, GatewayWorld, bearer, expect, make_key, sign_up
from tests.web.surfing import Surfer

DEADLINE_S = 30.0


@pytest.fixture(scope="module")
async def shop(made: GatewayWorld) -> Customer:
    customer = await sign_up(made.client)
    body = {"name": "An artist"}
    expect(await made.client.post("/artists", json=body, headers=bearer(customer.key)), 201)
    return customer


async def test_an_archive_is_asked_for_watched_fetched_and_deleted(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    await surfer.log_in(shop)
    page = f"/w/{shop.slug}/data"
    await surfer.get(page)
    assert "No archive lies here" in surfer.text
    assert (await surfer.submit(f"{page}/archives")).status_code == 303
    await surfer.get(page)
    assert "waits for a worker" in surfer.text
    assert f"{page}/archives" not in surfer.forms
    watching = asyncio.create_task(surfer.get(f"{page}/live"))
    listed = expect(await made.client.get("/api/exports", headers=shop.headers), 200)
    export_id = listed["items"][0]["id"]
    async with working(made):
        told = await until_made(made, shop, export_id)
        async with asyncio.timeout(DEADLINE_S):
            events = (await watching).text
    assert "event: part" in events
    assert events.rstrip().endswith(f"data: {page}")
    await surfer.get(page)
    path = f"{page}/archives/{export_id}"
    whole = await surfer.get(path)
    assert whole.headers["content-type"] == "application/zip"
    assert whole.headers["cache-control"] == "no-store"
    assert hashlib.sha256(whole.content[:-71]).hexdigest() == told["sha256"]
    part = await surfer.get(path, {"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    await surfer.get(f"{path}/restore")
    answer = await surfer.submit(f"{path}/restore", {"slug": shop.slug})
    assert answer.status_code == 422
    # Nobody has proved this owner's address: that is said, and nothing is made.
    assert "isn't proved yet" in surfer.text
    await surfer.get(page)
    assert (await surfer.submit(f"{path}/delete")).status_code == 303
    await surfer.get(page)
    assert "The archive is deleted" in surfer.text
    assert (await surfer.get(path)).status_code == 404


async def test_another_workspaces_archive_isnt_there(
    made: GatewayWorld, surfer: Surfer, shop: Customer
) -> None:
    told = expect(await made.client.post("/api/exports", headers=shop.headers), 202)
    async with working(made):
        await until_made(made, shop, told["id"])
    stranger = await sign_up(made.client)
    await surfer.log_in(stranger)
    assert (await surfer.get(f"/w/{stranger.slug}/data/archives/{told['id']}")).status_code == 404
    assert (await surfer.get(f"/w/{shop.slug}/data/archives/{told['id']}")).status_code == 404
    await surfer.get(f"/w/{stranger.slug}/data")
    forged = f"/w/{stranger.slug}/data/archives/{told['id']}/delete"
    token = surfer.forms[f"/w/{stranger.slug}/data/archives"]["_csrf_token"]
    await surfer.post(forged, {"_csrf_token": token})
    path = f"/api/exports/{told['id']}"
    assert expect(await made.client.get(path, headers=shop.headers), 200)["has_file"] is True


async def test_a_workspace_is_deleted_with_its_slug_typed_and_kept_again(
    made: GatewayWorld, surfer: Surfer
) -> None:
    owner = await sign_up(made.client)
    await surfer.log_in(owner)
    page = f"/w/{owner.slug}/data"
    await surfer.get(f"{page}/delete")
    answer = await surfer.submit(f"{page}/delete", {"confirm": "wrong", "why": "Too quiet"})
    assert answer.status_code == 422
    assert f"Write {owner.slug} to confirm" in surfer.text
    assert 'id="confirm-wrong"' in answer.text
    assert "Too quiet" in answer.text
    answer = await surfer.submit(f"{page}/delete", {"confirm": owner.slug, "why": "Too quiet"})
    assert answer.status_code == 303
    told = expect(await made.client.get("/api/deletion", headers=owner.headers), 200)["deletion"]
    assert told["reason"] == "Too quiet"
    await surfer.get(f"/w/{owner.slug}")
    assert "This workspace and all its rows are erased on" in surfer.text
    await surfer.get(page)
    assert "can be taken back" in surfer.text
    assert (await surfer.submit(f"{page}/keep")).status_code == 303
    await surfer.get(page)
    assert f"{owner.slug} stays" in surfer.text
    assert "are erased on" not in surfer.text


async def test_a_key_of_a_program_ends_no_workspace(made: GatewayWorld, shop: Customer) -> None:
    key = await make_key(made.client, shop.token, role="owner")
    body = {"confirm": shop.slug}
    expect(await made.client.post("/api/deletion", json=body, headers=bearer(key)), 403)
