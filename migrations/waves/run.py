"""The runner of migrations: carries out what plan.py decides, and keeps the ledger true."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import structlog

from migrations.waves.chain import Chain
from migrations.waves.crew import Crew
from migrations.waves.looking import Lookout, corrected, entry_of, lines_of, revisions_seen
from migrations.waves.plan import (
    AllDone,
    Decision,
    Entry,
    Halt,
    Hold,
    Run,
    Wait,
    WaveOver,
    is_over,
    next_decision,
    next_part,
    next_size,
)
from migrations.waves.refusing import refusal
from migrations.waves.working import Work
from router.catalog import waves
from router.catalog.moves import By
from router.catalog.runner import Postponed
from router.catalog.wave_words import Direction, EntryState
from router.errors import RequestRefused
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from migrations.waves.terms import Turns, WaveTerms
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress
    from router.catalog.wave_words import LedgerEntry, Migration, Place
    from router.connect import Connection

#: A migration that waits for a pause of some places still looks around now and then.
_WAIT_S_MAX = 0.5
_FINDINGS_MAX = 5
_ACTOR = "worker"
_log = structlog.get_logger("stepwell.migrations")


class MigrationHalted(RequestRefused):
    """A migration stopped: too many places failed, or what a wave left isn't sound."""

    code = "migration_halted"
    title = "The migration halted"


class WaveHandler:
    """Does operations of kind ``migration``, wherever another process dropped them."""

    def __init__(self, terms: WaveTerms) -> None:
        self._terms = terms

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Go on until every place is done, or nothing can be done now."""
        async with self._terms.catalog.connection() as connection:
            migration = await waves.get(connection, operation.id)
        if migration.paused_at is not None:
            raise self._paused(migration)
        async with self._terms.spare() as turns:
            has_ended = await Campaign(self._terms, migration, progress, turns).run()
        if not has_ended:
            async with self._terms.catalog.connection() as connection:
                migration = await waves.get(connection, operation.id)
            raise self._paused(migration)

    def _paused(self, migration: Migration) -> Postponed:
        return Postponed(
            f"it was paused by {migration.paused_by}",
            after=self._terms.limits.paused_after,
            is_well=True,
        )


class Campaign:
    """One attempt at one migration."""

    def __init__(
        self, terms: WaveTerms, migration: Migration, progress: Progress, turns: Turns
    ) -> None:
        self._terms = terms
        self._migration = migration
        self._progress = progress
        self._chain = Chain(terms.rendered, migration.target, migration.direction)
        self._crew = Crew(terms.fleet)
        at_once_max = terms.limits.look_at_once_max
        self._lookout = Lookout(self._crew, self._chain, turns, at_once_max=at_once_max)
        self._work = Work(terms, self._chain, self._crew, turns)
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._jobs: dict[int, asyncio.Task[None]] = {}
        self._job = 0
        self._wave = migration.wave
        self._size = 1
        self._is_paused = False
        #: Places whose stored form was made anew, and which nobody has looked at since.
        self._unproved: set[Place] = set()
        #: The revisions that ran somewhere, with what each of them was then.
        self._ran: dict[str, str] = {}

    async def run(self) -> bool:
        """Work until everything is done; false when somebody paused it meanwhile."""
        try:
            await self._look()
            while not self._is_paused:
                if await self._heed(self._decide()):
                    return True
            while self._jobs:
                await self._wait(None)
            return False
        finally:
            await end(*self._jobs.values())
            self._crew.close()

    async def _heed(self, decision: Decision) -> bool:
        """Do what was decided; true when nothing is left to do."""
        match decision:
            case Run(entries=entries):
                self._begin(entries)
            case Wait(until_s=until_s):
                await self._wait(until_s)
            case Hold(reason=reason):
                raise Postponed(reason, after=self._terms.limits.hold_after, is_well=True)
            case WaveOver():
                await self._next_wave()
            case Halt(reason=reason):
                raise MigrationHalted(reason)
            case AllDone():
                return await self._finish()
        return False

    def _decide(self) -> Decision:
        return next_decision(
            [*self._entries.values()],
            self._migration.rules,
            wave=self._wave,
            now_s=time.monotonic(),
            batch_places_max=self._size,
        )

    # ── Looking ─────────────────────────────────────────────────────────────────────────────────

    async def _look(self, among: Iterable[Place] | None = None) -> None:
        """See for oneself, and make the ledger equal to what is seen."""
        catalog, chain = self._terms.catalog, self._chain
        async with catalog.connection() as connection:
            listed = await waves.list_places(connection)
            occupied = await waves.occupied(connection)
            self._ran = await waves.ran(connection)
        names = None if among is None else {(each.cluster, each.database) for each in among}
        places = [p for p in listed if names is None or (p.cluster, p.database) in names]
        view = await self._lookout.look_around(places)
        for place in places:
            entry = entry_of(place, view, chain, self._migration.rules)
            move = occupied.get(place.key)
            if move is not None and entry.to_do:
                entry = msgspec.structs.replace(entry, waits_for=move.told)
            self._take(entry)
        if names is None:
            keys = {place.key for place in listed}
            self._entries = {key: each for key, each in self._entries.items() if key in keys}
        async with catalog.transaction() as connection:
            await self._write_down(connection, revisions_seen(view, places))
            await self._note_ran(connection, view.ran)
        reason = refusal(chain, self._entries.values(), ran=self._ran)
        if reason is not None:
            raise MigrationHalted(reason)

    def _take(self, seen: Entry) -> None:
        """Believe what was seen of a place that isn't being worked at."""
        known = self._entries.get(seen.place.key)
        if known is None:
            self._entries[seen.place.key] = seen
        elif known.state is not EntryState.RUNNING and known.state is not EntryState.FAILED:
            self._entries[seen.place.key] = msgspec.structs.replace(
                seen,
                attempts=known.attempts,
                is_alone=seen.is_alone or known.is_alone,
                not_before_s=known.not_before_s,
                error=known.error if seen.to_do else None,
            )

    async def _write_down(self, connection: Connection, seen: dict[Place, str]) -> None:
        await waves.hold(connection, self._progress.operation)
        known = await waves.entries(connection, self._migration.id)
        at_work = {key for key, each in self._entries.items() if each.state is EntryState.RUNNING}
        tried = {line.key: line.attempts for line in known}
        for key, entry in self._entries.items():
            if entry.attempts < tried.get(key, 0):
                self._entries[key] = msgspec.structs.replace(entry, attempts=tried[key])
        changed = [
            line
            for line in corrected(self._entries, known, self._migration.direction)
            if line.key not in at_work
        ]
        await waves.write(connection, self._migration.id, changed)
        await waves.saw(connection, seen)
        listed = {entry.place.key for entry in self._entries.values()}
        stale = [place for place, _, _ in await waves.known_places(connection)]
        await waves.gone(connection, [place for place in stale if place.key not in listed])

    # ── Working ─────────────────────────────────────────────────────────────────────────────────

    def _begin(self, entries: Sequence[Entry]) -> None:
        self._job += 1
        begun = [
            msgspec.structs.replace(
                each, state=EntryState.RUNNING, job=self._job, attempts=each.attempts + 1
            )
            for each in entries
        ]
        self._put(begun)
        self._jobs[self._job] = asyncio.get_running_loop().create_task(self._do(begun))

    async def _do(self, begun: Sequence[Entry]) -> None:
        admitted = await self._mark(begun)
        if not admitted:
            return
        self._terms.reach("migrate.marked")
        names = {each.place.key: each.to_do for each in admitted}
        ended, outdated = await self._work_at(admitted)
        if ended:
            await self._record(ended, names)
        if outdated:
            self._put(outdated)
            await self._look([each.place for each in outdated])

    async def _work_at(self, admitted: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
        """Work in one transaction after the other; return what ended how, and what to look at anew.

        Behind one that didn't come along nothing more is begun: it may be what halts it all.
        """
        ended: list[Entry] = []
        left = [*admitted]
        while left:
            part = next_part(left, self._size)
            left = left[len(part) :]
            outcome = await self._work.at(part)
            self._terms.reach("migrate.applied")
            if outcome.took_ms is not None and len(part) >= self._size:
                self._size = next_size(self._size, took_ms=outcome.took_ms)
            if outcome.is_outdated:
                return [*ended, *_given_back(left)], [*outcome.entries]
            ended += outcome.entries
            if any(each.state is not EntryState.DONE for each in outcome.entries):
                return [*ended, *_given_back(left)], []
        return ended, []

    async def _record(
        self, ended: Sequence[Entry], names: dict[tuple[str, str, str], tuple[str, ...]]
    ) -> None:
        lines: list[LedgerEntry] = []
        for each in ended:
            done = names[each.place.key]
            lines += lines_of(each, self._migration.direction, done)
        reached = {
            each.place: self._chain.after(names[each.place.key][-1])
            for each in ended
            if each.state is EntryState.DONE
        }
        self._unproved.update(
            place for place in reached if self._chain.is_forming(names[place.key])
        )
        async with self._terms.catalog.transaction() as connection:
            await waves.hold(connection, self._progress.operation)
            await waves.write(connection, self._migration.id, lines)
            await waves.saw(connection, reached)
            if self._migration.direction is Direction.UP:
                await self._note_ran(connection, self._chain.digests(reached.values()))
        self._put(ended)
        self._terms.figures.stand(Counter(each.state for each in self._entries.values()))

    async def _note_ran(self, connection: Connection, seen: Mapping[str, str]) -> None:
        """Keep what revisions were that ran somewhere, once."""
        news = {name: digest for name, digest in seen.items() if name not in self._ran}
        await waves.note_ran(connection, news)
        self._ran.update(news)

    async def _mark(self, begun: Sequence[Entry]) -> list[Entry]:
        """Say in the ledger who is worked at; leave out whom a move needs as it is."""
        direction = self._migration.direction
        async with self._terms.catalog.transaction() as connection:
            await waves.take_turns(connection)
            await waves.hold(connection, self._progress.operation)
            migration = await waves.get(connection, self._migration.id)
            if migration.paused_at is not None:
                self._is_paused = True
                self._put(_given_back(begun))
                return []
            occupied = await waves.occupied(connection)
            admitted = [each for each in begun if each.place.key not in occupied]
            held = [
                msgspec.structs.replace(each, waits_for=occupied[each.place.key].told)
                for each in _given_back(begun)
                if each.place.key in occupied
            ]
            lines = [
                line
                for each in (*admitted, *held)
                for line in lines_of(each, direction, each.to_do)
            ]
            await waves.write(connection, self._migration.id, lines)
        self._put(held)
        return admitted

    def _put(self, entries: Iterable[Entry]) -> None:
        for each in entries:
            self._entries[each.place.key] = each

    async def _wait(self, until_s: float | None) -> None:
        """Wait for a job's end, or for a moment; what a job raised ends the campaign."""
        timeout_s = _WAIT_S_MAX
        if until_s is not None:
            timeout_s = min(timeout_s, max(0.0, until_s - time.monotonic()))
        if not self._jobs:
            await asyncio.sleep(timeout_s)
            return
        done, _ = await asyncio.wait(
            self._jobs.values(), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        for number in [number for number, job in self._jobs.items() if job in done]:
            self._jobs.pop(number).result()

    # ── Between waves ───────────────────────────────────────────────────────────────────────────

    async def _next_wave(self) -> None:
        await self._examine()
        rules = self._migration.rules
        ended, self._wave = self._wave, self._wave + 1
        by = By(actor=_ACTOR, reason=f"it was to stop after wave {ended}")
        note = f"wave {ended} is done"
        async with self._terms.catalog.transaction() as connection:
            await waves.set_wave(connection, self._migration.id, self._wave)
            await self._progress.advance_in(connection, f"wave {self._wave}", note)
            if rules.wave_max is not None and ended >= rules.wave_max:
                await waves.pause(connection, self._migration.id, by)
                self._is_paused = True

    async def _examine(self) -> None:
        """Have somebody look at what the wave did; what is found keeps the next one from it."""
        worked, self._unproved = sorted(self._unproved), set()
        found: Sequence[str] = await self._terms.examine(worked) if worked else ()
        if found:
            more = "" if len(found) <= _FINDINGS_MAX else f" and {len(found) - _FINDINGS_MAX} more"
            raise MigrationHalted(
                f"wave {self._wave} left what isn't sound: "
                + "; ".join(found[:_FINDINGS_MAX])
                + more
            )

    async def _finish(self) -> bool:
        """Look for places that were made meanwhile; the others said themselves how far they are."""
        await self._examine()
        async with self._terms.catalog.connection() as connection:
            listed = await waves.list_places(connection)
        made = [place for place in listed if place.key not in self._entries]
        if made:
            await self._look(made)
        if not is_over(self._entries.values()):
            return False
        async with self._terms.catalog.transaction() as connection:
            await waves.take_turns(connection)
            if any(each.key not in self._entries for each in await waves.list_places(connection)):
                return False
            await waves.end(connection, self._migration.id)
            if self._migration.direction is Direction.DOWN:
                await waves.forget_ran(connection, self._chain.above)
            await self._progress.finish_in(connection)
        self._terms.figures.stand(Counter(each.state for each in self._entries.values()))
        way = "brought to" if self._migration.direction is Direction.UP else "taken back to"
        _log.info(f"every place was {way} a revision", revision=self._migration.target)
        return True


def _given_back(begun: Sequence[Entry]) -> list[Entry]:
    return [
        msgspec.structs.replace(each, state=EntryState.PENDING, job=0, attempts=each.attempts - 1)
        for each in begun
    ]
