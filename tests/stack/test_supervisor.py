from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from time import monotonic

import asyncpg
import msgspec
import pytest

from deploy.stack import control
from deploy.stack.binaries import find_valkey
from deploy.stack.errors import PartFailed, StartFailed, StateBusy
from deploy.stack.parts import process_part
from deploy.stack.processes import tail
from deploy.stack.state import Kind, Phase, StateFolder
from deploy.stack.supervisor import Patience, supervise
from tests.stack.foreground import SLEEPER
from tests.stack.worlds import (
    child_env,
    connected,
    detached,
    foreground,
    kill,
    living,
    pid_of,
    popen,
    reap,
    said,
    started,
    until,
    until_healthy,
    until_phase,
)

ENV = {**os.environ, **child_env()}

# asyncpg's own word for "the server died between two messages" is InternalClientError.
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Writer:
    """Commits one number after the other, whatever happens, and knows which ones are safe."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.committed: list[int] = []

    async def run(self) -> None:
        number = 0
        while True:
            with contextlib.suppress(*LOST):
                async with connected(self.dsn) as connection:
                    while True:
                        number += 1
                        await connection.execute("INSERT INTO written VALUES ($1)", number)
                        self.committed.append(number)
            await asyncio.sleep(0.05)


async def test_postgres_killed_under_a_writer_is_back_with_every_committed_row(
    tmp_path: Path,
) -> None:
    async with detached(tmp_path, "postgres"):
        dsn = control.dsns(tmp_path)["postgres"]
        async with connected(dsn) as connection:
            await connection.execute("CREATE TABLE written (number int PRIMARY KEY)")
        writer = Writer(dsn)
        task = asyncio.create_task(writer.run())
        for _ in range(3):
            await asyncio.sleep(0.3)
            pid = await pid_of(tmp_path, "postgres")
            kill(pid)
            assert await until_healthy(tmp_path, "postgres", other_than=pid) < 10
        assert not task.done(), task
        before = len(writer.committed)
        await asyncio.sleep(0.5)
        task.cancel()
        assert len(writer.committed) > before > 0
        async with connected(dsn) as connection:
            kept = await connection.fetch("SELECT number FROM written")
        assert set(writer.committed) <= {row["number"] for row in kept}
        (part,) = (await control.status(tmp_path)).parts
        assert part.restarts == 3
        assert part.problem is None


async def test_valkey_killed_is_back_with_its_keys_and_its_password(tmp_path: Path) -> None:
    if find_valkey() is None:
        pytest.skip("no Valkey here")
    async with detached(tmp_path, "valkey"):
        state = StateFolder(tmp_path).load()
        password, port = state.secrets["valkey"], state.ports["valkey"]
        assert await _ask_valkey(port, "SET a b") == "-NOAUTH Authentication required."
        assert await _ask_valkey(port, f"AUTH {password}", "SET a b") == "+OK"
        pid = await pid_of(tmp_path, "valkey")
        kill(pid)
        await until_healthy(tmp_path, "valkey", other_than=pid)
        assert await _ask_valkey(port, f"AUTH {password}", "STRLEN a") == ":1"


async def _ask_valkey(port: int, *commands: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    for command in commands:
        writer.write(f"{command}\r\n".encode())
        answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer.decode().strip()


async def test_after_a_killed_supervisor_the_next_start_clears_up_and_keeps_the_rows(
    tmp_path: Path,
) -> None:
    parts = ("postgres", "valkey", "stubborn")
    async with detached(tmp_path, *parts) as first:
        dsn = control.dsns(tmp_path)["postgres"]
        async with connected(dsn) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
            kill(first)
            reap(first)
            old = living(tmp_path)
            assert len(old) > 3
            async with detached(tmp_path, *parts), connected(dsn) as again:
                assert not old.keys() & living(tmp_path).keys()
                assert await again.fetchval("SELECT number FROM kept") == 42
    assert living(tmp_path) == {}


async def test_down_after_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    async with detached(tmp_path, "postgres", "stubborn", "sleeper") as first:
        kill(first)
        reap(first)
        status = await control.status(tmp_path)
        assert (status.phase, status.pid) == (Phase.STOPPED, None)
        assert [part.healthy for part in status.parts] == [True, True, True]
        stopped = await control.stop(tmp_path)
    assert stopped == ("postgres", "stubborn", "sleeper")
    assert living(tmp_path) == {}


async def test_a_supervisor_killed_at_any_moment_leaves_a_stack_that_starts(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for _ in range(6):
        with popen(foreground(tmp_path, "postgres", "valkey", "sleeper"), ENV) as killed:
            await asyncio.sleep(chance.uniform(0.15, 1.2))
            kill(killed.pid)
            await said(killed)
    async with detached(tmp_path, "postgres", "valkey", "sleeper"):
        parts = (await control.status(tmp_path)).parts
        assert [part.healthy for part in parts] == [True] * 3, f"seed {seed}"
        heads = [words for words in living(tmp_path).values() if "checkpointer" in words]
        assert len(heads) == 1, f"seed {seed}"
    assert living(tmp_path) == {}, f"seed {seed}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_everything_and_ends_well(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path, "valkey", "sleeper") as stack:
        await until_phase(tmp_path, Phase.READY)
        stack.send_signal(number)
        assert (await said(stack), stack.returncode) == ("", 0)
        assert living(tmp_path) == {}
    assert (await control.status(tmp_path)).phase == Phase.STOPPED


async def test_a_signal_during_the_start_stops_what_has_started(tmp_path: Path) -> None:
    with started(tmp_path, "sleeper", "postgres") as stack:
        await until(lambda: list(tmp_path.glob("clusters/.postgres.init-*")))
        stack.terminate()
        assert (await said(stack), stack.returncode) == ("", 0)
        assert living(tmp_path) == {}


async def test_a_second_signal_hurries_the_stop(tmp_path: Path) -> None:
    with started(tmp_path, "stubborn-slowly") as stack:
        log = StateFolder(tmp_path).log("stubborn-slowly")
        await until(lambda: "deaf now" in tail(log))
        begun = monotonic()
        stack.send_signal(signal.SIGINT)
        await until_phase(tmp_path, Phase.STOPPING)
        await asyncio.sleep(0.3)
        assert len(living(tmp_path)) == 3, "the supervisor waits for a part that doesn't listen"
        stack.send_signal(signal.SIGINT)
        assert (await said(stack), stack.returncode) == ("", 0)
        assert monotonic() - begun < 10, "without haste it would be 20 s"
        assert living(tmp_path) == {}


async def test_the_second_up_on_one_state_is_told_who_was_first(tmp_path: Path) -> None:
    async with detached(tmp_path, "sleeper") as first:
        with popen(foreground(tmp_path, "sleeper"), ENV) as second:
            words = await said(second)
        assert second.returncode == 1
        assert f"is in use by process {first} (stepwell up)" in words
        assert len(words.splitlines()) == 1
        with pytest.raises(StateBusy, match=f"process {first} "):
            await control.start_detached(foreground(tmp_path, "sleeper"), tmp_path)
        assert (await control.status(tmp_path)).phase == Phase.READY


async def test_down_stops_everything_and_can_be_repeated(tmp_path: Path) -> None:
    async with detached(tmp_path, "postgres", "sleeper") as pid:
        async with connected(control.dsns(tmp_path)["postgres"]):
            assert await control.stop(tmp_path) == ("postgres", "sleeper", "supervisor")
        reap(pid)
        assert living(tmp_path) == {}
        assert await control.stop(tmp_path) == ()
        assert (await control.status(tmp_path)).parts == ()


async def test_down_where_nothing_ever_was_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert await control.stop(path) == ()
    assert (await control.status(path)).phase == Phase.STOPPED
    assert not path.exists()


async def test_down_stops_a_running_stack_whose_record_is_damaged(tmp_path: Path) -> None:
    async with detached(tmp_path, "valkey", "sleeper"):
        (tmp_path / "state.json").write_text("{", encoding="utf-8")
        assert await control.stop(tmp_path) == ("supervisor",)
        assert living(tmp_path) == {}
        assert (await control.status(tmp_path)).phase == Phase.STOPPED


async def test_a_deleted_state_folder_does_not_keep_its_stack_alive(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with started(path, "sleeper") as stack:
        await until_phase(path, Phase.READY)
        shutil.rmtree(path)
        stack.terminate()
        words = await said(stack)
        assert stack.returncode == 0
        assert words
        assert all("can't be written" in line for line in words.splitlines())
        assert living(path) == {}


async def test_a_part_that_cannot_start_fails_the_whole_start_with_its_last_words(
    tmp_path: Path,
) -> None:
    with started(tmp_path, "valkey", "broken") as stack:
        assert (await said(stack)).splitlines() == [
            "broken couldn't start: it ended (exit status 1)",
            "  no luck today",
        ]
        assert stack.returncode == 1
        assert living(tmp_path) == {}
    status = await control.status(tmp_path)
    assert status.phase == Phase.FAILED
    assert status.reason is not None
    assert "no luck today" in status.reason


async def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"gone couldn't start: .*/nonexistent/program"):
        await control.start_detached(foreground(tmp_path, "gone"), tmp_path, env=child_env())


async def test_a_detached_start_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="wasn't ready in 0 s"):
        await control.start_detached(
            foreground(tmp_path, "postgres"), tmp_path, env=child_env(), limit_s=0.3
        )
    assert living(tmp_path) == {}


async def test_a_part_that_dies_too_often_is_left_down_and_the_others_go_on(tmp_path: Path) -> None:
    words: list[str] = []
    patience = Patience(deaths_max=4, delay_s_min=0.01)
    ending = (sys.executable, "-c", "raise SystemExit('tired')")
    async with supervise(tmp_path, say=words.append, patience=patience) as supervisor:
        await supervisor.start(
            process_part(name="steady", kind=Kind.WORKER, argv=(*SLEEPER, str(tmp_path)))
        )
        await supervisor.start(process_part(name="tired", kind=Kind.WORKER, argv=ending))
        await until(lambda: any("left down" in line for line in words))
        steady, tired = (await control.status(tmp_path)).parts
        assert (steady.healthy, steady.restarts) == (True, 0)
        assert (tired.healthy, tired.pid, tired.restarts) == (False, None, 3)
        assert tired.problem == "tired ended by itself (exit status 1)\n  tired" + "\n  tired" * 3
    assert "tired died 4 times in 60 s and is left down" in words[-1]
    assert living(tmp_path) == {}


async def test_of_parts_that_start_together_one_failure_stops_all(tmp_path: Path) -> None:
    ending = (sys.executable, "-c", "raise SystemExit(3)")
    with pytest.raises(PartFailed, match=r"it ended \(exit status 3\)"):
        async with supervise(tmp_path, say=print) as supervisor:
            await supervisor.start(
                process_part(name="steady", kind=Kind.WORKER, argv=(*SLEEPER, str(tmp_path))),
                process_part(name="a", kind=Kind.WORKER, argv=ending, address="127.0.0.1:9"),
                process_part(name="b", kind=Kind.WORKER, argv=ending, address="127.0.0.1:9"),
            )
    assert living(tmp_path) == {}


async def test_health_is_asked_where_the_part_says(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if request.startswith(b"GET /healthz ") else b"404 Not Found"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, supervise(tmp_path, say=print) as supervisor:
        for name, path in (("well", "/healthz"), ("ill", "/other")):
            part = process_part(
                name=name,
                kind=Kind.GATEWAY,
                argv=(*SLEEPER, str(tmp_path)),
                address=f"127.0.0.1:{port}",
                health_url=f"http://127.0.0.1:{port}{path}",
            )
            if name == "well":
                await supervisor.start(part)
            else:
                with pytest.raises(PartFailed, match="it wasn't ready in 1 s"):
                    await supervisor.start(msgspec.structs.replace(part, ready_limit_s=1))


async def test_notes_are_kept_for_status(tmp_path: Path) -> None:
    async with supervise(tmp_path, say=print) as supervisor:
        supervisor.note(site="http://localhost:8000")
        supervisor.note(api="http://localhost:8000/api")
        notes = (await control.status(tmp_path)).notes
    assert notes == {"site": "http://localhost:8000", "api": "http://localhost:8000/api"}
