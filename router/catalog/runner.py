"""The one runner of operations: claims, keeps the lease alive, records how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import asyncpg
import msgspec
import structlog

from router.catalog import operations
from router.catalog.news import OPERATION_CHANNEL, follow
from router.catalog.operations import Claim, Superseded
from router.errors import PlatformError, RequestRefused
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from router.catalog import Catalog
    from router.catalog.operations import Operation
    from router.connect import Connection

_SIGNS_PER_LEASE = 3
_WATCH_S = 0.05
_RELEASE_S_MAX = 2.0
_log = structlog.get_logger(__name__)


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many operations at once, how patient with a silent runner, how stubborn."""

    jobs_max: int = 4
    lease_s: float = 15.0
    poll_s: float = 1.0
    attempts_max: int = 10
    pause_s_min: float = 0.5
    pause_s_max: float = 60.0
    grace_s_max: float = 10.0

    def pause(self, attempts: int) -> timedelta:
        """Return how long to wait after so many attempts: twice as long after each one."""
        return timedelta(seconds=min(self.pause_s_min * 2 ** (attempts - 1), self.pause_s_max))


class Handler(Protocol):
    """Does one kind of operation, from ``operation.step`` on; each step may be done twice."""

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Do what is left to do."""
        ...


class Progress:
    """How a handler records what it reached. Raises Superseded once another runner took over."""

    def __init__(self, catalog: Catalog, operation: Operation) -> None:
        self._catalog = catalog
        self.operation = operation

    async def advance(self, step: str, note: str = "", *, data: object | None = None) -> Operation:
        """Record that a step is reached, by itself."""
        async with self._catalog.transaction() as connection:
            return await self.advance_in(connection, step, note, data=data)

    async def advance_in(
        self, connection: Connection, step: str, note: str = "", *, data: object | None = None
    ) -> Operation:
        """Record that a step is reached, together with what else the transaction holds."""
        self.operation = await operations.advance(
            connection, self.operation, step=step, note=note, data=data
        )
        return self.operation

    async def finish_in(self, connection: Connection) -> Operation:
        """Record the end together with what else the transaction holds."""
        self.operation = await operations.finish(connection, self.operation)
        return self.operation

    async def fail_in(self, connection: Connection, error: str) -> Operation:
        """Record that the operation failed for good, with what else the transaction holds."""
        self.operation = await operations.fail(
            connection, self.operation, error=error, retry_after=None
        )
        return self.operation

    async def give_up_in(self, connection: Connection, reason: str) -> Operation:
        """Record that the operation is taken back, with what else the transaction holds."""
        self.operation = await operations.give_up(connection, self.operation, reason=reason)
        return self.operation


class Runner:
    """Runs operations of the kinds that it has handlers for, one at once or all for ever."""

    def __init__(
        self,
        catalog: Catalog,
        handlers: Mapping[str, Handler],
        *,
        name: str,
        limits: RunnerLimits | None = None,
    ) -> None:
        self._catalog = catalog
        self._handlers = handlers
        self._limits = limits or RunnerLimits()
        self._claim = Claim(owner=name, lease=timedelta(seconds=self._limits.lease_s))
        self._wake = asyncio.Event()
        self._jobs: set[asyncio.Task[Operation]] = set()

    @property
    def kinds(self) -> frozenset[str]:
        """Return what it has handlers for."""
        return frozenset(self._handlers)

    async def run_one(self, operation_id: UUID, *, wait_s_max: float = 30.0) -> Operation:
        """Run an operation now and return it as it ended, or as its attempt left it.

        When another runner has it, wait for that one's end, and no longer than ``wait_s_max``. A
        caller that is cancelled doesn't stop the work.
        """
        deadline_s = time.monotonic() + wait_s_max
        while True:
            async with self._catalog.connection() as connection:
                operation = await operations.get(connection, operation_id)
                claimed = None
                if operation.kind in self._handlers and not operation.state.is_ended:
                    claimed = await operations.claim_this(connection, self._claim, operation_id)
            if claimed is not None:
                return await asyncio.shield(self._start(claimed))
            if operation.state.is_ended or time.monotonic() >= deadline_s:
                return operation
            await asyncio.sleep(_WATCH_S)

    async def run_forever(self, stop: asyncio.Event) -> None:
        """Run whatever waits, and what other runners dropped, until told to stop."""
        loop = asyncio.get_running_loop()
        ears = loop.create_task(follow(self._catalog, OPERATION_CHANNEL, self))
        stopping = loop.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                self._wake.clear()
                await self._claim_more()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._limits.poll_s)
        finally:
            await end(ears, stopping)
            await self.close()

    async def close(self) -> None:
        """Let what runs end, for a while; then give it back for others to continue."""
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=self._limits.grace_s_max)
        await end(*self._jobs)

    def heard(self, payload: str) -> None:  # noqa: ARG002 - whatever it is, look
        """Look for work."""
        self._wake.set()

    async def connected(self) -> None:
        """Look for work that was announced before."""
        self._wake.set()

    def lost(self, error: PlatformError) -> None:
        """Go on by looking from time to time."""

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _claim_more(self) -> None:
        try:
            while len(self._jobs) < self._limits.jobs_max:
                async with self._catalog.connection() as connection:
                    claimed = await operations.claim_next(connection, self._claim, self.kinds)
                if claimed is None:
                    return
                self._start(claimed)
        except (PlatformError, asyncpg.PostgresError) as error:
            # A catalog that can't be written for a while must not end what runs.
            _log.warning("operations_not_claimed", reason=_told(error))

    def _start(self, operation: Operation) -> asyncio.Task[Operation]:
        job = asyncio.get_running_loop().create_task(self._run(operation))
        self._jobs.add(job)
        job.add_done_callback(self._ended)
        return job

    def _ended(self, job: asyncio.Task[Operation]) -> None:
        self._jobs.discard(job)
        self._wake.set()
        if not job.cancelled() and (error := job.exception()) is not None:
            _log.warning("operation_not_recorded", reason=_told(error))

    async def _run(self, operation: Operation) -> Operation:
        progress = Progress(self._catalog, operation)
        loop = asyncio.get_running_loop()
        work = loop.create_task(self._attempt(operation, progress))
        signs = loop.create_task(self._give_signs(operation))
        try:
            await asyncio.wait({work, signs}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return await self._record(progress, work)
            await end(work)
            reason = "its lease ran out"
        except Superseded as error:
            reason = str(error)
        except asyncio.CancelledError:
            await end(work)
            await self._release(progress.operation)
            raise
        finally:
            await end(signs)
        _log.info("operation_superseded", operation=str(operation.id), reason=reason)
        async with self._catalog.connection() as connection:
            return await operations.get(connection, operation.id)

    async def _attempt(self, operation: Operation, progress: Progress) -> None:
        if operation.attempts > self._limits.attempts_max:
            raise Dropped(
                f"{self._limits.attempts_max} runners took operation {operation.id} and died"
            )
        await self._handlers[operation.kind](operation, progress)

    async def _record(self, progress: Progress, work: asyncio.Task[None]) -> Operation:
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if isinstance(error, Superseded):
            raise error
        if isinstance(error, Postponed):
            return await self._postpone(progress.operation, error)
        async with self._catalog.transaction() as connection:
            if error is not None:
                return await self._fail(connection, progress.operation, error)
            if not progress.operation.state.is_ended:
                await progress.finish_in(connection)
        return progress.operation

    async def _postpone(self, operation: Operation, why: Postponed) -> Operation:
        _log.debug("operation_postponed", operation=str(operation.id), reason=str(why))
        async with self._catalog.transaction() as connection:
            await operations.release(connection, operation, after=why.after, is_well=why.is_well)
            return await operations.get(connection, operation.id)

    async def _fail(
        self, connection: Connection, operation: Operation, error: BaseException
    ) -> Operation:
        is_final = (
            isinstance(error, RequestRefused | Dropped)
            or operation.attempts >= self._limits.attempts_max
        )
        _log.warning(
            "operation_attempt_failed",
            operation=str(operation.id),
            kind=operation.kind,
            step=operation.step,
            attempts=operation.attempts,
            is_final=is_final,
            exc_info=None if isinstance(error, PlatformError) else error,
            reason=_told(error),
        )
        return await operations.fail(
            connection,
            operation,
            error=_told(error),
            retry_after=None if is_final else self._limits.pause(operation.attempts),
        )

    async def _give_signs(self, operation: Operation) -> None:
        """Return once the lease can't be held any more."""
        given_s = time.monotonic()
        while time.monotonic() - given_s < self._limits.lease_s:
            await asyncio.sleep(self._limits.lease_s / _SIGNS_PER_LEASE)
            asked_s = time.monotonic()
            try:
                async with self._catalog.connection(
                    work_s_max=self._limits.lease_s / _SIGNS_PER_LEASE
                ) as connection:
                    await operations.extend(connection, operation, self._claim.lease)
            except Superseded:
                return
            except PlatformError as error:
                _log.warning("operation_sign_not_given", reason=error.detail)
            else:
                given_s = asked_s

    async def _release(self, operation: Operation) -> None:
        try:
            async with self._catalog.connection(work_s_max=_RELEASE_S_MAX) as connection:
                await operations.release(connection, operation)
        except PlatformError as error:
            _log.warning("operation_not_released", reason=error.detail)


class Postponed(Exception):
    """It isn't this operation's turn yet; no attempt is counted.

    ``is_well``: nor is any before it, as this one ended as it was to end.
    """

    def __init__(self, reason: str, *, after: timedelta, is_well: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.is_well = is_well


class Dropped(Exception):
    """Every runner that took the operation died; look at why before it is retried."""


def _told(error: BaseException) -> str:
    if isinstance(error, PlatformError):
        return error.detail
    return f"{type(error).__name__}: {error}"
