"""The next revision is written in safe forms by itself, and what can't be is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from sqlalchemy import (
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from migrations.lint import lint
from migrations.product.render import render
from migrations.product.steps import Alone, Backfill, Transactional
from migrations.product.write import write_revision
from router.connect import connect
from router.names import quote, random_name
from router.product import Product
from router.product.plug import accept
from tests.worlds import scratch_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest

    from migrations.product.write import Written
    from router.connect import Address
    from router.product.plug import LoadedProduct
    from tests.worlds import Clusters


def first_models() -> MetaData:
    metadata = MetaData()
    Table("country", metadata, Column("code", Text, primary_key=True), info={"reference": True})
    Table("artist", metadata, Column("id", Integer, Identity(), primary_key=True))
    Table(
        "track",
        metadata,
        Column("id", Integer, Identity(), primary_key=True),
        Column("artist_id", Integer),
        Column("name", Text),
        Column("length", Integer),
        Column("country", Text),
        Column("tags", JSONB),
        Index("track_by_length", "length"),
    )
    return metadata


def later_models() -> MetaData:
    """The same tables with everything that has a safe form, and a new table."""
    metadata = MetaData()
    Table("country", metadata, Column("code", Text, primary_key=True), info={"reference": True})
    Table("artist", metadata, Column("id", Integer, Identity(), primary_key=True))
    Table(
        "track",
        metadata,
        Column("id", Integer, Identity(), primary_key=True),
        Column("artist_id", Integer, ForeignKey("artist.id", ondelete="SET NULL")),
        Column("name", Text, nullable=False),
        Column("length", Integer),
        Column("country", Text, ForeignKey("country.code")),
        Column("tags", JSONB),
        Column("plays", Integer, server_default="0", nullable=False),
        Column("seen", Text, server_default=text("gen_random_uuid()::text"), nullable=False),
        Column("mark", Text, server_default=text("gen_random_uuid()::text")),
        UniqueConstraint("name", "length"),
        Index("track_by_artist", "artist_id", postgresql_where=text("length > 9")),
        Index("track_by_lower_name", func.lower(text("name"))),
        Index("track_by_tags", "tags", postgresql_using="gin"),
    )
    Table(
        "shelf",
        metadata,
        Column("id", Integer, Identity(), primary_key=True),
        Column("track_id", Integer, ForeignKey("track.id"), index=True),
    )
    return metadata


def loaded_of(metadata: MetaData, folder: Path) -> LoadedProduct:
    product = Product(name="x", metadata=metadata, routes=[], revisions=str(folder / "revisions"))
    return accept(product, root=folder)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scratch(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Address]:
    loaded = loaded_of(first_models(), tmp_path_factory.mktemp("scratch"))
    async with scratch_database(clusters, loaded) as address:
        yield address


async def write(scratch: Address, folder: Path, models: MetaData) -> Written:
    written = await write_revision(loaded_of(models, folder), "next", scratch=scratch)
    assert written is not None
    return written


async def test_tables_with_rows_are_changed_in_safe_forms(scratch: Address, tmp_path: Path) -> None:
    first = await write(scratch, tmp_path, first_models())
    assert (first.findings, first.notes) == ((), ())
    assert "safe" not in first.path.read_text()
    later = await write(scratch, tmp_path, later_models())
    code = later.path.read_text()
    up, down = code.split("def downgrade")
    for call in (
        "safe.create_index_concurrently('track_by_artist', 'track', ['artist_id'], options={",
        "safe.create_index_concurrently('track_by_tags', 'track', ['tags'], options={",
        "safe.drop_index_concurrently('track_by_length', 'track')",
        "safe.add_unique('track_name_length_key', 'track', ['name', 'length'])",
        (
            "safe.add_foreign_key_not_valid('track_artist_id_fkey', 'track', {'artist_id': 'id'}, "
            "to='artist', on_delete='SET NULL')"
        ),
        (
            "safe.add_foreign_key_not_valid('track_country_fkey', 'track', {'country': 'code'}, "
            "to='reference.country')"
        ),
        "safe.validate_constraint('track', 'track_artist_id_fkey')",
        "safe.add_not_null('track', 'name')",
        "safe.add_not_null('track', 'seen', fill='gen_random_uuid()::text')",
        "safe.backfill('track', '\"mark\" = gen_random_uuid()::text', where='\"mark\" IS NULL')",
        "op.add_column('track', sa.Column('plays', sa.Integer(), server_default=",
        "op.create_table('shelf'",
    ):
        assert call in up, (call, up)
    assert "safe.create_index_concurrently('track_by_length', 'track', ['length'])" in down
    assert later.findings == ()
    assert len(later.notes) == 1
    assert "fill=" in later.notes[0]


async def test_what_was_written_makes_what_the_models_ask_for(
    scratch: Address, tmp_path: Path
) -> None:
    await write(scratch, tmp_path, first_models())
    await write(scratch, tmp_path, later_models())
    again = await write_revision(loaded_of(later_models(), tmp_path), "again", scratch=scratch)
    assert again is None, again.path.read_text()


async def test_what_was_written_runs_step_by_step_and_back(
    scratch: Address, tmp_path: Path
) -> None:
    await write(scratch, tmp_path, first_models())
    await write(scratch, tmp_path, later_models())
    first, later = render(loaded_of(later_models(), tmp_path)).revisions
    assert later.downgrade is not None
    connection, schema = await connect(scratch, purpose="test"), quote(random_name("s_"))
    try:
        await connection.execute(f"CREATE SCHEMA {schema}; SET search_path = {schema}, reference")
        await connection.execute(first.sql)
        for step in (*later.steps, *later.downgrade):
            match step:
                case Transactional(sql=sql) | Alone(sql=sql):
                    await connection.execute(sql)
                case Backfill():
                    await connection.execute(step.update)
        columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'track'"
        assert await connection.fetchval(f"{columns} AND table_schema = $1", schema.strip('"')) == 7
    finally:
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
        await connection.close()


async def test_a_column_that_nobody_writes_yet_may_be_null_for_a_release(
    scratch: Address, tmp_path: Path
) -> None:
    await write(scratch, tmp_path, first_models())
    models = first_models()
    models.tables["artist"].append_column(Column("name", Text, nullable=False))
    written = await write(scratch, tmp_path, models)
    assert "sa.Column('name', sa.Text(), nullable=True)" in written.path.read_text()
    assert written.findings == ()
    assert "the last release doesn't write it" in written.notes[0]
    then = await write(scratch, tmp_path, models)
    assert "safe.add_not_null('artist', 'name')" in then.path.read_text()
    assert lint(render(loaded_of(models, tmp_path))) == ()


async def test_what_has_no_safe_form_is_written_and_said(scratch: Address, tmp_path: Path) -> None:
    await write(scratch, tmp_path, first_models())
    models = MetaData()
    for table in first_models().sorted_tables:
        if table.name != "track":
            table.to_metadata(models)
    written = await write(scratch, tmp_path, models)
    (finding,) = written.findings
    assert "drop-table" in finding
    assert "contracts" in finding
