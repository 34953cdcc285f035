from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import asyncpg
import pytest

from deploy.stack import control
from deploy.stack.account import find_account, unprivileged_account
from deploy.stack.binaries import find_postgres, postgres_at
from deploy.stack.errors import PartFailed
from deploy.stack.postgres import PostgresCluster
from deploy.stack.state import Phase, State, StateFolder
from tests.stack.worlds import (
    IS_ROOT,
    NOBODY,
    cluster,
    connected,
    detached,
    foreground,
    kill,
    living,
    mode,
    names,
    normal_user_env,
    normal_user_python,
    open_folder,
    owner,
    popen,
    postmaster,
    said,
    started,
    until,
    until_phase,
)

DEBIAN = [Path(f"/usr/lib/postgresql/{major}/bin") for major in (15, 16, 17)]
SETTINGS = """
    SELECT current_setting('server_encoding'), current_setting('data_checksums'),
           current_setting('password_encryption'), current_setting('jit'),
           current_setting('fsync'), datcollate
    FROM pg_database WHERE datname = 'postgres'
"""


async def _check(one: PostgresCluster) -> None:
    async with connected(one.dsn()) as connection:
        row = await connection.fetchrow(SETTINGS)
        assert row is not None
        assert tuple(row)[:5] == ("UTF8", "on", "scram-sha-256", "off", "on")
        assert row["datcollate"] in {"C", "C.UTF-8"}
        assert await connection.fetchval("SELECT 'Z' < 'a'"), "bytes decide, not a language"
    assert one.sockets is not None
    for host in ("127.0.0.1", one.sockets):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _log_in(one, host, "wrong")
        await _log_in(one, host, one.password)


async def _log_in(one: PostgresCluster, host: str, password: str) -> None:
    connection = await asyncpg.connect(
        host=host,
        port=one.port,
        user=one.superuser,
        password=password,
        database="postgres",
        ssl=False,
    )
    await connection.close()


async def test_the_wheels_cluster_is_utf8_checked_and_behind_a_password(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (_, one):
        await _check(one)
        assert mode(one.data) == 0o700
        assert names(tmp_path / "clusters") == ["one"], "initdb's work folder is gone"
    assert living(tmp_path) == {}


@pytest.mark.parametrize("folder", DEBIAN, ids=lambda folder: f"PostgreSQL-{folder.parent.name}")
async def test_debians_cluster_is_the_same(tmp_path: Path, folder: Path) -> None:
    if not folder.joinpath("initdb").exists():
        pytest.skip(f"{folder} isn't installed")
    async with cluster(tmp_path, binaries=postgres_at(folder)) as (_, one):
        await _check(one)


async def test_rows_stay_when_the_stack_is_stopped_and_started(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (_, one), connected(one.dsn()) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
    async with cluster(tmp_path) as (_, again), connected(again.dsn()) as connection:
        assert await connection.fetchval("SELECT number FROM kept") == 42
        assert again.port == one.port


async def test_a_folder_with_spaces_quotes_and_commas_works(tmp_path: Path) -> None:
    async with cluster(tmp_path / "a \"b\", 'c' ü") as (_, one):
        await _check(one)


async def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 80)
    async with cluster(path) as (_, one):
        await _check(one)
        assert one.sockets is not None
        assert not one.sockets.startswith(str(path))
        assert mode(one.sockets) == 0o700
    with pytest.raises(FileNotFoundError):
        mode(one.sockets)


async def test_a_cluster_killed_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    clusters = tmp_path / "clusters"
    with started(tmp_path, "postgres") as killed:
        await until(lambda: list(clusters.glob(".postgres.init-*/data/PG_VERSION")))
        kill(killed.pid)
        await said(killed)
        assert not list(clusters.glob("postgres"))
        async with detached(tmp_path, "postgres"):
            assert [part.healthy for part in (await control.status(tmp_path)).parts] == [True]
            assert names(clusters) == ["postgres"]


async def test_an_initdb_whose_supervisor_was_killed_does_not_stay(tmp_path: Path) -> None:
    with started(tmp_path, "postgres") as killed:
        await until(lambda: list(tmp_path.glob("clusters/.postgres.init-*/data")))
        kill(killed.pid)
        await said(killed)
        await control.stop(tmp_path)
        assert living(tmp_path) == {}


async def test_a_dead_postmasters_number_that_a_stranger_got_stops_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (_, one):
        pass
    lines = (str(os.getpid()), one.data, "1", str(one.port), "", "127.0.0.1", "1 1", "ready")
    pidfile = tmp_path / "clusters" / "one" / "postmaster.pid"
    pidfile.write_text("\n".join(lines), encoding="utf-8")
    async with cluster(tmp_path) as (_, again), connected(again.dsn()) as connection:
        assert await connection.fetchval("SELECT true")


async def test_a_folder_in_the_clusters_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "clusters" / "one" / "photos").mkdir(parents=True)
    (tmp_path / "log").mkdir()
    folder = StateFolder(tmp_path)
    folder.write(State(id="x"))
    with pytest.raises(PartFailed, match="clusters/one holds files but no cluster: move it"):
        async with cluster(tmp_path):
            pass


@pytest.mark.skipif(not IS_ROOT, reason="only root has to run PostgreSQL as somebody else")
async def test_root_without_user_namespaces_runs_it_as_an_unprivileged_user() -> None:
    with open_folder() as outside:
        path = outside / "closed" / "state"
        account, binaries = unprivileged_account(), find_postgres()
        package, closed = Path(binaries.folder).parents[1], outside / "closed"
        closed.mkdir(mode=0o700)
        for place in package.parent.glob(f"{package.name}*"):
            (closed / place.name).symlink_to(place)
        binaries = postgres_at(closed / Path(*Path(binaries.folder).parts[-3:]))
        async with cluster(path, account=account, outside=outside, binaries=binaries) as (_, one):
            await _check(one)
            assert not one.data.startswith(str(path)), "that user can't reach root's folder"
            pid = postmaster(one.data)
            assert owner(pid) == account.uid
            kill(pid)
            await _until_restarted(one, pid)
        assert living(outside) == {}


async def _until_restarted(one: PostgresCluster, pid: int) -> None:
    async with asyncio.timeout(20):
        while True:
            await asyncio.sleep(0.05)
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InternalClientError):
                async with connected(one.dsn()) as connection:
                    assert postmaster(one.data) != pid
                    assert await connection.fetchval("SELECT true")
                    return


@pytest.mark.skipif(not IS_ROOT, reason="the other tests run as a normal user already")
async def test_a_normal_user_runs_the_whole_stack() -> None:
    python = await asyncio.to_thread(normal_user_python)
    if python is None:
        pytest.skip("no Python here that another user may run")
    with open_folder() as folder:
        os.chown(folder, NOBODY, NOBODY)
        path = folder / "state"
        argv = [python, *foreground(path, "postgres", "sleeper")[1:]]
        with popen(argv, normal_user_env(), user=NOBODY) as stack:
            await until_phase(path, Phase.READY)
            parts = (await control.status(path)).parts
            assert [part.healthy for part in parts] == [True, True]
            assert {owner(part.pid) for part in parts} == {NOBODY}
            stack.terminate()
            assert (await said(stack), stack.returncode) == ("", 0)
        assert living(path) == {}


def test_root_prefers_a_user_namespace_and_others_need_nothing() -> None:
    account = find_account()
    if IS_ROOT:
        assert account.prefix or account.uid
    else:
        assert account.prefix == ()
        assert account.uid is None
