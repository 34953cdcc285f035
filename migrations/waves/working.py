"""One piece of work at one database, and what is made of its failure."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import structlog

from migrations.waves.inside import Inside, Interrupted, Locked, Means, Outdated, holders
from migrations.waves.looking import told
from router.catalog import waves
from router.catalog.wave_words import EntryState
from router.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrations.waves.chain import Chain
    from migrations.waves.crew import Crew
    from migrations.waves.inside import Report
    from migrations.waves.plan import Entry
    from migrations.waves.terms import Turns, WaveTerms

#: Somebody else has what is needed: try again, later.
_IN_THE_WAY = (
    Locked,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
#: The server is gone or going: it is looked for again, and nobody is to blame.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
#: How often a long step tells how far it is, and asks whether it should go on.
_REPORT_S = 0.5
_log = structlog.get_logger("stepwell.migrations")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the places are now. ``is_outdated``: what is known of them isn't true any more."""

    entries: tuple[Entry, ...]
    took_ms: float | None = None
    is_outdated: bool = False


class Work:
    """Brings places along, and decides what becomes of those that didn't come."""

    def __init__(self, terms: WaveTerms, chain: Chain, crew: Crew, turns: Turns) -> None:
        self._terms = terms
        self._chain = chain
        self._crew = crew
        self._turns = turns
        self._means = Means(
            fill=terms.fill, turn=asyncio.Lock(), report=self._reporter, reach=terms.reach
        )

    async def at(self, entries: Sequence[Entry]) -> Outcome:
        """Work at some places of one database that lack the same."""
        try:
            if self._chain.is_filling(entries[0].to_do):
                took_ms = await self._do(entries)
            else:
                async with self._turns.working(entries[0].place):
                    took_ms = await self._do(entries)
        except (Outdated, Interrupted):
            return Outcome(entries=_again(entries), is_outdated=True)
        except _IN_THE_WAY as error:
            return await self._locked(entries, error)
        except (PlatformError, *_AWAY) as error:
            waiting = [msgspec.structs.replace(each, waits_for=told(error)) for each in entries]
            return Outcome(entries=_again(waiting))
        except Exception as error:  # noqa: BLE001 - a revision may raise anything; it is told
            return self._failed(entries, error)
        self._terms.figures.ended("done", len(entries))
        done = [
            msgspec.structs.replace(each, state=EntryState.DONE, to_do=(), error=None)
            for each in entries
        ]
        return Outcome(entries=tuple(done), took_ms=took_ms)

    async def _do(self, entries: Sequence[Entry]) -> float | None:
        first = entries[0]
        place, terms = first.place, self._terms
        async with self._crew.connection(place.cluster, place.database) as connection:
            inside = Inside(
                connection,
                self._chain,
                terms.limits.bounds,
                means=self._means,
                address=terms.fleet.admin_address(place.cluster, place.database),
            )
            if first.is_alone:
                await inside.alone(first)
                return None
            took_ms = await inside.together(entries)
            terms.figures.took(took_ms)
            return took_ms

    def _reporter(self, entry: Entry) -> Report:
        return Reporter(self._terms, entry)

    async def _locked(self, entries: Sequence[Entry], error: BaseException) -> Outcome:
        """Part those who went together: one of them is in use, and delays nobody but itself."""
        self._terms.figures.ended("locked", len(entries))
        if len(entries) > 1:
            return Outcome(entries=_alone(entries))
        entry, limits = entries[0], self._terms.limits
        said = f"its tables are in use: {await self._told_holders(entry) or error}"
        if entry.attempts >= limits.lock_attempts_max:
            return self._failed(entries, WaitedTooOften(said))
        later_s = time.monotonic() + limits.pause_s(entry.attempts)
        waiting = msgspec.structs.replace(
            entry,
            state=EntryState.PENDING,
            job=0,
            is_alone=True,
            not_before_s=later_s,
            error=said,
        )
        # Some of its steps may be done.
        return Outcome(entries=(waiting,), is_outdated=not self._chain.is_plain(entry.to_do))

    def _failed(self, entries: Sequence[Entry], error: BaseException) -> Outcome:
        if len(entries) > 1:
            return Outcome(entries=_alone(entries))
        entry, said = entries[0], told(error)
        self._terms.figures.ended("failed")
        _log.warning("a place failed", place=str(entry.place), reason=said)
        failed = msgspec.structs.replace(entry, state=EntryState.FAILED, job=0, error=said)
        return Outcome(entries=(failed,))

    async def _told_holders(self, entry: Entry) -> str:
        place = entry.place
        try:
            async with self._crew.connection(place.cluster, place.database) as connection:
                return await holders(connection, place.schema)
        except (PlatformError, *_AWAY, asyncpg.PostgresError):
            return ""


class Reporter:
    """Writes into the ledger how many rows a step has filled, now and then."""

    def __init__(self, terms: WaveTerms, entry: Entry) -> None:
        self._terms = terms
        self._entry = entry
        self._written_s = -_REPORT_S

    async def __call__(self, rows: int) -> None:
        """Keep how many there are so far; raises Interrupted when somebody paused it all."""
        is_paused = False
        if time.monotonic() - self._written_s >= _REPORT_S:
            is_paused = await self._write(rows)
            self._written_s = time.monotonic()
        self._terms.reach("migrate.batch")
        if is_paused:
            raise Interrupted

    async def end(self, rows: int) -> None:
        """Keep how many there were."""
        await self._write(rows)

    async def _write(self, rows: int) -> bool:
        entry = self._entry
        async with self._terms.catalog.connection() as connection:
            return await waves.filled(connection, entry.place, entry.to_do[0], rows)


class WaitedTooOften(PlatformError):
    """Somebody held a place's tables at every attempt; end that session, and resume."""

    code = "waited_too_often"
    title = "The tables were in use at every attempt"


def _again(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(msgspec.structs.replace(each, state=EntryState.PENDING, job=0) for each in entries)


def _alone(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(
        msgspec.structs.replace(each, is_alone=True, attempts=each.attempts - 1)
        for each in _again(entries)
    )
