"""The ledger of migrations: which revision of the product is how far in which place.

The ledger is for people and for planning. Whether a revision was applied is told by the place
itself, which notes it in the transaction that applies it (gate.applied).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import audit, operations
from router.catalog.catalog import Page
from router.catalog.operations import NewOperation, OperationState, Superseded
from router.catalog.wave_words import (
    MIGRATION,
    Direction,
    EntryState,
    Failure,
    LedgerEntry,
    Migration,
    MigrationDocument,
    Place,
    Rules,
    WaveCount,
)
from router.errors import Conflict, NotFound, Unprocessable
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import asyncpg

    from router.catalog.moves import By
    from router.catalog.operations import Operation
    from router.connect import Connection
    from router.words import Placement

FAILURES_MAX = 100
_SQL = load("router.catalog", "waves.sql")


class NewMigration(msgspec.Struct, frozen=True, kw_only=True):
    """What to record. ``head_start`` keeps the workers away from what the caller runs itself."""

    target: str
    source: str
    direction: Direction
    rules: Rules
    by: By
    head_start: timedelta = timedelta()


class Occupied(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a move needs as it is, and what is said of that."""

    place: tuple[str, str, str]
    move: UUID
    told: str


# ── What is asked for ───────────────────────────────────────────────────────────────────────────


async def begin(connection: Connection, wanted: NewMigration) -> Migration:
    """Record a migration; raises Conflict while another one is open. Needs a transaction."""
    await take_turns(connection)
    going = await find_open(connection)
    if going is not None:
        raise Conflict(
            f"the migration {going.id} to {going.target} is {going.state.value}: let it end, "
            "resume it with --resume, or cancel it, before another one begins"
        )
    operation = await operations.begin(
        connection, NewOperation(kind=MIGRATION, head_start=wanted.head_start)
    )
    await connection.execute(
        _SQL["begin"],
        operation.id,
        wanted.target,
        wanted.source,
        wanted.direction.value,
        _encoded(wanted.rules),
        wanted.rules.waves,
        wanted.by.actor,
        wanted.by.reason,
    )
    detail: dict[str, object] = {"target": wanted.target, "direction": wanted.direction.value}
    await _note(connection, operation.id, "migration.begin", wanted.by, detail)
    return await get(connection, operation.id)


async def get(connection: Connection, migration_id: UUID) -> Migration:
    """Return a migration, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], migration_id)
    if row is None:
        raise NotFound(f"there is no migration {migration_id}")
    return _migration(row)


async def find_open(connection: Connection) -> Migration | None:
    """Return the one migration that something is left to do for."""
    row = await connection.fetchrow(_SQL["find_open"])
    return None if row is None else _migration(row)


async def list_page(
    connection: Connection, *, before: UUID | None = None, items_max: int = 50
) -> Page[Migration]:
    """List migrations, the newest first; ``before`` is the cursor that the last page gave."""
    rows = await connection.fetch(_SQL["list"], before, items_max + 1)
    items = tuple(_migration(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


async def pause(connection: Connection, migration_id: UUID, by: By) -> Migration:
    """Have a migration stop after the places at which it works now. Needs a transaction."""
    migration = await _open(connection, migration_id)
    if migration.paused_at is None:
        await connection.execute(_SQL["pause"], migration_id, by.actor)
        await _note(connection, migration_id, "migration.pause", by)
    return await get(connection, migration_id)


async def resume(
    connection: Connection,
    migration_id: UUID,
    by: By,
    *,
    rules: Rules | None = None,
    head_start: timedelta = timedelta(),
) -> Migration:
    """Go on with one that is paused or halted; what failed is tried again. Needs a transaction."""
    migration = await _open(connection, migration_id)
    if rules is not None:
        if rules.waves != migration.waves:
            raise Unprocessable(
                "canaries and percentages are given when a migration begins: leave them out"
            )
        await connection.execute(_SQL["set_rules"], migration_id, _encoded(rules))
    await connection.execute(_SQL["go_on"], migration_id)
    if migration.operation_state is not OperationState.RUNNING:
        await connection.execute(_SQL["give_back"], migration_id)
        await connection.execute(_SQL["wake"], migration_id, head_start)
    await _note(connection, migration_id, "migration.resume", by)
    return await get(connection, migration_id)


async def cancel(connection: Connection, migration_id: UUID, by: By) -> Migration:
    """End one that nobody works on where it stands; places keep what they have."""
    await _open(connection, migration_id)
    if await connection.fetchval(_SQL["cancel"], migration_id) is None:
        raise Conflict(
            f"the migration {migration_id} is at work: pause it first, then cancel it",
            retry_after_s=1,
        )
    await connection.execute(_SQL["skip_open"], migration_id, "the migration was cancelled")
    await connection.execute(_SQL["end"], migration_id)
    await _note(connection, migration_id, "migration.cancel", by)
    return await get(connection, migration_id)


# ── What is shown ───────────────────────────────────────────────────────────────────────────────


async def document(connection: Connection, migration: Migration) -> MigrationDocument:
    """Show a migration with its waves and its failures."""
    counted: dict[int, dict[str, int]] = {wave: {} for wave in range(1, migration.waves + 1)}
    counts = await connection.fetch(_SQL["counts"], migration.id)
    for row in counts:
        counted.setdefault(row["wave"], {})[row["state"]] = row["places"]
    rules = migration.rules
    return MigrationDocument(
        id=migration.id,
        state=migration.state,
        target=migration.target,
        source=migration.source,
        direction=migration.direction,
        wave=migration.wave,
        waves=tuple(
            msgspec.convert({"wave": wave, **states}, WaveCount)
            for wave, states in sorted(counted.items())
        ),
        canaries=tuple(str(place) for place in rules.canaries),
        percents=rules.percents,
        jobs=rules.jobs,
        halt_after=rules.halt_after,
        wave_max=rules.wave_max,
        requested_by=migration.requested_by,
        requested_at=migration.requested_at,
        reason=migration.reason,
        paused_by=migration.paused_by,
        started_at=migration.started_at,
        ended_at=migration.ended_at,
        error=migration.error,
        rows_filled=sum(row["rows_filled"] for row in counts),
        failures=tuple(await _failures(connection, migration.id)),
    )


async def known_places(
    connection: Connection, *, since: datetime | None = None
) -> list[tuple[Place, str, datetime]]:
    """Return where each place was when somebody looked last, or those that changed of late."""
    rows = await connection.fetch(_SQL["known_places"], since)
    return [(_place(row), row["revision"], row["changed_at"]) for row in rows]


async def list_places(connection: Connection) -> list[Place]:
    """Return every place in which tenants live or may live."""
    return [_place(row) for row in await connection.fetch(_SQL["places"])]


async def place_of(connection: Connection, reference: str) -> Place:
    """Return the place of one tenant, by its slug or id."""
    row = await connection.fetchrow(_SQL["place_of_tenant"], reference)
    if row is None:
        raise NotFound(f"there is no tenant {reference[:80]!r}")
    if row["cluster"] is None:
        raise Conflict(f"tenant {row['slug']} has no place yet")
    return _place(row)


async def latest_target(connection: Connection) -> str | None:
    """Return the revision that the latest whole migration brought everything to."""
    found: str | None = await connection.fetchval(_SQL["latest_done"])
    return found


async def latest_done(connection: Connection) -> Migration | None:
    """Return the latest migration that was brought to its end."""
    row = await connection.fetchrow(_SQL["latest_whole"])
    return None if row is None else _migration(row)


async def revision_at(connection: Connection, place: tuple[str, str, str]) -> str | None:
    """Return where a place was when somebody looked last; None when nobody has looked."""
    found: str | None = await connection.fetchval(_SQL["revision_at"], *place)
    return found


async def ran(connection: Connection) -> dict[str, str]:
    """Return the revisions that ran anywhere, with the hash of what each of them was then."""
    return {row["revision"]: row["sql_hash"] for row in await connection.fetch(_SQL["ran"])}


async def note_ran(connection: Connection, revisions: Mapping[str, str]) -> None:
    """Keep what revisions are that ran; what is known of one already stays."""
    if revisions:
        await connection.execute(_SQL["note_ran"], [*revisions], [*revisions.values()])


async def forget_ran(connection: Connection, revisions: Sequence[str]) -> None:
    """Forget revisions that were taken back everywhere: they may be edited now."""
    if revisions:
        await connection.execute(_SQL["forget_ran"], [*revisions])


# ── What the runner records ─────────────────────────────────────────────────────────────────────


async def take_turns(connection: Connection) -> None:
    """Make whoever else marks places, or begins to move a tenant, wait for this transaction."""
    await connection.execute(_SQL["take_turns"])


async def hold(connection: Connection, operation: Operation) -> None:
    """Make sure that the operation is this runner's until the transaction ends."""
    if await connection.fetchval(_SQL["hold"], operation.id, operation.fencing_token) is None:
        raise Superseded(
            f"operation {operation.id} isn't held by fencing token {operation.fencing_token} now"
        )


async def entries(connection: Connection, migration_id: UUID) -> list[LedgerEntry]:
    """Return a migration's part of the ledger."""
    return [_entry(row) for row in await connection.fetch(_SQL["entries"], migration_id)]


async def write(connection: Connection, migration_id: UUID, changed: Sequence[LedgerEntry]) -> None:
    """Put entries into the ledger as they are now."""
    if not changed:
        return
    await connection.execute(
        _SQL["write"],
        migration_id,
        [each.cluster for each in changed],
        [each.database for each in changed],
        [each.schema for each in changed],
        [each.revision for each in changed],
        [each.state.value for each in changed],
        [each.wave for each in changed],
        [each.attempts for each in changed],
        [None if each.error is None else _short(each.error) for each in changed],
    )


async def saw(connection: Connection, seen: Mapping[Place, str]) -> None:
    """Keep at which revision places were found to be."""
    if not seen:
        return
    places = list(seen)
    await connection.execute(
        _SQL["seen"],
        [each.cluster for each in places],
        [each.database for each in places],
        [each.schema for each in places],
        [each.tier.value for each in places],
        [seen[each] for each in places],
    )


async def gone(connection: Connection, places: Iterable[Place]) -> None:
    """Forget places in which nobody lives any more."""
    keys = [each.key for each in places]
    if keys:
        await connection.execute(_SQL["gone"], *map(list, zip(*keys, strict=True)))


async def left(connection: Connection, placement: Placement) -> None:
    """Forget a place of one tenant's own that was taken away; shared tables stay."""
    if placement.tier is not Tier.ROWS:
        key = (placement.cluster, placement.database, placement.schema)
        await connection.execute(_SQL["gone"], *[[each] for each in key])


async def occupied(connection: Connection) -> dict[tuple[str, str, str], Occupied]:
    """Return the places that open moves need as they are."""
    found: dict[tuple[str, str, str], Occupied] = {}
    for row in await connection.fetch(_SQL["moving_places"]):
        told = f"it waits for the move {row['id']} of tenant {row['slug']}"
        if row["is_decided"]:
            told += (
                f", which is settled at {row['settle_after']:%Y-%m-%d %H:%M} or by `move settle`"
            )
        for end in ("source", "target"):
            key = (row[f"{end}_cluster"], row[f"{end}_database"], row[f"{end}_schema"])
            found[key] = Occupied(place=key, move=row["id"], told=told)
    return found


async def at_work(connection: Connection, places: Collection[tuple[str, str, str]]) -> UUID | None:
    """Return the migration that works at one of these places now."""
    found: UUID | None = await connection.fetchval(
        _SQL["at_work"], *map(list, zip(*places, strict=True))
    )
    return found


async def filled(connection: Connection, place: Place, revision: str, rows: int) -> bool:
    """Keep how many rows a revision has filled in a place; says whether somebody paused it all."""
    return await connection.fetchval(_SQL["filled"], *place.key, revision, rows) is not None


async def set_wave(connection: Connection, migration_id: UUID, wave: int) -> None:
    """Record that the next wave begins."""
    await connection.execute(_SQL["set_wave"], migration_id, wave)


async def end(connection: Connection, migration_id: UUID) -> None:
    """Record that nothing is left to do."""
    await connection.execute(_SQL["end"], migration_id)


async def _failures(connection: Connection, migration_id: UUID) -> list[Failure]:
    rows = await connection.fetch(_SQL["failures"], migration_id, FAILURES_MAX)
    return [
        Failure(
            cluster=row["cluster"],
            database=row["database"],
            schema=row["schema_name"],
            revision=row["revision"],
            wave=row["wave"],
            state=EntryState(row["state"]),
            attempts=row["attempts"],
            error=row["error"],
        )
        for row in rows
    ]


async def _open(connection: Connection, migration_id: UUID) -> Migration:
    await take_turns(connection)
    migration = await get(connection, migration_id)
    if migration.ended_at is not None:
        raise Conflict(f"the migration {migration_id} has ended: it is {migration.state.value}")
    return migration


async def _note(
    connection: Connection,
    migration_id: UUID,
    action: str,
    by: By,
    detail: dict[str, object] | None = None,
) -> None:
    deed = audit.Deed(
        actor=by.actor,
        action=action,
        target=str(migration_id),
        reason=by.reason,
        detail=detail or {},
        request_id=by.request_id,
    )
    await audit.write(connection, deed)


def _short(error: str) -> str:
    return error.replace("\0", "")[: operations.ERROR_LENGTH_MAX]


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _place(row: asyncpg.Record) -> Place:
    return Place(
        cluster=row["cluster"],
        database=row["database"],
        schema=row["schema_name"],
        tier=Tier(row["tier"]),
    )


def _entry(row: asyncpg.Record) -> LedgerEntry:
    return LedgerEntry(
        cluster=row["cluster"],
        database=row["database"],
        schema=row["schema_name"],
        revision=row["revision"],
        state=EntryState(row["state"]),
        wave=row["wave"],
        attempts=row["attempts"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        error=row["error"],
        rows_filled=row["rows_filled"],
    )


def _migration(row: asyncpg.Record) -> Migration:
    return Migration(
        id=row["id"],
        target=row["target"],
        source=row["source"],
        direction=Direction(row["direction"]),
        rules=msgspec.json.decode(row["rules"], type=Rules),
        wave=row["wave"],
        waves=row["waves"],
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        reason=row["reason"],
        paused_at=row["paused_at"],
        paused_by=row["paused_by"],
        ended_at=row["ended_at"],
        operation_state=OperationState(row["state"]),
        error=row["error"],
        started_at=row["started_at"],
    )
