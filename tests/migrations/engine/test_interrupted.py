"""Migrations that are paused, cancelled, or can't reach a database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest_asyncio

from router.catalog import waves
from router.catalog.wave_words import EntryState, MigrationState, Rules
from router.names import quote
from router.words import Tier
from tests.migrations.engine.fleet import Fleet, fleet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    import pytest

    from tests.worlds import Clusters

TIERS = (Tier.SCHEMA, Tier.SCHEMA, Tier.DATABASE)
REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"
ONE_WAVE = Rules(percents=())
#: One row a batch: some seconds, as a fill asks twice a second whether it is paused.
ROWS = 3_000
SLOW = "safe.backfill('artist', 'touched = touched + 1', where='touched < 9', batch_rows_max=1)"
_LIMIT_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Fleet]:
    async with fleet(clusters, tmp_path_factory.mktemp("product"), TIERS) as built:
        yield built


async def allow(made: Fleet, slug: str, *, connections: bool) -> None:
    place = made.slugs[slug]
    async with made.platform.fleet.admin(place.cluster, "postgres") as connection:
        await connection.execute(
            f"ALTER DATABASE {quote(place.database)} ALLOW_CONNECTIONS {connections}"
        )


async def test_a_database_that_can_not_be_reached_is_said_and_the_others_go_on(
    made: Fleet,
) -> None:
    made.write("9001", "ALTER TABLE artist ADD COLUMN touched integer DEFAULT 0 NOT NULL")
    away = made.slugs["tenant-2"]
    await allow(made, "tenant-2", connections=False)
    try:
        document = await made.migrate(ONE_WAVE)
        assert document.state is MigrationState.RUNNING
        (failure,) = document.failures
        assert (failure.database, failure.state) == (away.database, EntryState.PENDING)
        assert "not currently accepting connections" in failure.error
        assert document.done == len(await made.places()) - 1
    finally:
        await allow(made, "tenant-2", connections=True)
    assert (await made.resume()).state is MigrationState.DONE
    assert set((await made.ask_all(REVISION)).values()) == {"9001"}


async def test_a_pause_ends_a_fill_between_two_batches_and_it_goes_on_there(made: Fleet) -> None:
    await made.fill_artists(ROWS, of="tenant-0")
    made.write_code("9002", SLOW)
    begun = await made.begin(ONE_WAVE)
    going = asyncio.create_task(made.go_on(begun.id))
    await until_filling(made, begun.id)
    await made.pause(begun.id)
    assert (await going).state is MigrationState.PAUSED
    assert 0 < await filled(made, begun.id) < ROWS
    assert (await made.resume()).state is MigrationState.DONE
    assert await filled(made, begun.id) == ROWS
    found = await made.ask_artists("SELECT array_agg(DISTINCT touched) FROM artist")
    assert [1] in found.values()
    assert {None if each is None else str(each) for each in found.values()} == {None, "[1]"}


async def filled(made: Fleet, migration_id: UUID) -> int:
    async with made.platform.catalog.connection() as connection:
        return sum(each.rows_filled for each in await waves.entries(connection, migration_id))


async def until_filling(made: Fleet, migration_id: UUID) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while not await filled(made, migration_id):
            await asyncio.sleep(0.01)


async def test_one_stops_after_the_wave_that_was_named_and_can_be_cancelled(made: Fleet) -> None:
    made.write("9003", "ALTER TABLE artist ADD COLUMN later integer")
    async with made.platform.catalog.connection() as connection:
        canary = await waves.place_of(connection, "tenant-1")
    document = await made.migrate(Rules(canaries=(canary,), percents=(), wave_max=1))
    assert (document.state, document.wave) == (MigrationState.PAUSED, 2)
    await made.cancel(document.id)
    assert (await made.document(document.id)).state is MigrationState.CANCELLED
    told = await made.ask_all(REVISION)
    assert [key for key, revision in told.items() if revision == "9003"] == [str(canary)]
    assert (await made.migrate(ONE_WAVE)).state is MigrationState.DONE
    assert set((await made.ask_all(REVISION)).values()) == {"9003"}
