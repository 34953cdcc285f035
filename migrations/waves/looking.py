"""Looking at every place: what it has, what it lacks, and what keeps it from being worked at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from migrations.waves.drift import Shapes
from migrations.waves.drift import told as told_differences
from migrations.waves.inside import look
from migrations.waves.plan import Entry, wave_of
from router.catalog.wave_words import Direction, EntryState, LedgerEntry
from router.errors import PlatformError
from router.stamps import read_stamps
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from migrations.waves.chain import Chain, Seen
    from migrations.waves.crew import Crew
    from migrations.waves.drift import Difference
    from migrations.waves.terms import Turns
    from router.catalog.wave_words import Place, Rules

_UNANSWERED = (PlatformError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of all databases: their schemas, or why they can't be asked.

    ``ran`` are the revisions that places have whole, as they were when they ran. ``drifted`` are
    places with something to do whose tables aren't what their revision makes.
    """

    seen: Mapping[tuple[str, str], Mapping[str, Seen]]
    silent: Mapping[tuple[str, str], str]
    ran: Mapping[str, str]
    drifted: Mapping[tuple[str, str, str], tuple[Difference, ...]]


class Lookout:
    """Looks at places: one query each cluster, and one each database that has something to do.

    A database of one tenant bears a stamp, which its server shows; shared ones are always asked.
    """

    def __init__(self, crew: Crew, chain: Chain, turns: Turns, *, at_once_max: int) -> None:
        self._crew = crew
        self._chain = chain
        self._shapes = Shapes(chain)
        self._turns = turns
        self._at_once = asyncio.Semaphore(at_once_max)

    async def look_around(self, places: Iterable[Place], *, also_done: bool = False) -> View:
        """Ask every database of these places; ``also_done``: compare all tables, in full."""
        databases: dict[tuple[str, str], list[Place]] = {}
        for place in sorted(places):
            databases.setdefault((place.cluster, place.database), []).append(place)
        stamped = {} if also_done else await self._stamped(databases)
        seen = {key: each for key, each in stamped.items() if not self._lacks(each)}
        silent: dict[tuple[str, str], str] = {}
        drifted: dict[tuple[str, str, str], tuple[Difference, ...]] = {}

        async def ask(database: tuple[str, str]) -> None:
            try:
                async with self._at_once, self._crew.connection(*database) as connection:
                    there = stamped.get(database) or await look(connection, self._chain)
                    wanted = self._comparable(databases[database], there, also_done=also_done)
                    found: Mapping[str, tuple[Difference, ...]] = {}
                    if wanted:
                        async with self._turns.working(databases[database][0]):
                            found = await self._shapes.drifted(
                                connection, wanted, in_full=also_done
                            )
                    seen[database] = there
                    drifted.update({(*database, schema): each for schema, each in found.items()})
            except _UNANSWERED as error:
                silent[database] = told(error)

        # The largest take longest, and so they are begun first.
        left = sorted(
            databases.keys() - seen.keys(), key=lambda each: (-len(databases[each]), each)
        )
        await asyncio.gather(*[ask(database) for database in left])
        ran = _ran(self._chain, seen.values())
        return View(seen=seen, silent=silent, ran=ran, drifted=drifted)

    async def _stamped(
        self, databases: Mapping[tuple[str, str], Sequence[Place]]
    ) -> dict[tuple[str, str], Mapping[str, Seen]]:
        """Ask one database of each cluster what the stamps of the others say."""
        clusters: dict[str, dict[str, str]] = {}
        for (cluster, database), places in databases.items():
            if len(places) == 1 and places[0].tier is Tier.DATABASE:
                clusters.setdefault(cluster, {})[database] = places[0].schema
        found: dict[tuple[str, str], Mapping[str, Seen]] = {}
        for cluster, schemas in clusters.items():
            said = await self._read_stamps(cluster, [*schemas])
            for database, schema in schemas.items():
                seen = self._chain.seen_by_stamp(schema, said.get(database, ""))
                if seen is not None:
                    found[cluster, database] = {schema: seen}
        return found

    def _lacks(self, there: Mapping[str, Seen]) -> bool:
        return any(self._chain.lack(seen).to_do for seen in there.values())

    async def _read_stamps(self, cluster: str, databases: Sequence[str]) -> Mapping[str, str]:
        """Read them over the first database; where that can't be reached each is asked itself."""
        try:
            async with self._crew.connection(cluster, databases[0]) as connection:
                return await read_stamps(connection, databases)
        except _UNANSWERED:
            return {}

    def _comparable(
        self, places: Iterable[Place], there: Mapping[str, Seen], *, also_done: bool
    ) -> dict[str, tuple[str, Tier]]:
        """Return the schemas whose tables can be compared, with what they should be."""
        found: dict[str, tuple[str, Tier]] = {}
        for place in places:
            seen = there.get(place.schema)
            if seen is None or not self._chain.is_prefix(seen):
                continue
            if also_done or self._chain.lack(seen).to_do:
                found[place.schema] = (seen.revision, place.tier)
        return found


def _ran(chain: Chain, seen: Iterable[Mapping[str, Seen]]) -> dict[str, str]:
    ran: dict[str, str] = {}
    for each in (place for places in seen for place in places.values()):
        if each.notes is None:
            ran |= {revision.id: revision.digest for revision in chain.rendered.revisions}
        else:
            ran |= {note.revision: note.sql_hash for note in each.notes if note.is_whole}
    return ran


def entry_of(place: Place, view: View, chain: Chain, rules: Rules) -> Entry:
    """Say what a place lacks, as it was seen."""
    wave, database = wave_of(place, rules), (place.cluster, place.database)
    problem = view.silent.get(database)
    if problem is not None:
        return Entry(place=place, wave=wave, to_do=(chain.target,), waits_for=problem)
    seen = view.seen[database].get(place.schema)
    if seen is None:
        problem = "the product's tables aren't there"
        return Entry(place=place, wave=wave, to_do=(chain.target,), waits_for=problem)
    lack = chain.lack(seen)
    if lack.problem is not None:
        return Entry(place=place, wave=wave, to_do=(chain.target,), waits_for=lack.problem)
    if not lack.to_do:
        return Entry(place=place, wave=wave, to_do=(), state=EntryState.DONE)
    differences = view.drifted.get(place.key)
    if differences is not None:
        problem = told_differences(differences, seen.revision)
        return Entry(place=place, wave=wave, to_do=lack.to_do, waits_for=problem)
    return Entry(
        place=place,
        wave=wave,
        to_do=lack.to_do,
        steps_done=lack.steps_done,
        is_alone=bool(lack.steps_done) or not chain.is_plain(lack.to_do),
    )


def revisions_seen(view: View, places: Iterable[Place]) -> dict[Place, str]:
    """Return where each place is."""
    return {
        place: found[place.schema].revision
        for place in places
        if (found := view.seen.get((place.cluster, place.database))) and place.schema in found
    }


def lines_of(entry: Entry, direction: Direction, names: Sequence[str]) -> list[LedgerEntry]:
    """Spell an entry as the ledger's lines: one for each of the revisions that it had to do."""
    state = entry.state
    if state is EntryState.DONE and direction is Direction.DOWN:
        state = EntryState.SKIPPED
    return [
        LedgerEntry(
            cluster=entry.place.cluster,
            database=entry.place.database,
            schema=entry.place.schema,
            revision=name,
            state=state,
            wave=entry.wave,
            attempts=entry.attempts,
            error=entry.waits_for or entry.error,
        )
        for name in names
    ]


def corrected(
    entries: Mapping[tuple[str, str, str], Entry],
    known: Sequence[LedgerEntry],
    direction: Direction,
) -> list[LedgerEntry]:
    """Return the ledger's lines that aren't as the places say."""
    wanted: dict[tuple[tuple[str, str, str], str], LedgerEntry] = {}
    for entry in entries.values():
        for line in lines_of(entry, direction, entry.to_do):
            wanted[line.key, line.revision] = line
    for line in known:
        entry_there, is_open = entries.get(line.key), line.state not in _ENDED
        if (line.key, line.revision) in wanted or not is_open:
            continue
        gone = entry_there is None or entry_there.waits_for is not None
        ended = EntryState.SKIPPED if gone or direction is Direction.DOWN else EntryState.DONE
        note = "the place is gone" if entry_there is None else None
        wanted[line.key, line.revision] = msgspec.structs.replace(line, state=ended, error=note)
    return [line for line in wanted.values() if line not in _comparable(known)]


_ENDED = frozenset({EntryState.DONE, EntryState.SKIPPED})


def _comparable(known: Sequence[LedgerEntry]) -> set[LedgerEntry]:
    return {
        msgspec.structs.replace(line, started_at=None, finished_at=None, rows_filled=0)
        for line in known
    }


def told(error: BaseException) -> str:
    """Say in one sentence what went wrong."""
    if isinstance(error, PlatformError):
        return error.detail
    return f"{type(error).__name__}: {error}"
