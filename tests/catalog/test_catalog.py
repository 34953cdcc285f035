from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import asyncpg
import msgspec
import pytest

from router.catalog import Catalog, plans, tenants
from router.catalog.tenants import TenantFilter
from router.errors import CatalogUnreachable, Unprocessable
from tests.catalog.worlds import add_cluster, add_tenant, catalog_on, server
from tests.proxy import proxied
from tests.stack.worlds import until


async def test_what_postgresql_cannot_hold_is_the_callers_fault(catalog: Catalog) -> None:
    for text in ("\x00", "\ud800"):
        with pytest.raises(Unprocessable, match="can't be stored"):
            async with catalog.connection() as connection:
                await tenants.list_page(connection, TenantFilter(search=text))


async def test_a_cancelled_caller_leaves_no_transaction_behind(catalog: Catalog) -> None:
    async def held() -> None:
        async with catalog.transaction() as connection:
            await connection.execute("LOCK TABLE catalog.plan IN ACCESS EXCLUSIVE MODE")
            await connection.execute("SELECT pg_sleep(30)")

    for pause_s in (0.0, 0.001, 0.01, 0.1):
        tasks = [asyncio.create_task(held()) for _ in range(20)]
        await asyncio.sleep(pause_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with catalog.connection() as connection:
        assert len(await plans.list_all(connection)) >= 3
        assert not connection.is_in_transaction()


async def test_an_error_inside_keeps_nothing_and_the_connection(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "unrenamed")
    for _ in range(20):
        with pytest.raises(LookupError):
            await _fail_after_renaming(catalog, made.slug)
    async with catalog.connection() as connection:
        assert await tenants.get_by_id(connection, made.id) == made
        backends = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        )
        assert backends <= 8


async def test_a_catalog_that_hangs_is_unreachable_in_time(tmp_path: Path) -> None:
    async with server(tmp_path) as running, catalog_on(running) as catalog:
        await add_cluster(catalog)
        async with catalog.connection() as connection:
            # The process as this machine numbers it: a user namespace doesn't change that.
            backend = int(await connection.fetchval("SELECT pg_backend_pid()"))
        os.kill(backend, signal.SIGSTOP)
        try:
            started_s = time.monotonic()
            with pytest.raises(CatalogUnreachable, match="doesn't answer"):
                async with catalog.connection(work_s_max=0.5) as connection:
                    await connection.fetchval("SELECT 1")
            assert time.monotonic() - started_s < 3
        finally:
            os.kill(backend, signal.SIGCONT)
        async with catalog.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_a_server_that_says_farewell_and_has_not_hung_up_is_unreachable(
    catalog: Catalog,
) -> None:
    address = catalog.address
    async with proxied(address.host, address.port) as proxy:
        host, port = proxy.address
        behind = Catalog(msgspec.structs.replace(address, host=host, port=port))
        async with behind.connection() as connection:
            backend = await connection.fetchval("SELECT pg_backend_pid()")
        proxy.keeps_ends = True
        async with catalog.connection() as connection:
            await connection.fetchval("SELECT pg_terminate_backend($1)", backend)
        await until(lambda: proxy.ends_kept)
        async with catalog.connection() as connection:
            # Whatever came before this answer has been read.
            await connection.fetchval("SELECT 1")
        with pytest.raises(CatalogUnreachable, match="doesn't answer") as silent:
            async with behind.connection() as connection:
                await connection.fetchval("SELECT 1")
        assert isinstance(silent.value.__cause__, asyncpg.InternalClientError)
        async with behind.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        await behind.close()


async def test_a_wrong_password_is_told_without_the_password(catalog: Catalog) -> None:
    stranger = Catalog(msgspec.structs.replace(catalog.address, password="not this one"))
    with pytest.raises(CatalogUnreachable, match="password authentication failed") as refused:
        async with stranger.connection():
            pass
    assert "not this one" not in refused.value.detail


async def _fail_after_renaming(catalog: Catalog, slug: str) -> None:
    async with catalog.transaction() as connection:
        found = await tenants.get(connection, slug)
        await tenants.set_name(connection, found.tenant.id, "Never kept")
        raise LookupError
