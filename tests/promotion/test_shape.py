"""The shape is what the stored form says, and a fingerprint tells when a database says else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from promotion.shape import Reference, ShapeDiffers, fingerprint, shape_of
from router.names import quote
from router.words import Tier
from tests.promotion.scenes import BOUNDS, Scene, odd_world, scene, written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters, World


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with odd_world(clusters, tmp_path_factory.mktemp("odd")) as built:
        yield built


async def fingerprint_of(made: Scene) -> str:
    async with made.source.connection() as connection:
        outside = await fingerprint(connection, made.source.schema, made.shape)
        async with made.source.transaction(connection, bounds=BOUNDS):
            inside = await fingerprint(connection, made.source.schema, made.shape)
    assert inside == outside
    return outside


def test_parents_stand_before_children(odd: World) -> None:
    shape = shape_of(odd.loaded.stored)
    names = [table.name for table in shape.tables]
    assert names.index("node") < names.index("part")
    assert "stepwell_answer" in names
    assert "country" not in names


def test_the_tenant_stands_in_no_key_column_or_reference(odd: World) -> None:
    for table in shape_of(odd.loaded.stored).tables:
        said = {*table.key, *(column.name for column in table.columns)}
        said.update(*table.uniques, *(each.columns for each in table.references))
        assert "tenant_id" not in said


def test_a_table_tells_its_key_rules_and_references(odd: World) -> None:
    shape = shape_of(odd.loaded.stored)
    node = shape.table("node")
    assert node.uniques == (("label",), ("parent_id", "position"))
    assert node.references == (
        Reference(
            table="node", columns=("parent_id",), to_columns=("node_id",), on_delete="SET NULL"
        ),
        Reference(
            table="part", columns=("head_id",), to_columns=("part_id",), on_delete="NO ACTION"
        ),
    )
    assert shape.table("reading").key == ("sensor", 'At "it"', "share")
    assert [each.name for each in shape.table("word").columns if each.is_generated] == ["size"]
    assert "size" not in shape.table("word").names


async def test_one_revision_has_one_fingerprint_in_every_tier(odd: World) -> None:
    seen: set[str] = set()
    for tier in Tier:
        async with scene(odd, tier, rows=0) as made:
            seen.add(await fingerprint_of(made))
    assert len(seen) == 1


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {}.node ALTER COLUMN label TYPE varchar(80)",
        "ALTER TABLE {}.node ALTER COLUMN label DROP NOT NULL",
        "ALTER TABLE {}.node ADD CHECK (label <> '')",
        "ALTER TABLE {}.part DROP CONSTRAINT part_pkey CASCADE",
        "ALTER TABLE {}.part DROP CONSTRAINT part_tenant_id_node_id_fkey",
        "DROP INDEX {}.one_root_a_label",
        "ALTER TYPE {}.mood ADD VALUE 'fair' BEFORE 'BAD'",
        "ALTER TABLE {}.word DROP size, ADD size int GENERATED ALWAYS AS (ascii(word)) STORED",
    ],
)
async def test_a_change_of_the_tables_changes_the_fingerprint(odd: World, change: str) -> None:
    async with scene(odd, Tier.SCHEMA, rows=0) as made:
        before = await fingerprint_of(made)
        async with made.source.connection() as connection:
            await connection.execute(change.replace("{}", quote(made.source.schema)))
        assert await fingerprint_of(made) != before


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {}.word ADD COLUMN unknown integer",
        "ALTER TABLE {}.word DROP COLUMN blob",
        "ALTER TABLE {}.word RENAME TO another",
        "ALTER TABLE {}.word ALTER COLUMN size DROP EXPRESSION",
    ],
)
async def test_tables_that_the_product_does_not_know_are_refused(odd: World, change: str) -> None:
    async with scene(odd, Tier.SCHEMA, rows=0) as made:
        async with made.source.connection() as connection:
            await connection.execute(change.replace("{}", quote(made.source.schema)))
        with pytest.raises(ShapeDiffers, match="word"):
            await fingerprint_of(made)


async def test_an_error_that_was_kept_from_the_end_of_a_transaction_is_no_commit(
    odd: World,
) -> None:
    async def keep_it(made: Scene) -> None:
        async with written(made.source) as connection:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.execute("SELECT 1 / 0")

    async with scene(odd, Tier.SCHEMA, rows=0) as made:
        with pytest.raises(AssertionError, match="kept from its end"):
            await keep_it(made)
