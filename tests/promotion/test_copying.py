"""The copy brings every row, whatever its key and its types, and goes on where it was stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from promotion import copying
from promotion.copying import find_key, spell_find_key, within
from router.catalog.operations import Superseded
from router.connect import Connection
from router.errors import DatabaseUnreachable
from router.words import Tier
from tests.promotion.scenes import Scene, fill, odd_world, scene, viewed, written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from promotion.copying import Chunk
    from tests.worlds import Clusters, World

PAIRS = pytest.mark.parametrize(
    ("source", "target"),
    [(source, target) for source in Tier for target in Tier],
    ids=lambda tier: tier.value,
)
MOVERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stepwell move ' || $1::text"
IN_TRANSACTION = MOVERS + " AND xact_start IS NOT NULL"
END_MOVERS = f"SELECT pg_terminate_backend(pid) FROM ({MOVERS}) AS mover"  # noqa: S608 - both are constants


class Stop(Exception):
    """What a test stops a copy with."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with odd_world(clusters, tmp_path_factory.mktemp("odd")) as built:
        yield built


async def copy_until(made: Scene, chunks_max: int) -> list[Chunk]:
    """Copy so many chunks, then be stopped."""
    chunks: list[Chunk] = []

    async def count(chunk: Chunk) -> None:
        chunks.append(chunk)
        if len(chunks) == chunks_max:
            raise Stop

    with pytest.raises(Stop):
        await copying.copy(made.source, made.target, made.shape, made.mover, after_chunk=count)
    return chunks


async def count_rows(made: Scene) -> dict[str, int]:
    async with viewed(made.target) as view:
        return {
            table.name: await view.connection.fetchval(
                f"SELECT count(*) FROM {made.target.place(table.name)}"  # noqa: S608 - a quoted name
            )
            for table in made.shape.tables
        }


async def movers(made: Scene, statement: str = MOVERS) -> int:
    async with made.world.admin() as connection:
        return len(await connection.fetch(statement, str(made.mover.move_id)))


@PAIRS
async def test_every_row_arrives_as_it_was(odd: World, source: Tier, target: Tier) -> None:
    async with scene(odd, source, target, rows=60) as made:
        await made.land()
        chunks = await made.copy()
        assert await made.differing() == []
        assert {chunk.table: chunk.rows for chunk in chunks} == await count_rows(made)
        assert sum(chunk.rows for chunk in chunks) > 4 * 60


async def test_an_empty_tenant_is_copied_too(odd: World) -> None:
    async with scene(odd, rows=0) as made:
        await made.land()
        assert sum(chunk.rows for chunk in await made.copy()) == 0
        assert await made.differing() == []


async def test_rows_of_many_chunks_arrive_once_each(odd: World) -> None:
    async with scene(odd, rows=9_001) as made:
        await made.land()
        chunks = await made.copy()
        assert await made.differing() == []
    for table in ("word", "reading", "node", "part"):
        sizes = [chunk.rows for chunk in chunks if chunk.table == table]
        assert sizes == [500, 8_000, 501], table


async def test_large_values_make_chunks_short(odd: World) -> None:
    async with scene(odd, rows=0) as made:
        async with written(made.source) as connection:
            await connection.execute(
                "INSERT INTO word (word, document) SELECT 'w' || n,"
                " jsonb_build_object('n', repeat(md5(n::text), 2000))"
                " FROM generate_series(1, 700) AS n"
            )
        await made.land()
        sizes = [chunk.rows for chunk in await made.copy() if chunk.table == "word"]
        assert await made.differing() == []
    assert sizes[0] == 500
    assert max(sizes[1:]) < 150
    assert sum(sizes) == 700


async def test_another_tenant_s_rows_stay_where_they_are(odd: World) -> None:
    async with scene(odd, rows=20) as other, scene(odd, rows=10) as made:
        await made.land()
        await made.copy()
        assert (await count_rows(made))["node"] == 10
        async with viewed(other.source) as view:
            assert await view.connection.fetchval("SELECT count(*) FROM node") == 20


async def test_a_stopped_copy_goes_on_behind_the_last_chunk(odd: World) -> None:
    async with scene(odd, rows=3_000) as made:
        await made.land()
        first = await copy_until(made, 5)
        second = await copy_until(made, 1)
        rest = await made.copy()
        assert await made.differing() == []
        assert sum(chunk.rows for chunk in first + second + rest) == 4 * 3_000 + 10
        assert await made.copy() == []
        assert await movers(made) == 0


async def test_rows_that_come_behind_the_last_chunk_are_brought_along(odd: World) -> None:
    async with scene(odd, Tier.SCHEMA, Tier.DATABASE, rows=1_200) as made:
        await made.land()
        # The tables without children come first: node was begun, and isn't done.
        await copy_until(made, 3)
        async with written(made.source) as connection:
            await connection.execute("INSERT INTO part (part_id, node_id) VALUES (5000, 1)")
        await made.copy()
        assert await made.differing() == []


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_copy_whose_server_drops_it_says_so_and_goes_on_later(
    odd: World, side: str
) -> None:
    async with scene(odd, Tier.ROWS, Tier.DATABASE, rows=3_000) as made:
        await made.land()
        end = made.source if side == "source" else made.target

        async def cut(_: Chunk) -> None:
            async with odd.admin(end.placement) as connection:
                await connection.execute(END_MOVERS, str(made.mover.move_id))

        with pytest.raises(DatabaseUnreachable, match=end.placement.database):
            await copying.copy(made.source, made.target, made.shape, made.mover, after_chunk=cut)
        await made.copy()
        assert await made.differing() == []


async def test_a_mover_that_was_succeeded_writes_nothing_more(odd: World) -> None:
    async with scene(odd, rows=2_000) as made:
        await made.land()

        async def succeed(_: Chunk) -> None:
            async with odd.admin() as connection:
                await connection.execute(
                    "UPDATE gate.move SET token = 2 WHERE move_id = $1", made.mover.move_id
                )

        with pytest.raises(Superseded):
            await copying.copy(
                made.source, made.target, made.shape, made.mover, after_chunk=succeed
            )
        counts = await count_rows(made)
        assert {name for name, rows in counts.items() if rows} == {made.shape.tables[0].name}
        with pytest.raises(Superseded):
            await made.copy()
        assert await movers(made) == 0


async def test_whoever_cancels_a_copy_is_rid_of_it(odd: World) -> None:
    async with scene(odd, rows=2_000) as made:
        await made.land()
        reached = asyncio.Event()

        async def wait(_: Chunk) -> None:
            reached.set()
            await asyncio.sleep(60)

        copy = asyncio.create_task(
            copying.copy(made.source, made.target, made.shape, made.mover, after_chunk=wait)
        )
        await reached.wait()
        copy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copy
        assert await movers(made) == 0
        await made.copy()
        assert await made.differing() == []


async def test_a_copy_that_is_slowed_down_holds_no_transaction(odd: World) -> None:
    async with scene(odd, rows=2_000) as made:
        await made.land()
        open_ones: list[int] = []

        async def look(_: Chunk) -> None:
            await asyncio.sleep(0.05)
            open_ones.append(await movers(made, IN_TRANSACTION))

        await copying.copy(made.source, made.target, made.shape, made.mover, after_chunk=look)
        assert len(open_ones) > 5
        assert set(open_ones) == {0}


async def test_a_chunk_is_found_by_the_key_s_index_alone(odd: World) -> None:
    """Otherwise each chunk would read the whole table again: here with row security in the way."""
    async with scene(odd, Tier.ROWS, rows=20_000) as made:
        async with odd.admin() as connection:
            await connection.execute("VACUUM ANALYZE shared.word, shared.reading, shared.node")
        async with viewed(made.source) as view:
            for name in ("word", "reading", "node"):
                table = made.shape.table(name)
                where = within(made.source, table)
                middle = await find_key(
                    view.connection, made.source, table, where=where, skipped=15_000
                )
                assert middle is not None
                where = within(made.source, table, after=middle)
                plan = await explain(
                    view.connection, spell_find_key(made.source, table, where=where, skipped=100)
                )
                condition = next(line for line in plan if "Index Cond" in line)
                assert ">" in condition, plan
                assert not any("Sort" in line for line in plan), plan


async def explain(connection: Connection, statement: str) -> list[str]:
    return [row[0] for row in await connection.fetch(f"EXPLAIN {statement}")]


async def test_a_copy_in_the_midst_of_writes_breaks_off_nothing(odd: World) -> None:
    async with scene(odd, rows=3_000) as made:
        await made.land()

        async def write(chunk: Chunk) -> None:
            async with written(made.source) as connection:
                await connection.execute(
                    "DELETE FROM part WHERE part_id % 5 = $1", chunk.rows % 3 + 1
                )
                await connection.execute("UPDATE node SET label = label || '.' WHERE node_id < 40")

        await copying.copy(made.source, made.target, made.shape, made.mover, after_chunk=write)
        counts = await count_rows(made)
        assert counts["word"] == counts["reading"] == counts["node"] == 3_000


async def test_what_two_tenants_have_alike_is_kept_apart(odd: World) -> None:
    async with scene(odd, rows=30) as made:
        tenant = await odd.tenant(Tier.ROWS)
        assert tenant.placement is not None
        await fill(type(made.source)(
            fleet=odd.fleet, tenant_id=tenant.id, placement=tenant.placement
        ), 30)  # fmt: skip
        await made.land()
        await made.copy()
        assert await made.differing() == []
