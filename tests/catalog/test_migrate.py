from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from migrations.apply import catalog_revision, migrate_catalog
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
