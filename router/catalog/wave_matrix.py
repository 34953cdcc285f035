"""What operators are shown of the fleet: who has which revision, and who lacks what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog.catalog import Page
from router.catalog.wave_words import EntryState, PlaceLine
from router.errors import BadRequest
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.connect import Connection

_SQL = load("router.catalog", "wave_matrix.sql")
_PLACE_PARTS = 3


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One revision on one cluster, in one tier: how many places have it, and how many not.

    ``pending`` lack it, whether a migration is to bring it or none is open. ``unseen`` are places
    at which nobody has looked yet, or whose revision this version of the product doesn't have.
    """

    revision: str
    cluster: str
    tier: Tier
    done: int = 0
    running: int = 0
    failed: int = 0
    pending: int = 0
    unseen: int = 0

    @property
    def places(self) -> int:
        """All of them."""
        return self.done + self.running + self.failed + self.pending + self.unseen


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How many places of one cluster and tier are at a revision, as they were seen last."""

    cluster: str
    tier: Tier
    revision: str | None
    places: int


class UnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """At how many places a revision is being applied, or failed."""

    cluster: str
    tier: Tier
    revision: str
    state: EntryState
    places: int


class LineFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines of a migration's ledger are wanted."""

    state: EntryState | None = None
    wave: int | None = None


class PlaceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which places are wanted; ``at`` is the revision that they are at."""

    cluster: str | None = None
    tier: Tier | None = None
    at: str | None = None


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One revision in one place, as operators see it; ``tenant`` only of a place of its own."""

    cluster: str
    database: str
    schema: str
    tier: Tier | None
    tenant: str | None
    revision: str
    wave: int
    state: EntryState
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None


async def cells(connection: Connection, order: Sequence[str]) -> list[Cell]:
    """Return the matrix; ``order`` are the product's revisions, the oldest first."""
    standing = [
        Standing(
            cluster=row["cluster"],
            tier=Tier(row["tier"]),
            revision=row["revision"],
            places=row["places"],
        )
        for row in await connection.fetch(_SQL["standing"])
    ]
    under_way = [
        UnderWay(
            cluster=row["cluster"],
            tier=Tier(row["tier"]),
            revision=row["revision"],
            state=EntryState(row["state"]),
            places=row["places"],
        )
        for row in await connection.fetch(_SQL["under_way"])
    ]
    return spread(order, standing, under_way)


def spread(
    order: Sequence[str], standing: Iterable[Standing], under_way: Iterable[UnderWay]
) -> list[Cell]:
    """Count, for each revision, who has it: a place that is at a later one has it too."""
    columns: dict[tuple[str, Tier], dict[str | None, int]] = {}
    for each in standing:
        columns.setdefault((each.cluster, each.tier), {})[each.revision] = each.places
    open_: dict[tuple[str, Tier, str], dict[EntryState, int]] = {}
    for entry in under_way:
        states = open_.setdefault((entry.cluster, entry.tier, entry.revision), {})
        states[entry.state] = entry.places
    return [
        _cell(
            Cell(revision=revision, cluster=cluster, tier=tier),
            order,
            places,
            open_.get((cluster, tier, revision), {}),
        )
        for revision in reversed(order)
        for (cluster, tier), places in sorted(columns.items())
    ]


def _cell(
    empty: Cell,
    order: Sequence[str],
    places: Mapping[str | None, int],
    open_: Mapping[EntryState, int],
) -> Cell:
    number = order.index(empty.revision)
    done = sum(places.get(revision, 0) for revision in order[number:])
    lacking = sum(places.get(revision, 0) for revision in order[:number])
    # An entry may be noted as running while the place itself has the revision already.
    failed = min(open_.get(EntryState.FAILED, 0), lacking)
    running = min(open_.get(EntryState.RUNNING, 0), lacking - failed)
    return msgspec.structs.replace(
        empty,
        done=done,
        running=running,
        failed=failed,
        pending=lacking - failed - running,
        unseen=sum(places.values()) - done - lacking,
    )


async def list_lines(
    connection: Connection,
    migration_id: UUID,
    wanted: LineFilter,
    *,
    after: str | None = None,
    items_max: int = 50,
) -> Page[LedgerLine]:
    """List a migration's lines in the order of their places."""
    rows = await connection.fetch(
        _SQL["lines"],
        migration_id,
        None if wanted.state is None else wanted.state.value,
        wanted.wave,
        *_read_cursor(after, _PLACE_PARTS + 1),
        items_max + 1,
    )
    items = tuple(
        LedgerLine(
            cluster=row["cluster"],
            database=row["database"],
            schema=row["schema_name"],
            tier=None if row["tier"] is None else Tier(row["tier"]),
            tenant=row["tenant"],
            revision=row["revision"],
            wave=row["wave"],
            state=EntryState(row["state"]),
            attempts=row["attempts"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            error=row["error"],
        )
        for row in rows[:items_max]
    )
    last = items[-1] if len(rows) > items_max else None
    return Page(
        items=items,
        next=f"{_key(last)}/{last.revision}" if last else None,
    )


async def list_places(
    connection: Connection,
    wanted: PlaceFilter,
    *,
    after: str | None = None,
    items_max: int = 50,
) -> Page[PlaceLine]:
    """List places in the order of their names."""
    rows = await connection.fetch(
        _SQL["fleet"],
        wanted.cluster,
        None if wanted.tier is None else wanted.tier.value,
        wanted.at,
        *_read_cursor(after, _PLACE_PARTS),
        items_max + 1,
    )
    items = tuple(
        PlaceLine(
            cluster=row["cluster"],
            database=row["database"],
            schema=row["schema_name"],
            tier=Tier(row["tier"]),
            tenant=row["tenant"],
            revision=row["revision"],
            changed_at=row["changed_at"],
            entries=msgspec.json.decode(row["entries"], type=dict[str, EntryState]),
            error=row["error"],
        )
        for row in rows[:items_max]
    )
    last = items[-1] if len(rows) > items_max else None
    return Page(items=items, next=_key(last) if last else None)


def _key(line: LedgerLine | PlaceLine) -> str:
    return f"{line.cluster}/{line.database}/{line.schema}"


def _read_cursor(text: str | None, parts: int) -> Sequence[str | None]:
    if text is None:
        return [None] * parts
    read = text.split("/")
    if len(read) != parts:
        raise BadRequest("`after` is no cursor: send the `next` of the page before")
    return read
