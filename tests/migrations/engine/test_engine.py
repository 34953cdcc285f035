"""Revisions reach every place once, in waves; what fails stops where it failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from router.catalog import waves
from router.catalog.wave_words import EntryState, MigrationState, Rules
from router.connect import connect
from router.errors import ProductRefused, Unprocessable
from tests.migrations.engine.fleet import Fleet, fleet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from router.catalog.wave_words import MigrationDocument
    from tests.worlds import Clusters

REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"
TIMES = "SELECT count(*) FROM gate.applied WHERE schema_name = $1 AND is_whole"
COLUMNS = (
    "SELECT count(*) FROM information_schema.columns"
    " WHERE table_schema = $1 AND table_name = 'artist'"
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Fleet]:
    async with fleet(clusters, tmp_path_factory.mktemp("product")) as built:
        yield built


async def test_a_revision_reaches_every_place(made: Fleet) -> None:
    made.write("9001", "ALTER TABLE artist ADD COLUMN born integer")
    before = await made.ask_all(COLUMNS)
    document = await made.migrate()
    assert (document.state, document.error) == (MigrationState.DONE, None)
    assert set((await made.ask_all(REVISION)).values()) == {"9001"}
    assert await made.ask_all(COLUMNS) == {key: int(str(n)) + 1 for key, n in before.items()}
    assert set((await made.ask_all(TIMES)).values()) == {2}
    assert document.done == len(await made.places()) == document.places


async def test_a_migration_with_nothing_to_do_ends_at_once(made: Fleet) -> None:
    document = await made.migrate()
    assert (document.state, document.places) == (MigrationState.DONE, 0)


async def test_a_canary_that_fails_halts_it_and_a_fix_goes_on(made: Fleet) -> None:
    gone = "ALTER TABLE artist ADD COLUMN gone integer"
    made.write("9002", f"{gone}; ALTER TABLE nowhere ADD COLUMN gone integer")
    async with made.platform.catalog.connection() as connection:
        canary = await waves.place_of(connection, "tenant-0")
    document = await made.migrate(Rules(canaries=(canary,)))
    assert document.state is MigrationState.HALTED
    (failure,) = document.failures
    assert (failure.schema, failure.state) == (canary.schema, EntryState.FAILED)
    assert "nowhere" in failure.error
    assert set((await made.ask_all(REVISION)).values()) == {"9001"}
    made.write("9002", "ALTER TABLE artist ADD COLUMN here integer")
    assert (await made.resume()).state is MigrationState.DONE
    assert set((await made.ask_all(REVISION)).values()) == {"9002"}


async def test_whoever_holds_a_table_delays_its_own_place_alone(made: Fleet) -> None:
    made.write("9003", "ALTER TABLE artist ADD COLUMN held integer")
    held = made.slugs["tenant-1"]
    address = made.platform.fleet.admin_address(held.cluster, held.database)
    async with made.platform.catalog.connection() as connection:
        place = await waves.place_of(connection, "tenant-1")
    holder = await connect(address, purpose="holder")
    try:
        await holder.execute(f'BEGIN; LOCK TABLE "{held.schema}".artist IN ACCESS SHARE MODE')
        running = made.migrate(Rules(percents=(), halt_after=10))
        document = await _until_others_are_done(made, running, place.schema, holder.terminate)
    finally:
        holder.terminate()
    assert document.state is MigrationState.DONE, document.error
    assert set((await made.ask_all(REVISION)).values()) == {"9003"}


async def _until_others_are_done(
    made: Fleet,
    running: Coroutine[None, None, MigrationDocument],
    schema: str,
    let_go: Callable[[], None],
) -> MigrationDocument:
    task = asyncio.create_task(running)
    async with asyncio.timeout(60):
        while True:
            told = await made.ask_all(REVISION)
            behind = [key for key, revision in told.items() if revision != "9003"]
            if len(behind) == 1:
                break
            await asyncio.sleep(0.1)
    assert behind[0].endswith(schema)
    assert not task.done()
    let_go()
    return await task


async def test_a_migration_is_taken_back(made: Fleet) -> None:
    made.write(
        "9004",
        "ALTER TABLE artist ADD COLUMN back integer",
        "ALTER TABLE artist DROP COLUMN back",
    )
    before = await made.ask_all(COLUMNS)
    assert (await made.migrate()).state is MigrationState.DONE
    assert (await made.migrate(to="9003")).state is MigrationState.DONE
    assert set((await made.ask_all(REVISION)).values()) == {"9003"}
    assert await made.ask_all(COLUMNS) == before


async def test_what_was_taken_back_everywhere_may_be_edited(made: Fleet) -> None:
    made.write("9004", "ALTER TABLE artist ADD COLUMN forth integer")
    assert (await made.migrate()).state is MigrationState.DONE


async def test_a_revision_that_was_edited_after_it_ran_is_refused_by_name(made: Fleet) -> None:
    made.write("9004", "ALTER TABLE artist ADD COLUMN fifth integer")
    with pytest.raises(Unprocessable, match=r"^9004 was edited after it ran"):
        await made.begin()
    made.write("9004", "ALTER TABLE artist ADD COLUMN forth integer")


async def test_a_revision_that_would_hold_customers_up_is_refused(made: Fleet) -> None:
    made.write("9005", "CREATE INDEX artist_by_held ON artist (tenant_id, held)")
    with pytest.raises(Unprocessable, match=r"revision 9005: CREATE INDEX .*concurrently"):
        await made.begin()
    async with made.platform.catalog.connection() as connection:
        assert await waves.find_open(connection) is None
    made.forget("9005")


async def test_two_heads_are_said_in_one_sentence(made: Fleet) -> None:
    made.write("9005", "SELECT 1")
    made.folder.joinpath("9006.py").write_text(
        made.folder.joinpath("9005.py").read_text().replace("9005", "9006")
    )
    with pytest.raises(ProductRefused, match="has 2 head revisions"):
        await made.begin()
    made.forget("9005")
    made.forget("9006")
