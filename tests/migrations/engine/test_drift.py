"""A place that somebody altered by hand is named table by table; the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from deploy import surveying
from migrations.waves.drift import compare
from router.catalog.wave_words import MigrationState, Rules
from tests.migrations.engine.fleet import Fleet, fleet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pytest

    from tests.worlds import Clusters

REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"
ONE_WAVE = Rules(percents=())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Fleet]:
    async with fleet(clusters, tmp_path_factory.mktemp("product")) as built:
        yield built


async def test_places_that_nobody_touched_are_as_their_revision_makes_them(made: Fleet) -> None:
    report = await surveying.find_drift(made.platform)
    assert (report.drift, report.unknown) == ((), {})
    assert report.compared == len(await made.places())


async def test_a_dry_run_says_what_would_run_where_and_runs_nothing(made: Fleet) -> None:
    made.write("9001", "ALTER TABLE artist ADD COLUMN born integer")
    before = await made.ask_all(REVISION)
    told = await surveying.rehearse(made.platform, Rules(percents=(50,)))
    assert (told.behind, told.refused, told.target) == (len(before), None, "9001")
    assert sum(told.waves) == len(before)
    assert {each.revisions for each in told.planned} == {("9001",)}
    assert await made.ask_all(REVISION) == before
    made.write("9001", "DROP TABLE playlist_track")
    told = await surveying.rehearse(made.platform, Rules())
    assert told.refused is not None
    assert "9001: DROP TABLE playlist_track" in told.refused
    made.forget("9001")


async def test_a_place_that_was_altered_by_hand_waits_and_the_others_go_on(made: Fleet) -> None:
    altered = made.slugs["tenant-0"]
    async with made.platform.fleet.admin(altered.cluster, altered.database) as connection:
        await connection.execute(f'SET search_path = "{altered.schema}"')
        await connection.execute("ALTER TABLE artist ADD COLUMN mine integer")
        await connection.execute("ALTER TABLE album DROP COLUMN title")
    report = await surveying.find_drift(made.platform)
    assert {(each.schema, each.table, each.name) for each in report.drift} == {
        (altered.schema, "artist", "mine"),
        (altered.schema, "album", "title"),
    }
    made.write("9001", "ALTER TABLE artist ADD COLUMN born integer")
    document = await made.migrate(ONE_WAVE)
    assert document.state is MigrationState.RUNNING
    (failure,) = document.failures
    assert failure.schema == altered.schema
    assert "table album: column title is missing (ALTER TABLE" in failure.error
    told = await made.ask_all(REVISION)
    behind = [place for place, revision in told.items() if revision != "9001"]
    assert [place.rpartition("/")[2] for place in behind] == [altered.schema]
    async with made.platform.fleet.admin(altered.cluster, altered.database) as connection:
        await connection.execute(f'SET search_path = "{altered.schema}"')
        for each in report.drift:
            await connection.execute(each.repair.partition(", ")[0])
    assert (await made.resume()).state is MigrationState.DONE
    assert (await surveying.find_drift(made.platform)).drift == ()


async def test_what_a_rule_or_a_default_says_is_compared_when_it_is_asked_for(made: Fleet) -> None:
    altered = made.slugs["tenant-1"]
    async with made.platform.fleet.admin(altered.cluster, altered.database) as connection:
        await connection.execute(f'SET search_path = "{altered.schema}"')
        await connection.execute("ALTER TABLE artist ALTER COLUMN name SET DEFAULT 'nobody'")
        (difference,) = (await surveying.find_drift(made.platform)).drift
        await connection.execute("ALTER TABLE artist ALTER COLUMN name DROP DEFAULT")
    assert (difference.table, difference.name) == ("artist", "name")
    assert "DEFAULT 'nobody'" in str(difference.found)


def test_of_a_table_that_is_gone_only_that_is_said() -> None:
    wanted = {("a", "table", "a"): "", ("a", "column", "x"): "integer"}
    (difference,) = compare(wanted, {}, schema="s")
    assert (difference.kind, difference.found) == ("table", None)
    assert str(difference).startswith("table a: table is missing (make it as the revision does")


def test_what_is_too_much_or_different_is_told_with_its_repair() -> None:
    wanted = {("a", "index", "i"): "CREATE INDEX i ON a (x)", ("a", "column", "x"): "integer"}
    found = {("a", "constraint", "c"): "CHECK (x > 0)", ("a", "column", "x"): "text"}
    column, rule, index = compare(wanted, found, schema="s")
    assert "column x is text and should be integer" in str(column)
    assert rule.repair == 'ALTER TABLE "s"."a" DROP CONSTRAINT "c"'
    assert index.repair == 'SET search_path = "s"; CREATE INDEX i ON a (x)'
