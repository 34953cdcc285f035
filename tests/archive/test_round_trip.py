"""Out of one tenant into a file, and out of the file into another tenant, in every tier."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZipFile

import pytest

from deploy import archiving
from deploy.archiving import WantedRestore
from deploy.operations import make_runner
from promotion.archive_file import check
from promotion.archive_form import COMMENT, COMMENT_BYTES, HEAD_FILE
from router.catalog import archives, tenants
from router.catalog.moves import By
from router.catalog.operations import OperationState
from router.catalog.runner import Runner
from router.errors import Conflict, NotFound, Unprocessable
from router.words import TenantStatus, Tier
from tests.gateways import (
    Customer,
    GatewayWorld,
    bearer,
    expect,
    gateway_world,
    make_tenant,
    new_slug,
)
from tests.worlds import Clusters

BY = By(actor="operator:test", reason="a test asks for it")
PLANS = {Tier.ROWS: "starter", Tier.SCHEMA: "pro", Tier.DATABASE: "enterprise"}
TABLES = ("artist", "album", "genre")


@pytest.fixture(scope="module")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(clusters) as built:
        yield built


@pytest.fixture(scope="module")
async def runner(made: GatewayWorld) -> AsyncIterator[Runner]:
    built = make_runner(made.platform)
    yield built
    await built.close()


@pytest.fixture(scope="module")
async def customer(made: GatewayWorld) -> Customer:
    return await filled(made, Tier.ROWS)


async def filled(made: GatewayWorld, tier: Tier) -> Customer:
    shop = await make_tenant(made, tier)
    for name in ('Ünïcode, "quoted"', "", "line\nbreak"):
        body = {"name": name}
        answer = await made.client.post("/artists", json=body, headers=bearer(shop.key))
        assert answer.status_code in {201, 422}, answer.text
    return shop


async def entering(made: GatewayWorld, slug: str, token: str) -> dict[str, str]:
    """The owner's credential for another tenant of theirs."""
    answer = await made.client.post("/api/switch", json={"tenant": slug}, headers=bearer(token))
    return bearer(expect(answer, 200)["token"])


async def tables_of(made: GatewayWorld, slug: str, token: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    headers = await entering(made, slug, token)
    for table in TABLES:
        answer = await made.client.get(f"/export/{table}", headers=headers)
        assert answer.status_code == 200, answer.text
        found[table] = answer.content
    return found


async def restore(made: GatewayWorld, runner: Runner, wanted: WantedRestore) -> OperationState:
    begun = await archiving.begin_restore(made.platform, wanted, BY)
    ended = await archiving.until_ended(runner, begun.operation.id)
    assert ended.error is None, ended.error
    return ended.state


@pytest.mark.parametrize("tier", list(Tier))
async def test_a_restored_tenant_answers_with_the_same_bytes(
    made: GatewayWorld, runner: Runner, tmp_path: Path, tier: Tier
) -> None:
    shop = await filled(made, tier)
    file, slug = tmp_path / "shop.zip", new_slug()
    taken = await archiving.export(made.platform, shop.slug, file, BY)
    target = {Tier.ROWS: Tier.SCHEMA, Tier.SCHEMA: Tier.DATABASE, Tier.DATABASE: Tier.ROWS}[tier]
    wanted = WantedRestore(file=file, slug=slug, plan=PLANS[target])
    assert await restore(made, runner, wanted) is OperationState.DONE
    assert taken.seal.rows >= 2
    assert await tables_of(made, slug, shop.token) == await tables_of(made, shop.slug, shop.token)
    # Generated ids go on behind those that were given.
    headers = await entering(made, slug, shop.token)
    expect(await made.client.post("/artists", json={"name": "new"}, headers=headers), 201)
    # Equal rows are equal files, table by table.
    again = await archiving.export(made.platform, shop.slug, tmp_path / "again.zip", BY)
    assert again.seal.digests == taken.seal.digests
    assert [each.sha256 for each in again.seal.tables] == [
        each.sha256 for each in taken.seal.tables
    ]


async def test_a_slug_that_is_taken_is_refused(
    made: GatewayWorld, customer: Customer, tmp_path: Path
) -> None:
    file = tmp_path / "shop.zip"
    await archiving.export(made.platform, customer.slug, file, BY)
    with pytest.raises(Conflict, match="is taken"):
        await archiving.begin_restore(made.platform, WantedRestore(file=file), BY)


async def test_no_file_is_written_over(
    made: GatewayWorld, customer: Customer, tmp_path: Path
) -> None:
    file = tmp_path / "shop.zip"
    file.write_text("somebody's")
    with pytest.raises(Conflict, match="there already"):
        await archiving.export(made.platform, customer.slug, file, BY)
    assert [each.name for each in tmp_path.iterdir()] == ["shop.zip"]


async def test_an_archive_that_was_cut_or_altered_is_refused_wherever_it_was(
    made: GatewayWorld, customer: Customer, tmp_path: Path
) -> None:
    file, spoilt = tmp_path / "shop.zip", tmp_path / "spoilt.zip"
    await archiving.export(made.platform, customer.slug, file, BY)
    whole = file.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        spoilt.write_bytes(whole[:length])
        with pytest.raises(Unprocessable, match="archive"):
            await check(spoilt, bytes_max=10**9, after_piece=lambda _: None)
    for at in range(0, len(whole), len(whole) // 60):
        spoilt.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Unprocessable):
            await check(spoilt, bytes_max=10**9, after_piece=lambda _: None)
    with pytest.raises(Unprocessable, match="unpacks to"):
        await check(file, bytes_max=100, after_piece=lambda _: None)


async def test_a_small_file_that_unpacks_to_gigabytes_is_refused_before_it_does(
    tmp_path: Path,
) -> None:
    packed = [odd(tmp_path / f"{form}.zip", form) for form in (ZIP_BZIP2, ZIP_LZMA)]
    for file in (*packed, odd(tmp_path / "secret.zip", ZIP_DEFLATED, is_encrypted=True)):
        with pytest.raises(Unprocessable, match="packed in a way"):
            await check(file, bytes_max=10**9, after_piece=lambda _: None)


def odd(file: Path, form: int, *, is_encrypted: bool = False) -> Path:
    """Write what ends like an archive, and is packed as none is."""
    written = io.BytesIO()
    with ZipFile(written, "w", compression=form) as made:
        made.writestr(HEAD_FILE, b" " * 1_000_000)
        made.comment = b"\0" * COMMENT_BYTES
    data = bytearray(written.getvalue()[:-COMMENT_BYTES])
    if is_encrypted:
        data[data.index(b"PK\x03\x04") + 6] |= 1
        data[data.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(bytes(data) + (COMMENT + hashlib.sha256(data).hexdigest()).encode())
    return file


async def test_a_rehearsal_proves_and_leaves_nothing(
    made: GatewayWorld, customer: Customer
) -> None:
    async with made.platform.catalog.connection() as connection:
        before = await connection.fetch("SELECT slug FROM catalog.slug ORDER BY slug")
    shown = await archiving.rehearse(made.platform, customer.slug, BY)
    assert shown.rows == sum(each.rows for each in shown.proof)
    assert all(each.source_digest == each.target_digest for each in shown.proof)
    async with made.platform.catalog.connection() as connection:
        assert await connection.fetch("SELECT slug FROM catalog.slug ORDER BY slug") == before


@pytest.mark.parametrize("tier", list(Tier))
async def test_an_erased_tenant_is_nowhere_and_certified(
    made: GatewayWorld, runner: Runner, tier: Tier
) -> None:
    shop = await filled(made, tier)
    with pytest.raises(Unprocessable, match="nothing was erased"):
        await archiving.begin_erasure(made.platform, shop.slug, "another", BY)
    begun = await archiving.begin_erasure(made.platform, shop.slug, shop.slug, BY)
    ended = await archiving.until_ended(runner, begun.id)
    assert ended.state is OperationState.DONE, ended.error
    async with made.platform.catalog.connection() as connection:
        tenant = (await tenants.get(connection, shop.slug)).tenant
        kept = await archives.get_certificate(connection, tenant)
    assert (tenant.status, tenant.placement) == (TenantStatus.ERASED, None)
    assert sum(each.rows for each in kept.certificate.tables) >= 2
    assert kept.certificate.places
    answer = await made.client.get("/artists", headers=bearer(shop.key))
    assert answer.status_code in {401, 404}, answer.text


async def test_a_tenant_that_lives_has_no_certificate(
    made: GatewayWorld, customer: Customer
) -> None:
    async with made.platform.catalog.connection() as connection:
        tenant = (await tenants.get(connection, customer.slug)).tenant
        with pytest.raises(NotFound, match="no certificate"):
            await archives.get_certificate(connection, tenant)
