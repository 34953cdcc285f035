"""The operators' calls about migrations: the fleet's matrix, a migration's waves, and its reins."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from msgspec import Meta

from router.api.errand import Errand
from router.api.shapes import Cursor, Limit, List, Word
from router.catalog import wave_matrix, waves
from router.catalog.moves import By
from router.catalog.wave_matrix import Cell, LedgerLine, LineFilter, PlaceFilter
from router.catalog.wave_words import (
    PERCENTS,
    PLACES_AT_ONCE,
    EntryState,
    Migration,
    MigrationDocument,
    MigrationState,
    Place,
    PlaceLine,
    Rules,
)
from router.errors import Conflict, NotFound, PlatformError, Unprocessable
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from router.connect import Connection

CANARIES_MAX = 100
WAVES_MAX = 20
JOBS_MAX = 64
COUNT_MAX = 1_000_000
#: The stream ends by itself before the gateway would break it off.
_MARGIN_S = 5.0

Percent = Annotated[int, Meta(ge=1, le=99)]
Jobs = Annotated[int, Meta(ge=1, le=JOBS_MAX)]
Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
WaveNumber = Annotated[int, Meta(ge=1, le=COUNT_MAX)]
Filter = Annotated[str | None, QueryParameter(max_length=200)]


class NewMigration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which revision is wanted everywhere, the newest if none is named, and in which waves.

    ``canaries`` are tenants, the first wave; each of ``percents`` is the share of the other places
    that one further wave has. ``wave_max``: it pauses after that wave. ``jobs`` are transactions at
    once on a cluster; more failed places than ``halt_after`` halt it.
    """

    to: Word | None = None
    canaries: Annotated[tuple[Word, ...], Meta(max_length=CANARIES_MAX)] = ()
    percents: Annotated[tuple[Percent, ...], Meta(max_length=WAVES_MAX)] = PERCENTS
    wave_max: WaveNumber | None = None
    jobs: Jobs = PLACES_AT_ONCE
    halt_after: Count = 0


class ChangedRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it goes on, where that is to differ; `wave_max` null is no further pause."""

    jobs: Jobs | None = None
    halt_after: Count | None = None
    wave_max: WaveNumber | None = None


class MigrationsShown(msgspec.Struct, frozen=True, kw_only=True):
    """Migrations, a page of them, and where the fleet is now.

    ``revisions`` are those of the product that this gateway serves, the oldest first. ``behind``
    counts places that lack the newest one, ``unseen`` those at which nobody has looked yet.
    """

    items: list[MigrationDocument]
    next: str | None
    revisions: list[str]
    matrix: list[Cell]
    places: int
    behind: int
    unseen: int


@get("/migrations", tags=["operators"], summary="Migrations, and where the fleet is")
async def list_migrations(
    errand: NamedDependency[Errand],
    *,
    limit: Limit = 50,
    after: Annotated[
        UUID | None, QueryParameter(description="The `next` of the page before.")
    ] = None,
) -> MigrationsShown:
    """The newest first. The matrix is of all places: it says for each revision who has it."""
    order = errand.parts.migrating.revisions
    async with errand.parts.catalog.connection() as connection:
        page = await waves.list_page(connection, before=after, items_max=limit)
        items = [await waves.document(connection, each) for each in page.items]
        matrix = await wave_matrix.cells(connection, order)
    newest = [cell for cell in matrix if cell.revision == order[-1]]
    return MigrationsShown(
        items=items,
        next=page.next,
        revisions=[*order],
        matrix=matrix,
        places=sum(cell.places for cell in newest),
        behind=sum(cell.pending + cell.running + cell.failed for cell in newest),
        unseen=sum(cell.unseen for cell in newest),
    )


@get("/migrations/{migration_id:uuid}", tags=["operators"], summary="One migration, with its waves")
async def show_migration(
    errand: NamedDependency[Errand], migration_id: FromPath[UUID]
) -> MigrationDocument:
    """Its first failures are with it; `…/places` has all of them."""
    async with errand.parts.catalog.connection() as connection:
        return await _document(connection, migration_id)


@get(
    "/migrations/{migration_id:uuid}/places",
    tags=["operators"],
    summary="A migration's places, and why they aren't further",
)
async def list_migration_places(  # noqa: PLR0913 - each argument is one filter of the query
    errand: NamedDependency[Errand],
    migration_id: FromPath[UUID],
    *,
    entry: FromQuery[EntryState | None] = None,
    wave: Annotated[int | None, QueryParameter(ge=1, le=COUNT_MAX)] = None,
    limit: Limit = 50,
    after: Cursor = None,
) -> List[LedgerLine]:
    """One line for each revision in each place; `entry` is the state that lines are wanted in."""
    wanted = LineFilter(state=entry, wave=wave)
    async with errand.parts.catalog.connection() as connection:
        await waves.get(connection, migration_id)
        page = await wave_matrix.list_lines(
            connection, migration_id, wanted, after=after, items_max=limit
        )
    return List(items=[*page.items], next=page.next)


@get(
    "/migrations/{migration_id:uuid}/events",
    tags=["operators"],
    summary="A migration's progress, as it happens",
)
async def watch_migration(
    errand: NamedDependency[Errand], migration_id: FromPath[UUID]
) -> ServerSentEvent:
    """Server-sent events named `migration`, each the whole document; ends when nobody works at it.

    It ends before the request's deadline too: whoever wants to go on watching asks again.
    """
    async with errand.parts.catalog.connection() as connection:
        await waves.get(connection, migration_id)
    return ServerSentEvent(_events(errand, migration_id))


@get("/places", tags=["operators"], summary="Places where tenants live, with their revisions")
async def list_places(  # noqa: PLR0913 - each argument is one filter of the query
    errand: NamedDependency[Errand],
    *,
    cluster: Filter = None,
    tier: FromQuery[Tier | None] = None,
    at: Filter = None,
    limit: Limit = 50,
    after: Cursor = None,
) -> List[PlaceLine]:
    """As somebody saw them last; `at` is the revision that they are at."""
    wanted = PlaceFilter(cluster=cluster, tier=tier, at=at)
    async with errand.parts.catalog.connection() as connection:
        page = await wave_matrix.list_places(connection, wanted, after=after, items_max=limit)
    return List(items=[*page.items], next=page.next)


@post("/migrations", status_code=202, tags=["operators"], summary="Begin a migration")
async def begin_migration(
    errand: NamedDependency[Errand], data: JSONBody[NewMigration]
) -> MigrationDocument:
    """Brings every place to a revision, wave by wave; an older one takes the later ones back.

    A worker goes on with it behind the answer. One migration is open at a time.
    """
    connection = await errand.connection()
    rules = Rules(
        canaries=await _canaries(connection, data.canaries),
        percents=data.percents,
        jobs=data.jobs,
        halt_after=data.halt_after,
        wave_max=data.wave_max,
    )
    begun = await errand.parts.migrating.record(connection, rules, _by(errand), to=data.to)
    return await waves.document(connection, begun)


@post(
    "/migrations/{migration_id:uuid}/pause",
    status_code=200,
    tags=["operators"],
    summary="Pause a migration",
)
async def pause_migration(
    errand: NamedDependency[Errand], migration_id: FromPath[UUID]
) -> MigrationDocument:
    """After the places at which it works now. Paused again, it stays so."""
    connection = await errand.connection()
    return await waves.document(
        connection, await waves.pause(connection, migration_id, _by(errand))
    )


@post(
    "/migrations/{migration_id:uuid}/resume",
    status_code=202,
    tags=["operators"],
    summary="Go on with a migration",
)
async def resume_migration(
    errand: NamedDependency[Errand],
    migration_id: FromPath[UUID],
    data: JSONBody[ChangedRules | None] = None,
) -> MigrationDocument:
    """With one that is paused or halted; what failed is tried again."""
    connection = await errand.connection()
    going = await waves.get(connection, migration_id)
    return await _go_on(errand, going, data or ChangedRules())


@post(
    "/migrations/{migration_id:uuid}/retry",
    status_code=202,
    tags=["operators"],
    summary="Try again where a migration failed",
)
async def retry_migration(
    errand: NamedDependency[Errand], migration_id: FromPath[UUID]
) -> MigrationDocument:
    """By the same rules as before, once it is halted or paused; then it goes on with the rest."""
    connection = await errand.connection()
    going = await waves.get(connection, migration_id)
    shown = await waves.document(connection, going)
    if not any(each.failed for each in shown.waves):
        raise Conflict(f"the migration {migration_id} is {going.state.value}, and nothing failed")
    if going.state is MigrationState.RUNNING:
        raise Conflict(
            f"the migration {migration_id} is at work: pause it, or let it come to its end, "
            "before what failed is tried again",
            retry_after_s=1,
        )
    return await _go_on(errand, going, ChangedRules(wave_max=going.rules.wave_max))


@post(
    "/migrations/{migration_id:uuid}/cancel",
    status_code=200,
    tags=["operators"],
    summary="End a migration where it stands",
)
async def cancel_migration(
    errand: NamedDependency[Errand], migration_id: FromPath[UUID]
) -> MigrationDocument:
    """One that is paused or halted; places keep what they have."""
    connection = await errand.connection()
    return await waves.document(
        connection, await waves.cancel(connection, migration_id, _by(errand))
    )


async def _go_on(errand: Errand, going: Migration, changed: ChangedRules) -> MigrationDocument:
    rules = msgspec.structs.replace(
        going.rules,
        jobs=going.rules.jobs if changed.jobs is None else changed.jobs,
        halt_after=going.rules.halt_after if changed.halt_after is None else changed.halt_after,
        wave_max=changed.wave_max,
    )
    connection = await errand.connection()
    resumed = await waves.resume(connection, going.id, _by(errand), rules=rules)
    return await waves.document(connection, resumed)


async def _canaries(connection: Connection, slugs: Sequence[str]) -> tuple[Place, ...]:
    try:
        return tuple([await waves.place_of(connection, each) for each in slugs])
    except (NotFound, Conflict) as error:
        raise _beside("canaries", error) from error


def _beside(field: str, error: PlatformError) -> Unprocessable:
    return Unprocessable(error.detail, field=field)


async def _document(connection: Connection, migration_id: UUID) -> MigrationDocument:
    return await waves.document(connection, await waves.get(connection, migration_id))


async def _events(errand: Errand, migration_id: UUID) -> AsyncGenerator[ServerSentEventMessage]:
    parts = errand.parts
    s_max = max(parts.request_deadline_s - _MARGIN_S, parts.request_deadline_s / 2)
    async with contextlib.aclosing(parts.wave_watch.follow(migration_id, s_max=s_max)) as following:
        async for document in following:
            if document is None:
                yield ServerSentEventMessage(data=None, comment="nothing new")
            else:
                yield ServerSentEventMessage(event="migration", data=msgspec.json.encode(document))


def _by(errand: Errand) -> By:
    assert errand.reason is not None, "the door lets no change in without a reason"
    return By(actor=errand.actor, reason=errand.reason, request_id=errand.request_id)
