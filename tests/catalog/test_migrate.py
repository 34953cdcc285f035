from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

import migrations
from migrations.apply import catalog_revision, migrate_catalog
from router.catalog import claims, tenants
from router.catalog.claims import ClaimState
from router.connect import connect
from router.errors import Misconfigured
from router.names import RESERVED_SLUGS
from tests.catalog.worlds import Server


async def test_two_at_once_apply_each_revision_once(running: Server) -> None:
    name = f"m_{uuid4().hex}"
    await running.execute(f"CREATE DATABASE {name}")
    address = running.address(name)
    assert not (await catalog_revision(address)).is_current
    applied = await asyncio.gather(migrate_catalog(address), migrate_catalog(address))
    first, last = sorted(applied)
    assert first == []
    assert last == [f"{number:04}" for number in range(1, len(last) + 1)]
    assert last[-1] == (await catalog_revision(address)).wanted
    assert (await catalog_revision(address)).is_current
    connection = await connect(address, purpose="test")
    try:
        reserved = await connection.fetchval("SELECT count(*) FROM catalog.reserved_slug")
        assert reserved == len(RESERVED_SLUGS)
        # A per cent sign inside a function arrived once, not doubled by the renderer.
        source = await connection.fetchval(
            "SELECT prosrc FROM pg_proc WHERE proname = 'audit_is_append_only'"
        )
        assert "% is refused" in source
        assert "%%" not in source
    finally:
        await connection.close()


async def test_a_catalog_of_a_newer_version_is_refused(running: Server) -> None:
    name = f"m_{uuid4().hex}"
    await running.execute(f"CREATE DATABASE {name} TEMPLATE template_catalog")
    address = running.address(name)
    connection = await connect(address, purpose="test")
    await connection.execute("INSERT INTO catalog.revision (revision) VALUES ('9999')")
    await connection.close()
    for refused in (migrate_catalog, catalog_revision):
        with pytest.raises(Misconfigured, match="revision 9999, which this version"):
            await refused(address)


async def test_domains_of_an_older_catalog_become_claims(running: Server) -> None:
    name = f"m_{uuid4().hex}"
    await running.execute(f"CREATE DATABASE {name} TEMPLATE template_catalog")
    folder = Path(migrations.__file__).parent / "catalog/revisions/0005_workspace"
    connection = await connect(running.address(name), purpose="test")
    try:
        async with connection.transaction():
            made = await tenants.create(connection, slug="older", name="Older", plan="starter")
            await connection.execute("DROP TABLE catalog.domain_claim")
            await connection.execute(
                "ALTER TABLE catalog.domain ALTER verified_at DROP NOT NULL, "
                "ALTER verified_at DROP DEFAULT"
            )
            await connection.execute(
                "INSERT INTO catalog.domain (name, tenant_id, verified_at) "
                "VALUES ('old.example', $1, NULL), ('served.example', $1, now())",
                made.id,
            )
            await connection.execute(folder.joinpath("tables.sql").read_text(encoding="utf-8"))
        found = {each.name: each.state for each in await claims.list_all(connection, made.id)}
        assert found == {"old.example": ClaimState.PENDING, "served.example": ClaimState.VERIFIED}
        assert await tenants.domains(connection) == [("served.example", made.id)]
    finally:
        await connection.close()
