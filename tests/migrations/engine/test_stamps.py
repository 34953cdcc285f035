"""A database of one tenant says in its comment what it has, so that nobody needs to connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from router.catalog.wave_words import MigrationState, Rules
from router.names import quote
from router.stamps import read_stamps, stamp
from router.words import Tier
from tests.migrations.engine.fleet import Fleet, fleet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pytest

    from tests.worlds import Clusters

TIERS = (Tier.SCHEMA, Tier.DATABASE, Tier.DATABASE)
REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"
ONE_WAVE = Rules(percents=())
THEIRS = "whom to call at night"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Fleet]:
    async with fleet(clusters, tmp_path_factory.mktemp("product"), TIERS) as built:
        yield built


async def comments(made: Fleet) -> dict[str, str]:
    places = [place for place in await made.places() if place.tier is Tier.DATABASE]
    async with made.platform.fleet.admin(places[0].cluster, "postgres") as connection:
        return await read_stamps(connection, [place.database for place in places])


async def allow(made: Fleet, database: str, *, connections: bool) -> None:
    cluster = made.slugs["tenant-1"].cluster
    async with made.platform.fleet.admin(cluster, "postgres") as connection:
        await connection.execute(
            f"ALTER DATABASE {quote(database)} ALLOW_CONNECTIONS {connections}"
        )


async def test_who_was_born_whole_says_so(made: Fleet) -> None:
    born = await comments(made)
    assert len(born) == 2
    assert len(set(born.values())) == 1


async def test_nobody_connects_to_a_database_that_lacks_nothing(made: Fleet) -> None:
    born = await comments(made)
    made.write("9001", "ALTER TABLE artist ADD COLUMN born integer")
    assert (await made.migrate(ONE_WAVE)).state is MigrationState.DONE
    stamped = await comments(made)
    assert set(stamped.values()).isdisjoint(born.values())
    away = max(stamped)
    await allow(made, away, connections=False)
    try:
        document = await made.migrate(ONE_WAVE)
    finally:
        await allow(made, away, connections=True)
    assert (document.state, document.places) == (MigrationState.DONE, 0)


async def test_a_half_done_revision_takes_the_stamp_away_and_a_rollback_brings_it_back(
    made: Fleet,
) -> None:
    whole = await comments(made)
    place = made.slugs["tenant-1"]
    async with made.platform.fleet.admin(place.cluster, place.database) as connection:
        changing = connection.transaction()
        await changing.start()
        await connection.execute("UPDATE gate.applied SET is_whole = false WHERE revision = '9001'")
        await stamp(connection)
        assert await read_stamps(connection, [place.database]) == {}
        await changing.rollback()
    assert await comments(made) == whole


async def test_a_comment_of_somebody_else_stays_and_the_place_is_asked(made: Fleet) -> None:
    place = made.slugs["tenant-2"]
    async with made.platform.fleet.admin(place.cluster, place.database) as connection:
        await connection.execute(f"COMMENT ON DATABASE {quote(place.database)} IS '{THEIRS}'")
    made.write("9002", "ALTER TABLE artist ADD COLUMN died integer")
    assert (await made.migrate(ONE_WAVE)).state is MigrationState.DONE
    assert set((await made.ask_all(REVISION)).values()) == {"9002"}
    assert (await comments(made))[place.database] == THEIRS
    assert (await made.migrate(ONE_WAVE)).state is MigrationState.DONE


async def test_what_was_taken_back_is_stamped_as_it_is(made: Fleet) -> None:
    before = (await comments(made))[made.slugs["tenant-1"].database]
    made.write("9003", "SELECT 1")
    assert (await made.migrate(ONE_WAVE)).state is MigrationState.DONE
    assert (await made.migrate(ONE_WAVE, to="9002")).state is MigrationState.DONE
    assert (await comments(made))[made.slugs["tenant-1"].database] == before
