"""Revisions of many steps, and those in Python: gone on with where they were dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from router.catalog import waves
from router.catalog.wave_words import MigrationState, Rules
from router.words import Tier
from tests.migrations.engine.dying import Grave, graveyard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pytest

    from tests.worlds import Clusters

TIERS = (Tier.ROWS, Tier.ROWS, Tier.SCHEMA, Tier.DATABASE)
ARTISTS = 15
ONE_WAVE = Rules(percents=(), jobs=1)
REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"
#: Every row is told apart from one that was filled twice.
COUNTED = """
    safe.backfill('artist', 'touched = touched + 1', where='touched < 1000', batch_rows_max=10)
"""
SAFE = """
    safe.add_not_null('artist', 'born', fill="length(name)")
    safe.create_index_concurrently('artist_by_born', 'artist', ['born'])
"""
ONLINE = """
    rows = 0
    if not op.get_context().as_sql:
        rows = op.get_bind().execute(sa.text("SELECT count(*) FROM genre")).scalar_one()
    op.add_column('artist', sa.Column('kinds', sa.Integer, server_default=str(rows)))
"""
#: Long enough that each of two clusters has begun before the other goes on.
ABREAST = """
    if not op.get_context().as_sql:
        home = op.get_bind().execute(sa.text("SELECT current_schema, pg_sleep(1)")).first()[0]
    else:
        home = "nowhere"
    op.add_column('artist', sa.Column('home', sa.Text, server_default=home))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def grave(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Grave]:
    async with graveyard(clusters, tmp_path_factory.mktemp("fleet"), TIERS) as made:
        await made.made.fill_artists(ARTISTS)
        yield made


async def test_rows_are_filled_once_whoever_is_killed(grave: Grave) -> None:
    made = grave.made
    made.write("9001", "ALTER TABLE artist ADD COLUMN touched integer DEFAULT 0 NOT NULL")
    made.write_code("9002", COUNTED.strip())
    begun = await made.begin(ONE_WAVE)
    await grave.die_everywhere(begun.id, "migrate.batch")
    # A full batch and a last one of each tenant; two clusters are worked at abreast.
    assert len(grave.deaths) >= 2 * (len(TIERS) - 1)
    assert (await made.document(begun.id)).state is MigrationState.DONE
    found = await made.ask_artists("SELECT array_agg(DISTINCT touched) FROM artist")
    assert [*found.values()] == [[1]] * 3
    async with made.platform.catalog.connection() as connection:
        lines = await waves.entries(connection, begun.id)
    filled = {each.rows_filled for each in lines if each.revision == "9002"}
    assert filled == {ARTISTS, 2 * ARTISTS}
    assert (await made.document(begun.id)).rows_filled == ARTISTS * len(TIERS)


async def test_steps_that_ran_are_not_run_again(grave: Grave) -> None:
    made = grave.made
    made.write("9003", "ALTER TABLE artist ADD COLUMN born integer")
    made.write_code("9004", SAFE.strip())
    begun = await made.begin(ONE_WAVE)
    for point in ("migrate.step",) * 6 + ("migrate.applied",):
        await grave.die_at(begun.id, point)
    await grave.go_on(begun.id)
    assert (await made.document(begun.id)).state is MigrationState.DONE
    assert len(set((await made.shapes()).values())) == 1
    found = await made.ask_artists("SELECT bool_and(born = length(name)) FROM artist")
    assert set(found.values()) == {True}


async def test_a_revision_in_python_asks_each_place(grave: Grave) -> None:
    made = grave.made
    made.write_code("9005", ONLINE.strip(), ahead="online = True")
    begun = await made.begin(ONE_WAVE)
    await grave.die_at(begun.id, "migrate.step")
    await grave.go_on(begun.id)
    document = await made.document(begun.id)
    assert (document.state, document.failures) == (MigrationState.DONE, ())
    assert set((await made.ask_all(REVISION)).values()) == {"9005"}
    assert len(set((await made.shapes()).values())) == 1


async def test_places_that_are_worked_at_abreast_run_their_own_python(grave: Grave) -> None:
    made = grave.made
    made.write_code("9006", ABREAST.strip(), ahead="online = True")
    assert (await made.migrate(ONE_WAVE)).state is MigrationState.DONE
    found = await made.ask_artists("SELECT string_agg(DISTINCT home, ' ') FROM artist")
    homes = {place.schema for place in await made.places()}
    assert set(found.values()) == homes
