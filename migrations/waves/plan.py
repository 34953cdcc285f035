"""What a migration does next: a function from the ledger to a decision, without any I/O."""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from router.catalog.wave_words import EntryState, Place
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.catalog.wave_words import Rules

#: Schemas that one transaction changes, at most: each of them is held until it commits.
BATCH_PLACES_MAX = 25
#: Transactions after which one worker writes the ledger: the batches of a database one after the
#: other, or databases of one tenant each.
BATCHES_MAX = 4
DATABASES_MAX = 8
#: How long such a transaction may hold its tables; a batch is made smaller when it takes longer.
HOLD_MS_MAX = 60.0
_BUCKETS = 100


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a migration: what it lacks, and how far it is.

    ``to_do`` are revisions in the order in which they run; ``steps_done`` are of the first of them.
    ``is_alone``: it doesn't share a transaction, as it failed in one, or its steps can't. ``job``
    numbers the transaction in which one that is at work is.
    ``waits_for`` says what keeps it from being worked at, as a move does.
    """

    place: Place
    wave: int
    to_do: tuple[str, ...]
    steps_done: int = 0
    state: EntryState = EntryState.PENDING
    attempts: int = 0
    job: int = 0
    is_alone: bool = False
    not_before_s: float = 0.0
    waits_for: str | None = None
    error: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Work at these places now, which lack the same: in one database, or in one each."""

    entries: tuple[Entry, ...]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a database one of ``jobs`` workers takes: some batches, and leaves the others."""

    places_max: int
    jobs: int

    def of(self, places: int) -> int:
        """Return how many of so many places."""
        fair = -(-places // self.jobs)
        return max(self.places_max, min(fair, self.places_max * BATCHES_MAX))


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing can be begun before something ends, or before that moment."""

    until_s: float | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Only places that wait for others are left: come back later."""

    reason: str


class WaveOver(msgspec.Struct, frozen=True, kw_only=True):
    """The wave has ended: what it did is examined, then the next one begins."""


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """Too many places failed: nothing more is begun until somebody says so."""

    reason: str


class AllDone(msgspec.Struct, frozen=True, kw_only=True):
    """Every place of every wave is done."""


Decision: TypeAlias = Run | Wait | Hold | WaveOver | Halt | AllDone


def wave_of(place: Place, rules: Rules) -> int:
    """Return a place's wave: the same one whoever asks, and whenever."""
    first = 1
    if rules.canaries:
        if any(place.key == canary.key for canary in rules.canaries):
            return 1
        first = 2
    if place.tier is not Tier.ROWS:
        bucket = zlib.crc32(str(place).encode()) % _BUCKETS
        for number, percent in enumerate(rules.percents):
            if bucket < percent:
                return first + number
    return rules.waves


def next_decision(
    entries: Sequence[Entry],
    rules: Rules,
    *,
    wave: int,
    now_s: float,
    batch_places_max: int = BATCH_PLACES_MAX,
) -> Decision:
    """Decide what to begin now, in this wave."""
    at_work = _count_jobs(entries)
    failed = [each for each in entries if each.state is EntryState.FAILED]
    if len(failed) > rules.halt_after:
        return Wait() if at_work else Halt(reason=_told(failed))
    # Places that were left behind by an earlier wave are caught up with.
    current = [each for each in entries if each.wave <= wave]
    pending = [each for each in current if each.state is EntryState.PENDING]
    able = [each for each in pending if each.waits_for is None]
    for each in able:
        if each.not_before_s <= now_s and at_work.get(each.place.cluster, 0) < rules.jobs:
            ready = [other for other in able if other.not_before_s <= now_s]
            share = Share(places_max=batch_places_max, jobs=rules.jobs)
            return Run(entries=_together(each, ready, share))
    if at_work:
        return Wait()
    if able:
        return Wait(until_s=min(each.not_before_s for each in able))
    return _after(current, pending, is_last=wave >= rules.waves)


def is_over(entries: Iterable[Entry]) -> bool:
    """Whether no place needs anything any more."""
    return all(each.state in {EntryState.DONE, EntryState.SKIPPED} for each in entries)


def next_size(size: int, *, took_ms: float) -> int:
    """Return how many places the next transaction should change, after one that took so long."""
    fitting = int(size * HOLD_MS_MAX / max(took_ms, 1.0))
    return max(1, min(BATCH_PLACES_MAX, fitting, size * 2))


def _after(current: Sequence[Entry], pending: Sequence[Entry], *, is_last: bool) -> Decision:
    """Decide what follows when nothing of a wave can be worked at."""
    # Places that wait are left behind by the next wave, but not all there are of one: nothing
    # would have been tried.
    has_worked = any(each.state is EntryState.DONE for each in current)
    if pending and (is_last or not has_worked):
        return Hold(reason=pending[0].waits_for or "")
    if not is_last:
        return WaveOver()
    failed = [each for each in current if each.state is EntryState.FAILED]
    return Halt(reason=_told(failed)) if failed else AllDone()


def _together(first: Entry, ready: Iterable[Entry], share: Share) -> tuple[Entry, ...]:
    if first.is_alone:
        return (first,)
    alike = [
        each
        for each in ready
        if not each.is_alone
        and each.place.cluster == first.place.cluster
        and (each.to_do, each.steps_done) == (first.to_do, first.steps_done)
    ]
    places = Counter(each.place.database for each in alike)
    database = first.place.database
    if places[database] > 1:
        there = [each for each in alike if each.place.database == database]
        return tuple(there[: share.of(len(there))])
    return tuple([each for each in alike if places[each.place.database] == 1][:DATABASES_MAX])


def next_part(entries: Sequence[Entry], places_max: int) -> Sequence[Entry]:
    """Return what one transaction changes of what was begun together, from its start."""
    database = entries[0].place.database
    return [*takewhile(lambda each: each.place.database == database, entries)][:places_max]


def _count_jobs(entries: Iterable[Entry]) -> Mapping[str, int]:
    """Count the transactions at work on each cluster: places of one batch are one."""
    jobs: dict[str, set[int]] = {}
    for each in entries:
        if each.state is EntryState.RUNNING:
            jobs.setdefault(each.place.cluster, set()).add(each.job)
    return {cluster: len(numbers) for cluster, numbers in jobs.items()}


def _told(failed: Sequence[Entry]) -> str:
    first = failed[0]
    others = "" if len(failed) == 1 else f", and {len(failed) - 1} more"
    return f"{first.place} failed{others}: {first.error}"
