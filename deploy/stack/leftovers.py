"""What a killed supervisor left running: recognised by pid and start time, or by its log."""

from __future__ import annotations

import asyncio
import signal

import msgspec

from deploy.stack import processes
from deploy.stack.errors import StateUnreadable
from deploy.stack.processes import Identity, StopStep
from deploy.stack.state import PartRecord, Phase, StateFolder

SUPERVISOR = "supervisor"
# Whatever it is, it understands Ctrl-C; for PostgreSQL that is the fast shutdown.
UNKNOWN_STOP = (StopStep(signal=signal.SIGINT, limit_s=20.0),)


async def clear_leftovers(folder: StateFolder) -> tuple[str, ...]:
    """Stop what still runs, last part first, and answer the names; the caller holds the lock."""
    found: list[str] = []
    try:
        state = folder.load()
    except StateUnreadable:
        await _clear_unrecorded(folder, set(), found)
        raise
    for record in reversed(state.parts):
        heads = await asyncio.to_thread(_heads, folder, record)
        if heads:
            found.append(record.name)
        await _clear(folder, record.name, heads, record.stop)
    await _clear_unrecorded(folder, {record.name for record in state.parts}, found)
    folder.drop_sockets()
    folder.write(
        msgspec.structs.replace(folder.load(), phase=Phase.STOPPED, supervisor=None, parts=())
    )
    return tuple(found)


async def _clear_unrecorded(folder: StateFolder, recorded: set[str], found: list[str]) -> None:
    for log in sorted(folder.logs.glob("*.log")):
        if log.stem not in recorded and log.stem != SUPERVISOR:
            heads = processes.roots(await asyncio.to_thread(processes.owners, log))
            if heads:
                found.append(log.stem)
            await _clear(folder, log.stem, heads, UNKNOWN_STOP)


def _heads(folder: StateFolder, record: PartRecord) -> list[Identity]:
    recorded = record.process
    if recorded is not None and processes.is_alive(recorded):
        return [recorded]
    return processes.roots(processes.owners(folder.log(record.name)))


async def _clear(
    folder: StateFolder, name: str, heads: list[Identity], steps: tuple[StopStep, ...]
) -> None:
    for head in heads:
        await processes.stop(head, steps)
    await processes.kill_owners(folder.log(name))
