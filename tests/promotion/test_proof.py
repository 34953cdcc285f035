"""A proof finds whatever isn't the same, and names the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promotion import proof
from promotion.proof import ROWS_A_LOOK, Difference
from router.words import Digest, Tier
from tests.promotion.scenes import Scene, odd_world, scene, viewed, written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters, World


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with odd_world(clusters, tmp_path_factory.mktemp("odd")) as built:
        yield built


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def copied(odd: World) -> AsyncGenerator[Scene]:
    """A copy of a thousand rows a table, with its keys: each test puts right what it spoils."""
    async with scene(odd, Tier.SCHEMA, Tier.DATABASE, rows=1_000) as made:
        await made.land()
        await made.copy()
        await made.build()
        yield made


async def difference(made: Scene, table: str) -> Difference | None:
    async with viewed(made.source) as here, viewed(made.target) as there:
        return await proof.find_difference(here, there, made.shape.table(table))


async def spoil(made: Scene, statement: str) -> None:
    async with written(made.target) as connection:
        await connection.execute(statement)


async def test_equal_ends_have_no_difference(copied: Scene) -> None:
    assert await copied.differing() == []
    assert await difference(copied, "word") is None


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("word", "UPDATE word SET blob = NULL WHERE blob = ''"),
        ("word", "UPDATE word SET blob = '' WHERE blob IS NULL"),
        ("word", "UPDATE word SET moods = ARRAY['GOOD', 'BAD']::mood[] WHERE moods = '{}'"),
        ("word", "UPDATE word SET document = document - 'none' WHERE document ? 'none'"),
        ("reading", "UPDATE reading SET value = NULL WHERE value = 'NaN'"),
        ("reading", "UPDATE reading SET value = value + 1e-12 WHERE value BETWEEN 1 AND 2"),
        ("reading", "UPDATE reading SET share = round(share, 2) WHERE share = 0"),
        ("reading", 'UPDATE reading SET "At ""it""" = "At ""it""" - interval \'1us\''),
        ("node", "UPDATE node SET parent_id = 1 WHERE node_id = 500"),
        ("node", "UPDATE node SET label = label || ' ' WHERE node_id = 500"),
        ("part", "DELETE FROM part WHERE part_id = 499"),
        ("part", "INSERT INTO part (part_id, node_id) VALUES (2000, 1)"),
        ("pointer", "UPDATE pointer SET relation = 'pg_type'::regclass WHERE pointer_id = 4"),
    ],
)
async def test_a_proof_finds_what_was_planted(copied: Scene, table: str, change: str) -> None:
    async with viewed(copied.source) as here, viewed(copied.target) as there:
        # Taken back with the transaction that looks at it.
        status = await there.connection.execute(f"ALTER TABLE part DISABLE TRIGGER USER; {change}")
        assert int(status.rpartition(" ")[2]) > 0
        differing = proof.compare(*await proof.digests(here, there, copied.shape))
        assert differing == [table]
        found = await proof.find_difference(here, there, copied.shape.table(table))
        assert found is not None
        assert found.missing or found.surplus or found.unequal
        await there.connection.execute("ROLLBACK; BEGIN")


async def test_the_rows_that_differ_are_named(copied: Scene) -> None:
    await spoil(copied, "UPDATE node SET label = 'other' WHERE node_id IN (700, 710)")
    found = await difference(copied, "node")
    assert found is not None
    assert (found.missing, found.surplus, found.unequal) == ((), (), (("700",), ("710",)))
    assert found.after is not None
    assert found.upto is not None
    assert int(found.after[0]) < 700
    assert int(found.upto[0]) >= 710
    assert int(found.upto[0]) - int(found.after[0]) <= ROWS_A_LOOK
    assert str(found).startswith("table node: 0 rows are missing in the target, 0 are too many, 2 ")
    await spoil(copied, "UPDATE node SET label = 'label ' || node_id WHERE node_id IN (700, 710)")
    assert await copied.differing() == []


async def test_a_lost_and_a_surplus_row_are_told_apart(copied: Scene) -> None:
    await spoil(copied, "UPDATE part SET part_id = 3000 WHERE part_id = 996")
    found = await difference(copied, "part")
    assert found is not None
    assert (found.missing, found.surplus, found.unequal) == ((("996",),), (("3000",),), ())
    assert found.upto is None, "behind the source's last row, too"
    await spoil(copied, "UPDATE part SET part_id = 996 WHERE part_id = 3000")


async def test_a_target_with_far_more_rows_is_searched_as_well(copied: Scene) -> None:
    await spoil(
        copied,
        "INSERT INTO part (part_id, node_id) SELECT n, 1 FROM generate_series(5000, 7999) AS n",
    )
    found = await difference(copied, "part")
    assert found is not None
    assert found.surplus[0] == ("5000",)
    assert len(found.surplus) <= ROWS_A_LOOK
    await spoil(copied, "DELETE FROM part WHERE part_id >= 5000")
    assert await difference(copied, "part") is None


@given(spoiled=st.sets(st.integers(1, 1_000), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_the_first_rows_that_differ_are_found_wherever_they_are(
    copied: Scene, spoiled: set[int]
) -> None:
    async with viewed(copied.source) as here, viewed(copied.target) as there:
        await there.connection.execute(
            "UPDATE node SET position = -position WHERE node_id = ANY($1)", list(spoiled)
        )
        found = await proof.find_difference(here, there, copied.shape.table("node"))
        assert found is not None
        assert found.unequal[0] == (str(min(spoiled)),)
        await there.connection.execute("ROLLBACK; BEGIN")


def test_a_table_that_only_one_end_has_differs() -> None:
    here = [Digest(table="a", rows=0, digest="0"), Digest(table="b", rows=1, digest="7")]
    there = [Digest(table="b", rows=1, digest="7"), Digest(table="c", rows=0, digest="0")]
    assert proof.compare(here, there) == ["a", "c"]
    assert proof.compare(here, here) == []
