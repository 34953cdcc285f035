"""The supervisor: starts parts in order, starts again what died, and leaves no process behind.

    async with supervise(path, say=print) as supervisor:
        await supervisor.start(postgres_part(shared), postgres_part(dedicated))  # together
        await supervisor.start(gateway)                                          # then this one
        supervisor.ready()
        await supervisor.wait()     # until SIGTERM, SIGINT or SIGHUP

A signal cancels the body wherever it is; leaving the block stops the parts in reverse order.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
from collections import deque
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from deploy.stack.errors import Interrupted, PartFailed, StackError, StateUnwritable
from deploy.stack.leftovers import clear_leftovers
from deploy.stack.probes import answers
from deploy.stack.processes import identity, kill_owners, myself, spawn, tail
from deploy.stack.state import PartRecord, Phase, State, StateFolder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from deploy.stack.parts import Part

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PROBE_PAUSE_S_MIN = 0.02
PROBE_PAUSE_S_MAX = 0.25


class Patience(Struct, frozen=True, kw_only=True):
    """How often a part may die within the window, and how long to wait before each new start."""

    deaths_max: int = 10
    window_s: float = 60.0
    delay_s_min: float = 0.1
    delay_s_max: float = 5.0

    def delay_s(self, deaths: int) -> float:
        """Answer the wait after the nth death in the window: each twice the one before."""
        return min(math.ldexp(self.delay_s_min, deaths - 1), self.delay_s_max)


class Run:
    """One part at work: its process, its deaths, and whether somebody wants it stopped."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: asyncio.subprocess.Process | None = None
        self.stopping = asyncio.Event()
        self.has_started = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.deaths: deque[float] = deque()
        self.restarts = 0
        self.problem: str | None = None

    def count_death(self, *, window_s: float) -> int:
        """Note a death, and answer how many there were within the window."""
        now = monotonic()
        self.deaths.append(now)
        while self.deaths[0] < now - window_s:
            self.deaths.popleft()
        return len(self.deaths)

    def record(self) -> PartRecord:
        """Answer what other processes may know of this part."""
        part, process = self.part, self.process
        lives = process is not None and process.returncode is None
        return PartRecord(
            name=part.name,
            kind=part.kind,
            address=part.address,
            probe=part.probe,
            stop=part.stop,
            process=identity(process.pid) if process is not None and lives else None,
            restarts=self.restarts,
            problem=self.problem,
        )


class Supervisor:
    """Parts in stages, in the order of the calls of `start`; made by `supervise` alone."""

    def __init__(
        self, folder: StateFolder, *, say: Callable[[str], None], patience: Patience
    ) -> None:
        self.folder = folder
        self.say = say
        self.patience = patience
        self.hurry = asyncio.Event()
        self._stages: list[list[Run]] = []

    async def start(self, *parts: Part) -> None:
        """Start these together and answer when all are ready; raise when one of them isn't."""
        stage = [Run(part) for part in parts]
        self._stages.append(stage)
        # Recorded before they are started: a part that starts while we are killed is known.
        self._save()
        for run in stage:
            run.task = asyncio.create_task(self._keep(run), name=run.part.name)
        try:
            async with asyncio.TaskGroup() as group:
                for run in stage:
                    group.create_task(_started(run))
        except ExceptionGroup as several:
            # The first one that failed is the news; the others were cancelled or fail alike.
            raise several.exceptions[0] from None

    def ready(self) -> None:
        """Tell other processes that everything has started."""
        self._save(phase=Phase.READY)

    def note(self, **notes: str) -> None:
        """Keep facts for `status`, such as the site's address."""
        state = self.folder.load()
        self._write(msgspec.structs.replace(state, notes={**state.notes, **notes}))

    async def wait(self) -> None:
        """Keep watch until a signal ends it."""
        await asyncio.Event().wait()

    async def close(self, *, reason: str | None = None) -> None:
        """Stop all parts, last stage first."""
        self._save(phase=Phase.STOPPING)
        for stage in reversed(self._stages):
            await asyncio.gather(*(self._stop(run) for run in stage))
        self._stages.clear()
        with contextlib.suppress(StateUnwritable):
            self.folder.drop_sockets()
        phase = Phase.FAILED if reason else Phase.STOPPED
        state = self.folder.load()
        self._write(
            msgspec.structs.replace(state, phase=phase, reason=reason, supervisor=None, parts=())
        )

    # One part ------------------------------------------------------------------------------

    async def _keep(self, run: Run) -> None:
        """Run a part until somebody stops it or it dies too often."""
        while not run.stopping.is_set():
            problem = await self._live(run)
            if run.stopping.is_set():
                break
            run.problem = problem
            if not run.has_started.is_set():
                raise PartFailed(problem)
            deaths = run.count_death(window_s=self.patience.window_s)
            if deaths >= self.patience.deaths_max:
                self.say(
                    f"{run.part.name} died {deaths} times in {self.patience.window_s:.0f} s and "
                    f"is left down: {problem}"
                )
                self._save()
                return
            pause_s = self.patience.delay_s(deaths)
            self.say(f"{problem}\nstarting {run.part.name} again in {pause_s:.1f} s")
            self._save()
            await self._pause(run, pause_s)
            run.restarts += 1

    async def _live(self, run: Run) -> str:
        """Take a part from its start to its end, and answer why it ended."""
        name, log = run.part.name, self.folder.log(run.part.name)
        try:
            await self._spawn(run)
            await self._until_ready(run)
        except (StackError, OSError) as error:
            await self._end(run)
            return f"{name} couldn't start: {error}"
        if run.stopping.is_set() or run.process is None:
            return f"{name} was stopped"
        run.has_started.set()
        code = await run.process.wait()
        # Its children must be gone before its successor opens the same files and ports.
        await kill_owners(log)
        return f"{name} ended by itself ({_exit(code)}){tail(log)}"

    async def _spawn(self, run: Run) -> None:
        part = run.part
        log = self.folder.fresh_log(part.name)
        if part.prepare is not None:
            await part.prepare()
        if run.stopping.is_set():
            return
        run.process = await spawn(part.argv, env=part.env, log=log, uid=part.uid, gid=part.gid)
        self._save()

    async def _until_ready(self, run: Run) -> None:
        part, pause_s = run.part, PROBE_PAUSE_S_MIN
        end = monotonic() + part.ready_limit_s
        while not run.stopping.is_set() and run.process is not None:
            if await answers(part.probe) and run.process.returncode is None:
                run.problem = None
                self._save()
                return
            if run.process.returncode is not None:
                message = f"it ended ({_exit(run.process.returncode)}){tail(self._log(run))}"
                raise PartFailed(message)
            if monotonic() > end:
                message = f"it wasn't ready in {part.ready_limit_s:.0f} s{tail(self._log(run))}"
                raise PartFailed(message)
            await self._pause(run, pause_s)
            pause_s = min(pause_s * 1.5, PROBE_PAUSE_S_MAX)

    async def _stop(self, run: Run) -> None:
        run.stopping.set()
        await self._end(run)
        if run.task is not None:
            # A part that was being prepared or spawned comes here after its look at `stopping`.
            await asyncio.gather(run.task, return_exceptions=True)
            await self._end(run)

    async def _end(self, run: Run) -> None:
        """End a part's process politely, then its orphans and whatever didn't listen."""
        process = run.process
        if process is not None:
            for step in run.part.stop:
                if process.returncode is None:
                    _send(process, step.signal)
                    await self._ended(process, limit_s=step.limit_s)
            if process.returncode is None:
                _send(process, signal.SIGKILL)
            await process.wait()
        await kill_owners(self._log(run))

    async def _ended(self, process: asyncio.subprocess.Process, *, limit_s: float) -> None:
        """Wait for an end, a limit, or a person who presses Ctrl-C a second time."""
        end = asyncio.create_task(process.wait())
        hurry = asyncio.create_task(self.hurry.wait())
        await asyncio.wait({end, hurry}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        hurry.cancel()

    async def _pause(self, run: Run, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(run.stopping.wait(), pause_s)

    def _log(self, run: Run) -> Path:
        return self.folder.log(run.part.name)

    def _save(self, *, phase: Phase | None = None) -> None:
        state = self.folder.load()
        parts = tuple(run.record() for stage in self._stages for run in stage)
        self._write(msgspec.structs.replace(state, phase=phase or state.phase, parts=parts))

    def _write(self, state: State) -> None:
        # A full disk, or a person who deletes the folder, must not end the watch over the parts.
        try:
            self.folder.write(state)
        except StateUnwritable as error:
            self.say(str(error))


class Signals:
    """Turns the first signal into a cancellation of the body, and the next one into haste."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.task = task
        self.came = False
        self.closing = False
        self.hurry: asyncio.Event | None = None

    def receive(self) -> None:
        """Cancel once; a body that is closing must not be cancelled."""
        if not self.came and not self.closing:
            self.came = True
            self.task.cancel()
        elif self.closing and self.hurry is not None:
            self.hurry.set()

    @contextlib.contextmanager
    def handled(self) -> Generator[None]:
        """Receive the signals inside this block."""
        loop = asyncio.get_running_loop()
        # Under nohup SIGHUP is ignored, and stays so.
        numbers = [n for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
        for number in numbers:
            loop.add_signal_handler(number, self.receive)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def supervise(
    path: Path, *, say: Callable[[str], None], patience: Patience | None = None
) -> AsyncGenerator[Supervisor]:
    """Hold the state folder, clear what a killed predecessor left, and lend a supervisor."""
    task = asyncio.current_task()
    assert task is not None, "supervise runs inside a task"
    signals = Signals(task)
    folder = StateFolder(path)
    with signals.handled():
        folder.make()
        with folder.locked("up"):
            supervisor = Supervisor(folder, say=say, patience=patience or Patience())
            await _begin(supervisor, signals)
            reason: str | None = None
            try:
                yield supervisor
            except asyncio.CancelledError:
                if not signals.came:
                    raise
                task.uncancel()
            except Exception as error:
                reason = str(error) or type(error).__name__
                raise
            finally:
                signals.closing = True
                signals.hurry = supervisor.hurry
                await supervisor.close(reason=reason)


async def _begin(supervisor: Supervisor, signals: Signals) -> None:
    folder = supervisor.folder
    try:
        for name in await clear_leftovers(folder):
            supervisor.say(f"{name} was left behind by an earlier run and is stopped")
    except asyncio.CancelledError:
        if not signals.came:
            raise
        signals.task.uncancel()
        message = "a signal came before anything had started"
        raise Interrupted(message) from None
    state = folder.load()
    folder.write(
        msgspec.structs.replace(
            state, phase=Phase.STARTING, reason=None, supervisor=myself(), parts=()
        )
    )


async def _started(run: Run) -> None:
    """Wait until a part was ready once; raise what kept it from becoming so."""
    assert run.task is not None
    waiting = asyncio.create_task(run.has_started.wait())
    try:
        await asyncio.wait({run.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if not run.has_started.is_set():
        await run.task


def _send(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _exit(code: int) -> str:
    if code < 0:
        return f"signal {-code}: {signal.strsignal(-code)}"
    return f"exit status {code}"
