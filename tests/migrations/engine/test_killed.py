"""A runner is killed at every place of a fleet, and each revision runs once everywhere."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest_asyncio

from router.catalog.wave_words import MigrationState, Rules
from router.words import Tier
from tests.migrations.engine.dying import Grave, graveyard
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pytest

    from tests.worlds import Clusters

ONE_WAVE = Rules(percents=(), jobs=1)
WHOLE = "SELECT count(*) FROM gate.applied WHERE schema_name = $1 AND is_whole"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def grave(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Grave]:
    tiers = (Tier.SCHEMA,) * scaled(20) + (Tier.DATABASE,) * scaled(4)
    async with graveyard(clusters, tmp_path_factory.mktemp("fleet"), tiers) as made:
        yield made


async def test_killed_at_every_place_each_revision_runs_once_everywhere(grave: Grave) -> None:
    made = grave.made
    made.write("9001", "ALTER TABLE artist ADD COLUMN born integer")
    made.write(
        "9002",
        "CREATE TABLE band (tenant_id uuid DEFAULT gate.claimed() NOT NULL,"
        " band_id integer NOT NULL, PRIMARY KEY (tenant_id, band_id))",
    )
    begun = await made.begin(ONE_WAVE)
    await grave.die_everywhere(begun.id, "migrate.applied")
    # No runner outlived its first place on a cluster, and two clusters are worked at abreast.
    clusters = Counter(place.cluster for place in await made.places())
    assert len(grave.deaths) >= max(clusters.values())
    assert (await made.document(begun.id)).state is MigrationState.DONE
    assert set((await made.ask_all(WHOLE)).values()) == {3}
    assert len(set((await made.shapes()).values())) == 1


async def test_killed_before_the_commit_nothing_of_it_is_left(grave: Grave) -> None:
    made = grave.made
    made.write("9003", "ALTER TABLE artist ADD COLUMN died integer")
    before = await made.shapes()
    begun = await made.begin(ONE_WAVE)
    for point in ("migrate.marked", "migrate.changed"):
        await grave.die_at(begun.id, point)
    assert await made.shapes() == before
    await grave.go_on(begun.id)
    assert set((await made.ask_all(WHOLE)).values()) == {4}
    assert len(set((await made.shapes()).values())) == 1
