from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from deploy.stack import processes
from deploy.stack.ports import free_port, is_free
from deploy.stack.processes import StopStep
from deploy.stack.supervisor import Patience
from tests.stack.worlds import until

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def test_a_zombie_counts_as_dead() -> None:
    child = subprocess.Popen(SLEEP)
    alive = processes.identity(child.pid)
    assert alive is not None
    assert processes.is_alive(alive)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(alive)
    assert processes.identity(child.pid) is None
    child.wait()


async def test_a_pid_that_was_given_to_another_process_is_not_signalled() -> None:
    child = await asyncio.create_subprocess_exec(*SLEEP)
    try:
        process = processes.identity(child.pid)
        assert process is not None
        stranger = msgspec.structs.replace(process, started="long ago")
        await processes.stop(stranger, (StopStep(signal=signal.SIGKILL, limit_s=1),))
        await asyncio.sleep(0.1)
        assert child.returncode is None
    finally:
        child.kill()
        await child.wait()


async def test_whoever_ignores_polite_signals_is_killed(tmp_path: Path) -> None:
    words = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"
    log = tmp_path / "log"
    child = await processes.spawn(
        (sys.executable, "-c", f"{words}; time.sleep(60)"), env=dict(os.environ), log=log
    )
    await until(log.read_bytes)
    process = processes.identity(child.pid)
    assert process is not None
    await processes.stop(process, (StopStep(signal=signal.SIGTERM, limit_s=0.2),))
    assert await child.wait() == -signal.SIGKILL


async def test_processes_are_found_by_the_log_they_write_to(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    child = await processes.spawn(SLEEP, env=dict(os.environ), log=log)
    other = await processes.spawn(SLEEP, env=dict(os.environ), log=tmp_path / "other.log")
    assert [owner.pid for owner in processes.owners(log)] == [child.pid]
    await processes.kill_owners(log)
    assert await child.wait() == -signal.SIGKILL
    assert other.returncode is None
    other.kill()
    await other.wait()


def test_the_wait_doubles_up_to_its_limit() -> None:
    patience = Patience()
    assert [patience.delay_s(deaths) for deaths in (1, 2, 3, 6, 7, 10)] == [
        *(0.1, 0.2, 0.4, 3.2, 5.0, 5.0)
    ]


def test_a_free_port_lies_below_the_ones_that_the_system_lends() -> None:
    port = free_port()
    assert 15_000 <= port < 30_000
    assert is_free(port)
