"""A migration of the product as the catalog knows it, and as operators are shown it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from router.catalog.operations import OperationState
from router.words import Tier

#: The kind of operation that a migration is.
MIGRATION = "migration"
#: What a wave does when nothing else is said; the rest of the places come last.
PERCENTS = (10,)
PLACES_AT_ONCE = 2


class Place(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Where tables are: shared ones, a schema, or a database of one tenant's own."""

    cluster: str
    database: str
    schema: str
    tier: Tier

    def __str__(self) -> str:
        return f"{self.cluster}/{self.database}/{self.schema}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the place: its tier follows from that."""
        return (self.cluster, self.database, self.schema)


class Direction(StrEnum):
    """Whether revisions are applied or taken back."""

    UP = "up"
    DOWN = "down"


class EntryState(StrEnum):
    """How far one revision is in one place."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How a migration goes: who first, how many at once on a cluster, how many may fail.

    ``canaries`` are places, the first wave. ``percents`` are of the others, one wave each; shared
    tables are in the last wave, as many tenants live there, unless a canary does. ``wave_max``: it
    pauses after that wave.
    """

    canaries: tuple[Place, ...] = ()
    percents: tuple[int, ...] = PERCENTS
    jobs: int = PLACES_AT_ONCE
    halt_after: int = 0
    wave_max: int | None = None

    @property
    def waves(self) -> int:
        """How many waves there are."""
        return bool(self.canaries) + len(self.percents) + 1


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One revision in one place; ``error`` of a pending one is what it waits for.

    ``rows_filled`` is written by the step that fills them, and never with the rest of the line.
    """

    cluster: str
    database: str
    schema: str
    revision: str
    state: EntryState
    wave: int
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    rows_filled: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the place."""
        return (self.cluster, self.database, self.schema)


class MigrationState(StrEnum):
    """How a migration stands, as people speak of it."""

    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    DONE = "done"
    CANCELLED = "cancelled"


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One migration; ``source`` is where new tenants of later waves are born meanwhile."""

    id: UUID
    target: str
    source: str
    direction: Direction
    rules: Rules
    wave: int
    waves: int
    requested_by: str
    requested_at: datetime
    reason: str
    paused_at: datetime | None
    paused_by: str | None
    ended_at: datetime | None
    operation_state: OperationState
    error: str | None
    started_at: datetime | None

    @property
    def state(self) -> MigrationState:
        """Say in one word how it stands."""
        match self.operation_state:
            case OperationState.DONE:
                return MigrationState.DONE
            case OperationState.CANCELLED:
                return MigrationState.CANCELLED
            case OperationState.FAILED:
                return MigrationState.HALTED
            case OperationState.WAITING | OperationState.RUNNING:
                return MigrationState.RUNNING if self.paused_at is None else MigrationState.PAUSED


class WaveCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many places of one wave are how far."""

    wave: int
    pending: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def places(self) -> int:
        """All of them."""
        return self.pending + self.running + self.done + self.failed + self.skipped


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A place whose revision failed, or waits for something, and why."""

    cluster: str
    database: str
    schema: str
    revision: str
    wave: int
    state: EntryState
    attempts: int
    error: str


class MigrationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A migration as operators see it; ``rows_filled`` counts those of its backfills."""

    id: UUID
    state: MigrationState
    target: str
    source: str
    direction: Direction
    wave: int
    waves: tuple[WaveCount, ...]
    canaries: tuple[str, ...]
    percents: tuple[int, ...]
    jobs: int
    halt_after: int
    wave_max: int | None
    requested_by: str
    requested_at: datetime
    reason: str
    paused_by: str | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    rows_filled: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def places(self) -> int:
        """How many places it is about."""
        return sum(each.places for each in self.waves)

    @property
    def done(self) -> int:
        """How many of them need nothing more."""
        return sum(each.done + each.skipped for each in self.waves)


class PlaceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the matrix: a place, where it is, and how far each revision is there."""

    cluster: str
    database: str
    schema: str
    tier: Tier
    tenant: str | None
    revision: str
    changed_at: datetime
    entries: dict[str, EntryState]
    error: str | None
