"""Archives and endings over HTTP: asked for, fetched, expired; erased at the day, or taken back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import signal
import uuid
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.exceptions import HTTPException

from deploy.keeping import Keeping
from deploy.operations import make_runner
from promotion.faults import EXPORT_POINTS
from router.api.archives import part_of
from router.catalog import accounts, roles, sign_on
from router.catalog.archives import EXPORTS_KEPT_MAX
from router.catalog.sign_on import Kept, SignOn, TrialTold
from router.words import Tier
from tests.archive.test_round_trip import filled, tables_of
from tests.gateways import (
    Customer,
    GatewayWorld,
    bearer,
    expect,
    gateway,
    gateway_world,
    make_key,
    new_slug,
    ops,
    until_active,
)
from tests.promotion.workers import Nursery, nursery
from tests.worlds import Clusters

DEADLINE_S = 60.0


@pytest.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    async with nursery(tmp_path_factory.mktemp("kept")) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archives")


@pytest.fixture(scope="module")
async def made(clusters: Clusters, folder: Path) -> AsyncIterator[GatewayWorld]:
    changes = {"archive_dir": str(folder), "operation_lease_s": 1.0, "worker_poll_s": 0.1}
    async with gateway_world(clusters, changes=changes) as built:
        yield built


@pytest.fixture(scope="module")
async def shop(made: GatewayWorld) -> Customer:
    return await filled(made, Tier.ROWS)


@contextlib.asynccontextmanager
async def working(made: GatewayWorld) -> AsyncGenerator[None]:
    """Do what workers do, in this process."""
    runner, stop = make_runner(made.platform), asyncio.Event()
    task = asyncio.create_task(runner.run_forever(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until_made(made: GatewayWorld, shop: Customer, export_id: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await made.client.get(f"/api/exports/{export_id}", headers=shop.headers)
            told = expect(answer, 200)
            assert told["state"] in {"waiting", "running", "done"}, told
            if told["has_file"]:
                return told
            await asyncio.sleep(0.05)


async def asked(made: GatewayWorld, shop: Customer) -> dict[str, Any]:
    return expect(await made.client.post("/api/exports", headers=shop.headers), 202)


async def taken(made: GatewayWorld, shop: Customer) -> dict[str, Any]:
    told = await asked(made, shop)
    async with working(made):
        return await until_made(made, shop, told["id"])


async def fetched(
    made: GatewayWorld, shop: Customer, export_id: str, headers: dict[str, str] | None = None
) -> Any:  # noqa: ANN401 - httpx's answer, of which tests look at everything
    path = f"/api/exports/{export_id}/file"
    return await made.client.get(path, headers={**shop.headers, **(headers or {})})


async def test_an_archive_is_asked_for_fetched_and_given_up(
    made: GatewayWorld, shop: Customer, folder: Path
) -> None:
    told = await asked(made, shop)
    assert (told["state"], told["has_file"]) == ("waiting", False)
    assert (await asked(made, shop))["id"] == told["id"]
    assert (await fetched(made, shop, told["id"])).status_code == 404
    async with working(made):
        told = await until_made(made, shop, told["id"])
    answer = await fetched(made, shop, told["id"])
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{shop.slug}-')
    assert len(answer.content) == told["file_bytes"] == int(answer.headers["content-length"])
    # The last line of the file is the sum of all before it.
    assert hashlib.sha256(answer.content[:-71]).hexdigest() == told["sha256"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert any(name.endswith("artist.csv") for name in archive.namelist())
    first = await made.client.get("/api/exports", headers=shop.headers, params={"limit": 1})
    assert expect(first, 200)["items"][0]["id"] == told["id"]
    path = f"/api/exports/{told['id']}"
    expect(await made.client.delete(path, headers=shop.headers), 204)
    assert (await fetched(made, shop, told["id"])).status_code == 404
    assert not [*folder.glob(f"{told['id']}*")]
    assert expect(await made.client.get(path, headers=shop.headers), 200)["has_file"] is False


async def test_a_download_that_was_cut_goes_on(made: GatewayWorld, shop: Customer) -> None:
    told = await taken(made, shop)
    whole = (await fetched(made, shop, told["id"])).content
    tag = f'"{told["sha256"]}"'
    head = await fetched(made, shop, told["id"], {"Range": "bytes=0-99"})
    rest = await fetched(made, shop, told["id"], {"Range": "bytes=100-", "If-Range": tag})
    assert (head.status_code, rest.status_code) == (206, 206)
    assert head.headers["content-range"] == f"bytes 0-99/{len(whole)}"
    assert head.content + rest.content == whole
    other = await fetched(made, shop, told["id"], {"Range": "bytes=100-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole)
    beyond = await fetched(made, shop, told["id"], {"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416
    expect(await made.client.delete(f"/api/exports/{told['id']}", headers=shop.headers), 204)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", None),
        ("bytes=0-", (0, 9)),
        ("bytes=3-5", (3, 5)),
        ("bytes=3-500", (3, 9)),
        ("bytes=-4", (6, 9)),
        ("bytes=-400", (0, 9)),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("rows=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_a_range_is_read_or_left_aside(header: str, part: tuple[int, int] | None) -> None:
    assert part_of(10, header) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=5-4", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(header: str) -> None:
    with pytest.raises(HTTPException):
        part_of(10, header)


async def test_whose_archive_it_is_not_finds_none(made: GatewayWorld, shop: Customer) -> None:
    told = await taken(made, shop)
    stranger = await filled(made, Tier.ROWS)
    viewer = bearer(await make_key(made.client, shop.token, role="viewer"))
    for path in (f"/api/exports/{told['id']}", f"/api/exports/{told['id']}/file"):
        expect(await made.client.get(path, headers=stranger.headers), 404)
        expect(await made.client.get(path, headers=viewer), 403)
    path = f"/api/exports/{told['id']}"
    expect(await made.client.delete(path, headers=stranger.headers), 404)
    expect(await made.client.post("/api/exports", headers=viewer), 403)
    assert (await fetched(made, shop, told["id"])).status_code == 200
    expect(await made.client.delete(path, headers=shop.headers), 204)


async def test_who_may_not_read_rows_reads_no_archive_of_them(
    made: GatewayWorld, shop: Customer
) -> None:
    told = await taken(made, shop)
    async with made.platform.catalog.transaction() as connection:
        await roles.put(connection, shop.id, "janitor", ["settings.write", "keys.write"])
    janitor = bearer(await make_key(made.client, shop.token, role="janitor"))
    path = f"/api/exports/{told['id']}"
    expect(await made.client.get(path, headers=janitor), 200)
    for method, where, body in (("GET", "file", None), ("POST", "restore", {"slug": new_slug()})):
        answer = await made.client.request(method, f"{path}/{where}", json=body, headers=janitor)
        assert "rows.read" in expect(answer, 403)["detail"]
    expect(await made.client.delete(path, headers=shop.headers), 204)


async def test_files_go_when_their_time_has_passed(
    made: GatewayWorld, shop: Customer, folder: Path
) -> None:
    told, keeping = await taken(made, shop), Keeping(made.platform)
    await keeping.expire()
    assert (await fetched(made, shop, told["id"])).status_code == 200
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.export SET expires_at = now() - interval '1 s' WHERE id = $1",
            uuid.UUID(told["id"]),
        )
    await keeping.expire()
    assert not [*folder.glob(f"{told['id']}*")]
    assert (await fetched(made, shop, told["id"])).status_code == 404


async def test_a_file_of_nobodys_is_left_alone_and_a_stray_one_goes(
    made: GatewayWorld, shop: Customer, folder: Path
) -> None:
    told, keeping = await taken(made, shop), Keeping(made.platform)
    strays = [folder / f"{told['id']}.part-1", folder / f"{told['id']}-{'0' * 16}.zip"]
    others = [folder / f"{uuid.uuid4()}-{'0' * 16}.zip", folder / "notes.txt"]
    for path in (*strays, *others):
        path.write_bytes(b"x")
    await keeping.sweep()
    assert all(path.exists() for path in (*strays, *others))
    await keeping.sweep(age_s=-1)
    assert not any(path.exists() for path in strays)
    assert all(path.exists() for path in others)
    assert (await fetched(made, shop, told["id"])).status_code == 200
    expect(await made.client.delete(f"/api/exports/{told['id']}", headers=shop.headers), 204)


async def test_so_many_archives_lie_there_and_no_more(made: GatewayWorld) -> None:
    customer = await filled(made, Tier.ROWS)
    kept = [(await taken(made, customer))["id"] for _ in range(EXPORTS_KEPT_MAX)]
    refused = await made.client.post("/api/exports", headers=customer.headers)
    assert "delete one" in expect(refused, 409)["detail"]
    expect(await made.client.delete(f"/api/exports/{kept[0]}", headers=customer.headers), 204)
    told = await asked(made, customer)
    path = f"/api/exports/{told['id']}"
    expect(await made.client.delete(path, headers=customer.headers), 204)
    assert expect(await made.client.get(path, headers=customer.headers), 200)["state"] == (
        "cancelled"
    )


@pytest.mark.parametrize("point", EXPORT_POINTS)
async def test_an_export_goes_on_where_its_worker_died(
    made: GatewayWorld, home: Nursery, folder: Path, point: str
) -> None:
    customer = await filled(made, Tier.ROWS)
    told = await asked(made, customer)
    worker = await home.bear(made.settings, {"STEPWELL_FAULT_POINT": point})
    assert await worker.died_of() is signal.SIGKILL, worker.said()
    async with working(made):
        told = await until_made(made, customer, told["id"])
    answer = await fetched(made, customer, told["id"])
    assert hashlib.sha256(answer.content[:-71]).hexdigest() == told["sha256"]
    await Keeping(made.platform).sweep(age_s=-1)
    assert len([*folder.glob(f"{told['id']}*")]) == 1


async def test_operators_have_an_archive_taken_and_restore_it(
    made: GatewayWorld, shop: Customer
) -> None:
    path = f"/api/ops/tenants/{shop.slug}/exports"
    expect(await made.client.post(path, headers=ops(None)), 400)
    told = expect(await made.client.post(path, headers=ops("ticket 12")), 202)["export"]
    async with working(made):
        await until_made(made, shop, told["id"])
        slug = new_slug()
        begun = expect(
            await made.client.post(
                f"{path}/{told['id']}/restore",
                json={"slug": slug, "plan": "pro"},
                headers=ops("ticket 12"),
            ),
            202,
        )
        assert begun["tenant"]["slug"] == slug
        await until_active(made.client, slug)
    assert await tables_of(made, slug, shop.token) == await tables_of(made, shop.slug, shop.token)
    again = await made.client.post(
        f"{path}/{told['id']}/restore", json={"slug": slug}, headers=ops()
    )
    expect(again, 409)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email = 'moved.' || email WHERE email = $1", shop.email
        )
        unknown = {"slug": new_slug()}
        late = await made.client.post(f"{path}/{told['id']}/restore", json=unknown, headers=ops())
        await connection.execute(
            "UPDATE catalog.account SET email = $1 WHERE email = 'moved.' || $1", shop.email
        )
    # Whoever has the token owns the copy: it goes by mail, and is in no answer.
    assert expect(late, 202)["invitation"]["email"] == shop.email
    assert "token" not in late.json()["invitation"]
    # Else a copy of its own would show an operator all rows, with no transcript.
    mine = {"slug": new_slug(), "owner_email": "operator@ours.example"}
    refused = await made.client.post(f"{path}/{told['id']}/restore", json=mine, headers=ops())
    assert "owns nothing" in expect(refused, 403)["detail"]
    absent = f"{path}/{uuid.uuid4()}/restore"
    expect(await made.client.post(absent, json={"slug": new_slug()}, headers=ops()), 404)
    listed = expect(await made.client.get(path, headers=ops()), 200)["items"]
    assert (listed[0]["export"]["id"], listed[0]["error"]) == (told["id"], None)
    # Operators see no rows without the tenant's knowing: there is no way to fetch it.
    got = await made.client.get(f"{path}/{told['id']}/file", headers=ops())
    assert got.status_code == 404


async def test_a_person_restores_an_archive_as_a_workspace_of_its_own(
    made: GatewayWorld, shop: Customer
) -> None:
    told, slug = await taken(made, shop), new_slug()
    path, body = f"/api/exports/{told['id']}/restore", {"slug": slug}
    unproved = await made.client.post(path, json=body, headers=shop.headers)
    assert "isn't proved yet" in expect(unproved, 403)["detail"]
    async with made.platform.catalog.transaction() as connection:
        account = await accounts.find_by_email(connection, shop.email)
        assert account is not None
        await accounts.confirm(connection, account.id)
    program = await made.client.post(path, json=body, headers=bearer(shop.key))
    assert "as a person" in expect(program, 403)["detail"]
    stranger = await filled(made, Tier.ROWS)
    expect(await made.client.post(path, json=body, headers=stranger.headers), 404)
    begun = expect(await made.client.post(path, json=body, headers=shop.headers), 202)
    assert (begun["tenant"]["slug"], begun["tenant"]["plan"]) == (slug, "starter")
    again = await made.client.post(path, json=body, headers=shop.headers)
    assert expect(again, 409)["errors"][0]["key"] == "slug"
    async with working(made):
        await until_active(made.client, slug)
    assert await tables_of(made, slug, shop.token) == await tables_of(made, shop.slug, shop.token)
    trail = expect(await made.client.get("/api/audit", headers=shop.headers), 200)["items"]
    assert "export.restore" in [each["action"] for each in trail[:5]]
    expect(await made.client.delete(f"/api/exports/{told['id']}", headers=shop.headers), 204)


async def test_an_owner_ends_a_workspace_and_takes_it_back(made: GatewayWorld) -> None:
    customer = await filled(made, Tier.ROWS)
    headers = customer.headers
    assert await planned(made, headers) is None
    wrong = await made.client.post("/api/deletion", json={"confirm": "x"}, headers=headers)
    assert expect(wrong, 422)["errors"][0]["key"] == "confirm"
    body = {"confirm": customer.slug, "reason": "we move on"}
    key = await made.client.post("/api/deletion", json=body, headers=bearer(customer.key))
    assert "logged in as a person" in expect(key, 403)["detail"]
    told = expect(await made.client.post("/api/deletion", json=body, headers=headers), 202)
    again = expect(await made.client.post("/api/deletion", json=body, headers=headers), 202)
    assert (told["is_begun"], told["due_at"]) == (False, again["due_at"])
    shown = expect(await made.client.get("/api/tenant", headers=headers), 200)
    assert (shown["ends_at"], shown["operation"]) == (told["due_at"], None)
    # All goes on until the day.
    answer = await made.client.post("/artists", json={"name": "X"}, headers=bearer(customer.key))
    expect(answer, 201)
    expect(await made.client.delete("/api/deletion", headers=headers), 204)
    assert await planned(made, headers) is None
    expect(await made.client.delete("/api/deletion", headers=headers), 404)
    trail = expect(await made.client.get("/api/audit", headers=headers), 200)["items"]
    assert [each["action"] for each in trail[:2]] == ["deletion.take_back", "deletion.request"]


async def test_at_its_day_a_workspace_is_erased_with_its_archives(
    made: GatewayWorld, folder: Path
) -> None:
    customer = await filled(made, Tier.SCHEMA)
    kept = await taken(made, customer)
    await set_sign_on(made, customer)
    body = {"confirm": customer.slug}
    expect(await made.client.post("/api/deletion", json=body, headers=customer.headers), 202)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            """WITH due AS (UPDATE catalog.deletion SET due_at = now() WHERE tenant_id = $1)
            UPDATE catalog.operation SET not_before = now() WHERE tenant_id = $1""",
            customer.id,
        )
    path = f"/api/ops/tenants/{customer.slug}/certificate"
    async with working(made):
        told = await until_certified(made, path)
    assert hashlib.sha256(told["document"].encode()).hexdigest() == told["sha256"]
    assert told["certificate"]["exports"] == 1
    assert not [*folder.glob(f"{kept['id']}*")]
    expect(await made.client.get("/api/tenant", headers=customer.headers), 401)
    # Its domain is free for another tenant, and nothing of its provider is left.
    async with made.platform.catalog.connection() as connection:
        left = await connection.fetchval(
            """SELECT count(*) FROM (
                SELECT tenant_id FROM catalog.single_sign_on
                UNION ALL SELECT tenant_id FROM catalog.sign_on_domain
                UNION ALL SELECT tenant_id FROM catalog.sign_on_subject
                UNION ALL SELECT tenant_id FROM catalog.sign_on_trial
            ) AS kept WHERE tenant_id = $1""",
            customer.id,
        )
    assert left == 0


async def test_an_ending_that_got_stuck_is_said_and_tried_again(made: GatewayWorld) -> None:
    customer = await filled(made, Tier.ROWS)
    body, headers = {"confirm": customer.slug}, customer.headers
    expect(await made.client.post("/api/deletion", json=body, headers=headers), 202)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            """WITH due AS (UPDATE catalog.deletion SET due_at = now() WHERE tenant_id = $1)
            UPDATE catalog.operation SET state = 'failed', finished_at = now(), error = 'charged'
            WHERE tenant_id = $1 AND kind = 'erase'""",
            customer.id,
        )
    told = await planned(made, headers)
    assert told is not None
    assert (told["is_stuck"], told["is_begun"]) == (True, False)
    told = expect(await made.client.post("/api/deletion", json=body, headers=headers), 202)
    assert told["is_stuck"] is False
    async with working(made):
        await until_certified(made, f"/api/ops/tenants/{customer.slug}/certificate")


async def test_operators_erase_with_a_reason_and_the_slug(made: GatewayWorld) -> None:
    customer = await filled(made, Tier.ROWS)
    path = f"/api/ops/tenants/{customer.slug}"
    body = {"confirm": customer.slug}
    expect(await made.client.post(f"{path}/erase", json=body, headers=ops(None)), 400)
    wrong = await made.client.post(f"{path}/erase", json={"confirm": "x"}, headers=ops())
    expect(wrong, 422)
    expect(await made.client.post(f"{path}/erase", json=body, headers=ops("over")), 202)
    told = await planned(made, ops(), f"{path}/deletion")
    assert told is not None
    assert told["reason"] == "over"
    expect(await made.client.delete(f"{path}/deletion", headers=ops("not yet")), 204)
    assert await planned(made, ops(), f"{path}/deletion") is None
    body_now = {**body, "at_once": True}
    expect(await made.client.post(f"{path}/erase", json=body_now, headers=ops("over")), 202)
    async with working(made):
        told = await until_certified(made, f"{path}/certificate")
    assert told["certificate"]["reason"] == "over"
    expect(await made.client.delete(f"{path}/deletion", headers=ops()), 409)


async def test_where_no_archives_are_kept_that_is_said(made: GatewayWorld) -> None:
    settings = msgspec.structs.replace(made.settings, archive_dir=None)
    customer = await filled(made, Tier.ROWS)
    async with gateway(settings) as bare:
        answer = await bare.client.post("/api/exports", headers=customer.headers)
        assert "STEPWELL_ARCHIVE_DIR" in expect(answer, 409)["detail"]


async def planned(
    made: GatewayWorld, headers: dict[str, str], path: str = "/api/deletion"
) -> dict[str, Any] | None:
    told: dict[str, Any] | None = expect(await made.client.get(path, headers=headers), 200)[
        "deletion"
    ]
    return told


async def set_sign_on(made: GatewayWorld, customer: Customer) -> None:
    """Give a tenant an identity provider by which its owner came, and a trial of it."""
    async with made.platform.catalog.transaction() as connection:
        wanted = SignOn(
            tenant_id=customer.id,
            issuer="https://login.example.com",
            client_id="any",
            secret="any",
            domains=(f"{customer.slug}.example",),
            is_required=False,
        )
        await sign_on.put(connection, made.platform.sealer, wanted)
        told = TrialTold(steps=(), claims={}, clock_skew_s=None)
        await sign_on.keep_trial(connection, wanted.tenant_id, told)
        account = await accounts.find_by_email(connection, customer.email)
        assert account is not None
        kept = Kept(
            tenant_id=wanted.tenant_id,
            issuer=wanted.issuer,
            nonce="",
            verifier="",
            is_trial=False,
        )
        await sign_on.tie(connection, kept, "subject", account.id)


async def until_certified(made: GatewayWorld, path: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await made.client.get(path, headers=ops())
            if answer.status_code == 200:
                told: dict[str, Any] = answer.json()
                return told
            await asyncio.sleep(0.05)
