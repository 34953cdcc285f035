from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from deploy.stack.account import find_account
from deploy.stack.binaries import find_pgbouncer
from deploy.stack.parts import pgbouncer_part
from deploy.stack.pgbouncer import PgBouncer
from tests.stack.worlds import cluster, connected, living

PROGRAM = find_pgbouncer()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer isn't installed")


async def test_transactions_of_many_clients_share_few_server_connections(tmp_path: Path) -> None:
    assert PROGRAM is not None
    async with cluster(tmp_path) as (supervisor, one):
        async with connected(one.dsn()) as connection:
            await connection.execute("CREATE ROLE app LOGIN PASSWORD 'a \"quoted\" word'")
        pooler = PgBouncer(
            program=PROGRAM,
            account=find_account(),
            folder=str(tmp_path / "pgbouncer"),
            port=supervisor.folder.port("pgbouncer"),
            server_port=one.port,
            users={one.superuser: one.password, "app": 'a "quoted" word'},
            admin=one.superuser,
            settings={"default_pool_size": "3"},
        )
        await supervisor.start(pgbouncer_part(pooler))
        pids = await asyncio.gather(*(_backend(pooler.dsn("app")) for _ in range(12)))
        assert len(set(pids)) <= 3
        with pytest.raises(asyncpg.PostgresError):
            async with connected(pooler.dsn("app").replace("quoted", "wrong")):
                pass
    assert living(tmp_path) == {}


async def _backend(dsn: str) -> int:
    async with connected(dsn) as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.client', '1', true)")
        await asyncio.sleep(0.02)
        return int(await connection.fetchval("SELECT pg_backend_pid()"))
