"""The stack seen from another process: start it in the background, ask it, stop it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct

from deploy.stack import processes
from deploy.stack.errors import StartFailed, StateBusy, StateUnreadable
from deploy.stack.leftovers import SUPERVISOR, clear_leftovers
from deploy.stack.probes import PostgresProbe, answers
from deploy.stack.processes import Identity, StopStep
from deploy.stack.state import Kind, PartRecord, Phase, StateFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_LIMIT_S = 300.0
# Longer than all parts' own limits together, in reverse order.
STOP_LIMIT_S = 120.0
LOCK_LIMIT_S = 10.0
POLL_S = 0.05


class PartStatus(Struct, frozen=True, kw_only=True):
    """One part now; `healthy` means that it lives and just answered."""

    name: str
    kind: Kind
    pid: int | None
    address: str
    healthy: bool
    restarts: int
    problem: str | None


class StackStatus(Struct, frozen=True, kw_only=True):
    """The whole stack now; `phase` is stopped where nobody supervises."""

    phase: Phase
    pid: int | None
    reason: str | None
    parts: tuple[PartStatus, ...]
    notes: dict[str, str]


async def status(path: Path) -> StackStatus:
    """Ask every recorded part whether it lives and answers."""
    state = StateFolder(path).read()
    if state is None:
        return StackStatus(phase=Phase.STOPPED, pid=None, reason=None, parts=(), notes={})
    supervisor = state.supervisor
    lives = supervisor is not None and processes.is_alive(supervisor)
    phase = state.phase if lives or state.phase is Phase.FAILED else Phase.STOPPED
    return StackStatus(
        phase=phase,
        pid=supervisor.pid if supervisor is not None and lives else None,
        reason=state.reason,
        parts=tuple(await asyncio.gather(*(_ask(record) for record in state.parts))),
        notes=state.notes,
    )


def dsns(path: Path) -> dict[str, str]:
    """Answer the superuser's address of each recorded cluster, by the cluster's name."""
    state = StateFolder(path).read()
    return {
        record.name: record.probe.dsn
        for record in (state.parts if state else ())
        if record.kind is Kind.POSTGRES and isinstance(record.probe, PostgresProbe)
    }


async def _ask(record: PartRecord) -> PartStatus:
    process = record.process
    lives = process is not None and processes.is_alive(process)
    return PartStatus(
        name=record.name,
        kind=record.kind,
        pid=process.pid if process is not None and lives else None,
        address=record.address,
        healthy=lives and await answers(record.probe),
        restarts=record.restarts,
        problem=record.problem,
    )


async def stop(path: Path) -> tuple[str, ...]:
    """Stop everything and answer what ran; an empty answer means that nothing did."""
    folder = StateFolder(path)
    if not folder.was_used():
        return ()
    ran: list[str] = []
    end = monotonic() + STOP_LIMIT_S + LOCK_LIMIT_S
    while True:
        try:
            with folder.locked("down"):
                left = await clear_leftovers(folder)
                return tuple(dict.fromkeys([*ran, *reversed(left)]))
        except StateBusy:
            if monotonic() > end:
                raise
            ran = ran or _running(folder)
            await _stop_holder(folder)


def _running(folder: StateFolder) -> list[str]:
    try:
        state = folder.read()
    except StateUnreadable:
        state = None
    parts = state.parts if state else ()
    return [*(record.name for record in parts if _lives(record)), SUPERVISOR]


def _lives(record: PartRecord) -> bool:
    return record.process is not None and processes.is_alive(record.process)


async def _stop_holder(folder: StateFolder) -> None:
    holder = folder.holder()
    if holder is not None and holder.doing == "up":
        term = StopStep(signal=signal.SIGTERM, limit_s=STOP_LIMIT_S)
        await processes.stop(holder.process, (term,))
    else:
        # Another `down` is at work, or the holder hasn't yet written who it is.
        await asyncio.sleep(POLL_S)


async def start_detached(
    argv: Sequence[str],
    path: Path,
    *,
    env: Mapping[str, str] | None = None,
    limit_s: float = START_LIMIT_S,
) -> int:
    """Start a supervisor in its own session, and answer its pid when its stack is ready.

    `argv` is the command that would run the stack in the foreground; it must not fork.
    """
    folder = StateFolder(path)
    folder.make()
    with folder.locked("start"):
        pass  # Whoever else is at work is named now, before its log is cut.
    pid = _spawn(argv, folder.fresh_log(SUPERVISOR), {**os.environ, **(env or {})})
    try:
        await _until_ready(folder, pid, limit_s=limit_s)
    except BaseException:
        await _abandon(pid)
        raise
    return pid


def _spawn(argv: Sequence[str], log: Path, env: Mapping[str, str]) -> int:
    # posix_spawn, because a Popen object complains when it is dropped before its process.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return os.posix_spawnp(
        argv[0],
        list(argv),
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


async def _until_ready(folder: StateFolder, pid: int, *, limit_s: float) -> None:
    log = folder.log(SUPERVISOR)
    end = monotonic() + limit_s
    while not _is_ready(folder, pid):
        if _has_ended(pid):
            said = processes.tail(log) or " it said nothing"
            message = f"the stack in {folder.path} didn't start:{said}"
            raise StartFailed(message)
        if monotonic() > end:
            message = f"the stack in {folder.path} wasn't ready in {limit_s:.0f} s; see {log}"
            raise StartFailed(message)
        await asyncio.sleep(POLL_S)


def _is_ready(folder: StateFolder, pid: int) -> bool:
    state = folder.read()
    return (
        state is not None
        and state.phase is Phase.READY
        and state.supervisor is not None
        and state.supervisor == processes.identity(pid)
    )


async def _abandon(pid: int) -> None:
    """Stop a supervisor that nobody waits for any more, and reap it."""
    started: Identity | None = processes.identity(pid)
    if started is not None:
        await processes.stop(started, (StopStep(signal=signal.SIGTERM, limit_s=STOP_LIMIT_S),))
    _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Reap our child if it is dead."""
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return True
