"""Processes that outlive whoever started them: told apart by start time, found by their output.

A pid alone proves nothing, because the system gives it to another process later; pid and start
time together do. A zombie counts as dead: nobody may ever reap it in a container without init.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from msgspec import Struct

PROC = Path("/proc")
POLL_S = 0.02
KILL_LIMIT_S = 10.0


class Identity(Struct, frozen=True, kw_only=True):
    """One process for ever: its pid, and a mark of when it started that no other process shares."""

    pid: int
    started: str


class StopStep(Struct, frozen=True, kw_only=True):
    """A signal, and how long its receiver may take to end before the next step."""

    signal: int
    limit_s: float


class Stat(Struct, frozen=True, kw_only=True):
    """What the system tells of a living process."""

    parent: int
    started: str


def stat(pid: int) -> Stat | None:
    """Answer for living processes only; a zombie is dead."""
    if PROC.joinpath("self", "stat").exists():
        return _stat_linux(pid)
    return _stat_ps(pid)


def _stat_linux(pid: int) -> Stat | None:
    try:
        text = PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
        boot = PROC.joinpath("sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return None
    # The program's name, field 2, may itself hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        return None
    return Stat(parent=int(fields[1]), started=f"{boot[:8]}-{fields[19]}")


def _stat_ps(pid: int) -> Stat | None:
    argv = ["/bin/ps", "-o", "ppid=,stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    fields = answer.stdout.split(maxsplit=2)
    if len(fields) < len(("ppid", "stat", "lstart")) or fields[1].startswith("Z"):
        return None
    return Stat(parent=int(fields[0]), started=fields[2].strip())


def identity(pid: int) -> Identity | None:
    """Name a living process so that it can be recognised later."""
    seen = stat(pid)
    return Identity(pid=pid, started=seen.started) if seen else None


def myself() -> Identity:
    """Name the running process."""
    me = identity(os.getpid())
    assert me is not None, "the running process is alive"
    return me


def is_alive(process: Identity) -> bool:
    """Believe a pid only when its start time still fits."""
    seen = stat(process.pid)
    return seen is not None and seen.started == process.started


def owners(log: Path) -> list[Identity]:
    """Find every living process, children too, whose output goes to this file (Linux only).

    This finds what was started but never recorded, because its starter was killed in between.
    """
    if not log.exists() or not PROC.joinpath("self", "fd").exists():
        return []
    target = os.path.realpath(log)
    found: list[Identity] = []
    for entry in PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _writes_to(entry, target):
            owner = identity(int(entry.name))
            if owner is not None:
                found.append(owner)
    return found


def _writes_to(entry: Path, target: str) -> bool:
    for descriptor in ("2", "1"):
        with contextlib.suppress(OSError):
            if str(entry.joinpath("fd", descriptor).readlink()) == target:
                return True
    return False


def roots(processes: list[Identity]) -> list[Identity]:
    """Keep those whose parent isn't in the list: the ones that a stop signal is meant for."""
    pids = {process.pid for process in processes}
    return [
        process
        for process in processes
        if (seen := stat(process.pid)) is not None and seen.parent not in pids
    ]


def send(process: Identity, number: int) -> None:
    """Signal a process if it is still the one that was meant."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def gone(processes: Iterable[Identity], *, limit_s: float) -> bool:
    """Wait until none of them lives; False when the limit came first."""
    waiting = list(processes)
    end = monotonic() + limit_s
    while waiting := [process for process in waiting if is_alive(process)]:
        if monotonic() >= end:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    uid: int | None = None,
    gid: int | None = None,
) -> asyncio.subprocess.Process:
    """Start a child in a session of its own, so that Ctrl-C at the terminal doesn't reach it."""
    create = asyncio.create_subprocess_exec
    if uid is not None:
        # uvloop knows none of these three: only then is a plain asyncio loop a must.
        create = partial(create, user=uid, group=gid, extra_groups=[])
    with _appended(log) as output:
        return await create(
            *argv,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _appended(log: Path) -> BinaryIO:
    return log.open("ab")


async def stop(process: Identity, steps: tuple[StopStep, ...]) -> None:
    """End a process that isn't our child, politely first; nothing survives the last step."""
    for step in steps:
        send(process, step.signal)
        if await gone([process], limit_s=step.limit_s):
            return
    send(process, signal.SIGKILL)
    await gone([process], limit_s=KILL_LIMIT_S)


async def kill_owners(log: Path) -> None:
    """Leave nobody alive that writes to this file: the orphans of a part whose head is gone."""
    orphans = owners(log)
    for orphan in orphans:
        send(orphan, signal.SIGKILL)
    await gone(orphans, limit_s=KILL_LIMIT_S)


def tail(log: Path, *, lines: int = 8) -> str:
    """Quote a log's last lines, indented, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in text.splitlines()[-lines:])
