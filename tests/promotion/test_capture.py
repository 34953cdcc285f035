"""The key log: awake for one tenant, complete from a moment on, asleep for all the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from promotion import capture
from promotion.shape import shape_of
from router.errors import NotFound
from router.words import Consistency, Mode, Tenant, Tier
from tests.promotion.following import chase, knots_world
from tests.worlds import World

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Connection
    from tests.worlds import Clusters

LOGGED = "SELECT table_name, key::text FROM gate.change WHERE tenant_id = $1 ORDER BY 1, 2"
PUT = "INSERT INTO label (code) VALUES ('a')"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with knots_world(clusters, tmp_path_factory.mktemp("knots")) as made:
        yield made


async def logged(connection: Connection, tenant: Tenant) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in await connection.fetch(LOGGED, tenant.id)]


async def test_only_the_tenant_that_was_woken_is_written_down(world: World) -> None:
    one, other = await world.tenant(Tier.ROWS), await world.tenant(Tier.ROWS)
    async with world.admin() as connection:
        await capture.wake(connection, one.id, wait_s_max=5)
        for tenant in (one, other):
            async with world.lease(tenant) as lease:
                await lease.execute(PUT)
        assert await logged(connection, one) == [("label", '["a"]')]
        assert await logged(connection, other) == []
        await capture.sleep(connection, one.id, wait_s_max=5)
        async with world.lease(one) as lease:
            await lease.execute("DELETE FROM label")
        assert await capture.forget(connection, one.id) == 1
        assert await logged(connection, one) == []


async def test_capture_waits_for_the_transactions_that_were_in_before(world: World) -> None:
    tenant = await world.tenant(Tier.ROWS)
    async with world.admin() as connection, asyncio.TaskGroup() as group:
        async with world.lease(tenant) as lease:
            await lease.execute(PUT)
            waking = group.create_task(capture.wake(connection, tenant.id, wait_s_max=10))
            await asyncio.sleep(0.3)
            assert not waking.done()
            # Who comes meanwhile is written down already, and isn't waited for.
            late = await world.dispatch.open(tenant, Mode.WRITE)
            await late.execute("INSERT INTO label (code) VALUES ('b')")
        await asyncio.wait_for(waking, 30)
        await late.commit()
        assert await logged(connection, tenant) == [("label", '["b"]')]


async def test_a_transaction_that_never_ends_is_named(world: World) -> None:
    tenant = await world.tenant(Tier.SCHEMA)
    async with world.admin() as connection:
        async with world.lease(tenant) as lease:
            pid = (await lease.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]
            with pytest.raises(capture.HoldersRemain, match=f"process {pid}") as raised:
                await capture.wake(connection, tenant.id, wait_s_max=0.2)
            assert [each.pid for each in raised.value.holders] == [pid]
            await asyncio.sleep(0.05)
            long = await capture.long_holders(connection, tenant.id, older_than_ms=50)
            assert [each.pid for each in long] == [pid]
            assert await capture.long_holders(connection, tenant.id, older_than_ms=60_000) == []
        await capture.wake(connection, tenant.id, wait_s_max=5)
        assert await capture.holders(connection, tenant.id) == []


async def test_a_repeatable_read_that_holds_the_home_delays_the_capture(world: World) -> None:
    tenant = await world.tenant(Tier.ROWS)
    async with world.admin() as connection:
        async with world.lease(tenant, consistency=Consistency.REPEATABLE_READ) as lease:
            await lease.execute(PUT)
            with pytest.raises(capture.HoldersRemain, match="home of tenant"):
                await capture.wake(connection, tenant.id, wait_s_max=0.1, lock_ms=50)
        await capture.wake(connection, tenant.id, wait_s_max=5)


async def test_a_tenant_without_a_home_cannot_be_woken(world: World) -> None:
    stranger = await world.tenant(Tier.DATABASE)
    async with world.admin() as connection:
        with pytest.raises(NotFound, match="no home"):
            await capture.wake(connection, stranger.id, wait_s_max=1)


async def test_what_was_taken_back_is_never_read(world: World) -> None:
    async with chase(world) as run:
        lease = await world.dispatch.open(run.tenant, Mode.WRITE)
        await lease.execute(PUT)
        await lease.rollback()
        await run.write(
            "SAVEPOINT a",
            "INSERT INTO label (code) VALUES ('lost')",
            "ROLLBACK TO a",
            "SAVEPOINT b",
            "INSERT INTO label (code) VALUES ('kept')",
            "RELEASE b",
        )
        assert await logged(run.source, run.tenant) == [("label", '["kept"]')]
        assert (await run.round()).keys == 1
        await run.assert_equal()


async def test_pruning_leaves_what_the_snapshot_did_not_see(world: World) -> None:
    async with chase(world) as run:
        open_one = await world.dispatch.open(run.tenant, Mode.WRITE)
        await open_one.execute("INSERT INTO label (code) VALUES ('late')")
        await run.write(PUT)
        made = await run.round()
        await open_one.commit()
        assert made.keys == 1
        assert await capture.prune(run.source, run.tenant.id, made.watermark) == 1
        assert await logged(run.source, run.tenant) == [("label", '["late"]')]
        assert (await run.round()).keys == 1
        await run.assert_equal()


async def test_a_change_of_key_writes_both_keys_down(world: World) -> None:
    async with chase(world) as run:
        await run.write(PUT, "UPDATE label SET code = 'b'")
        assert set(await logged(run.source, run.tenant)) == {("label", '["a"]'), ("label", '["b"]')}


_DROP = "DROP TRIGGER stepwell_capture ON {};"
_MAKE = "CREATE TRIGGER stepwell_capture AFTER INSERT OR {} EXECUTE FUNCTION gate.log_change({})"
_PARTLY = _MAKE.format("UPDATE ON {} FOR EACH ROW", "'list', 'place'")
_HALF_A_KEY = _MAKE.format("UPDATE OR DELETE ON {} FOR EACH ROW", "'list'")


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE {} DISABLE TRIGGER stepwell_capture",
        "ALTER TABLE {} DISABLE TRIGGER stepwell_keep",
        _DROP,
        _DROP + _PARTLY,
        _DROP + _HALF_A_KEY,
    ],
)
async def test_a_table_that_would_not_be_written_down_is_refused(world: World, damage: str) -> None:
    tenant = await world.tenant(Tier.SCHEMA)
    assert tenant.placement is not None
    schema, shape = tenant.placement.schema, shape_of(world.loaded.stored)
    async with world.admin() as connection:
        await capture.check(connection, schema, shape)
        await connection.execute(damage.replace("{}", f"{schema}.task"))
        with pytest.raises(capture.CaptureMissing, match="captured: task;"):
            await capture.check(connection, schema, shape)


async def test_a_captured_table_cannot_be_truncated(world: World) -> None:
    tenant = await world.tenant(Tier.SCHEMA)
    assert tenant.placement is not None
    async with world.admin() as connection:
        await capture.wake(connection, tenant.id, wait_s_max=5)
        with pytest.raises(asyncpg.PostgresError, match="truncated while a tenant"):
            await connection.execute(f"TRUNCATE {tenant.placement.schema}.label CASCADE")
