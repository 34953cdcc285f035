"""`stepwell migrate` as people run it: processes of their own, one sentence, an exit status."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio

from router.words import Tier
from tests.cli.worlds import run
from tests.migrations.engine.fleet import Fleet, fleet
from tests.migrations.engine.shop import FOLDER, PRODUCT
from tests.promotion.workers import environment_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.cli.teller import Done
    from tests.worlds import Clusters

TIERS = (Tier.SCHEMA, Tier.SCHEMA, Tier.DATABASE)
REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Fleet]:
    async with fleet(clusters, tmp_path_factory.mktemp("product"), TIERS) as built:
        yield built


async def migrate(made: Fleet, *words: str) -> Done:
    """Run `stepwell migrate …` with the revisions of the test's folder."""
    env = {**environment_of(made.settings), FOLDER: str(made.folder)}
    return await asyncio.to_thread(run, "migrate", *words, env=env)


async def test_a_canary_that_fails_halts_it_and_resume_finishes_what_was_mended(
    made: Fleet,
) -> None:
    made.write("9001", "ALTER TABLE nowhere ADD COLUMN born integer")
    done = await migrate(made, "tenants", "--canary", "tenant-0")
    assert 'relation "nowhere" does not exist' in done.sentence()
    place = made.slugs["tenant-0"]
    assert f"{place.cluster}/{place.database}/{place.schema} failed" in done.sentence()
    assert set((await made.ask_all(REVISION)).values()) == {"0001_e320fb"}
    made.write("9001", "ALTER TABLE artist ADD COLUMN born integer")
    done = await migrate(made, "tenants", "--resume", "--json")
    assert done.document()["state"] == "done"
    assert set((await made.ask_all(REVISION)).values()) == {"9001"}
    assert (await migrate(made, "status", "--json")).document()["failures"] == []


async def test_what_would_hold_customers_up_is_told_before_and_refused(made: Fleet) -> None:
    made.write("9002", "DROP TABLE playlist_track")
    try:
        linted = await migrate(made, "lint", "--product", PRODUCT, "--json")
        assert linted.status == 1
        assert [each["rule"] for each in msgspec.json.decode(linted.out)] == ["drop-table"]
        dry = await migrate(made, "tenants", "--dry-run", "--json")
        assert (dry.status, msgspec.json.decode(dry.out)["behind"]) == (1, len(TIERS) + 1)
        done = await migrate(made, "tenants")
        assert done.sentence().startswith("the revisions can't be run beside customers: ")
    finally:
        made.forget("9002")


async def test_what_was_altered_by_hand_is_told_with_its_repair(made: Fleet) -> None:
    assert (await migrate(made, "status", "--drift")).status == 0
    place = made.slugs["tenant-1"]
    async with made.platform.fleet.admin(place.cluster, place.database) as connection:
        await connection.execute(f'ALTER TABLE "{place.schema}".artist ADD COLUMN mine integer')
    done = await migrate(made, "status", "--drift")
    assert done.status == 1
    assert done.out.count("\n") == 1
    assert f'ALTER TABLE "{place.schema}"."artist" DROP COLUMN "mine"' in done.out
