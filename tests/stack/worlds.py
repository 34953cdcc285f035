"""Real stacks in temporary folders, and how to see that nothing of them is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from time import monotonic

import asyncpg

from deploy.stack import control
from deploy.stack.account import Account, find_account
from deploy.stack.binaries import PostgresBinaries, find_postgres
from deploy.stack.parts import postgres_part
from deploy.stack.postgres import PostgresCluster, postgres_cluster
from deploy.stack.state import Phase, StateFolder
from deploy.stack.supervisor import Supervisor, supervise

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
NOBODY = 65534


def foreground(path: Path, *parts: str) -> list[str]:
    """Answer the command that runs a stack of these parts."""
    return [sys.executable, "-m", "tests.stack.foreground", str(path), *parts]


def living(path: Path) -> dict[int, str]:
    """Answer every process, zombies left out, that works in this folder or names it."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(entry.name)
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = str((entry / "cwd").readlink())
            if pid != os.getpid() and words and (str(path) in words or place.startswith(str(path))):
                found[pid] = words
    return found


@contextlib.contextmanager
def open_folder() -> Generator[Path]:
    """Lend a folder that every account of the machine can reach."""
    with tempfile.TemporaryDirectory(prefix="stepwell-test-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@contextlib.asynccontextmanager
async def detached(path: Path, *parts: str) -> AsyncGenerator[int]:
    """Run a stack in the background; whatever the test does to it, nothing stays."""
    pid = await control.start_detached(foreground(path, *parts), path, env=child_env())
    try:
        yield pid
    finally:
        await control.stop(path)
        reap(pid)


def child_env() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def started(path: Path, *parts: str) -> Generator[subprocess.Popen[str]]:
    """Run a stack in the foreground of its own session; a test that fails leaves nothing."""
    argv, env = foreground(path, *parts), {**os.environ, **child_env()}
    with popen(argv, env) as stack:
        yield stack
    for pid in living(path):
        kill(pid)


@contextlib.contextmanager
def popen(
    argv: list[str], env: dict[str, str], *, user: int | None = None
) -> Generator[subprocess.Popen[str]]:
    """Run a command in its own session, and end it however its test ends."""
    with subprocess.Popen(
        argv,
        env=env,
        cwd="/" if user is not None else None,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def said(process: subprocess.Popen[str]) -> str:
    """Wait for a process's end, and answer what it wrote to stderr."""
    _, words = await asyncio.to_thread(process.communicate, timeout=60)
    return words


def normal_user_python() -> str | None:
    """Answer a Python that a user without rights may run together with our packages."""
    for program in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [program, "-c", "import asyncpg, msgspec, deploy.stack.supervisor"],
                env=normal_user_env(),
                cwd="/",
                user=NOBODY if IS_ROOT else None,
                capture_output=True,
                check=False,
            )
            if done.returncode == 0:
                return program
    return None


def normal_user_env() -> dict[str, str]:
    packages = Path(asyncpg.__file__).parents[1]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{packages}"}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def until(holds: Callable[[], object], *, limit_s: float = 60) -> None:
    """Look again and again until something holds."""
    end = monotonic() + limit_s
    while True:
        if holds():
            return
        assert monotonic() < end, f"it didn't hold within {limit_s} s"
        await asyncio.sleep(0.01)


async def until_phase(path: Path, phase: Phase) -> None:
    """Wait until a stack that somebody else starts or stops has come this far."""
    await until(lambda: (state := StateFolder(path).read()) and state.phase is phase)


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


def owner(pid: int | None) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def postmaster(data: str) -> int:
    return int(Path(data, "postmaster.pid").read_text(encoding="utf-8").split()[0])


def reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


@contextlib.asynccontextmanager
async def cluster(
    path: Path,
    *,
    binaries: PostgresBinaries | None = None,
    account: Account | None = None,
    outside: Path | None = None,
) -> AsyncGenerator[tuple[Supervisor, PostgresCluster]]:
    """Run one cluster under a supervisor in this process."""
    async with supervise(path, say=print) as supervisor:
        folder = StateFolder(path, outside=outside) if outside else supervisor.folder
        described = await postgres_cluster(
            folder,
            "one",
            binaries=binaries or find_postgres(),
            account=account or find_account(),
        )
        await supervisor.start(postgres_part(described))
        yield supervisor, described


async def until_healthy(path: Path, name: str, *, other_than: int, limit_s: float = 20) -> float:
    """Wait until a part answers with another pid; answer how long that took."""
    begun = monotonic()
    while monotonic() < begun + limit_s:
        for part in (await control.status(path)).parts:
            if part.name == name and part.healthy and part.pid != other_than:
                return monotonic() - begun
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} wasn't healthy again in {limit_s} s")


async def pid_of(path: Path, name: str) -> int:
    parts = {part.name: part for part in (await control.status(path)).parts}
    pid = parts[name].pid
    assert pid is not None, f"{name} doesn't live: {parts[name]}"
    return pid


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, ssl=False, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()
