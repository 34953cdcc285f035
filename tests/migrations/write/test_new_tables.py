"""From the models to every place: a new table gets its stored form and its policies by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, ForeignKey, Identity, Integer, MetaData, Table, Text

from deploy.doctor import DatabaseName, Patient, examine
from examples.store.models import Base
from migrations.product.write import write_revision
from router.catalog.wave_words import MigrationState
from router.product import Product
from router.product.plug import accept
from router.sql import load
from router.words import Tier
from tests.migrations.engine.fleet import fleet
from tests.worlds import scratch_database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.worlds import Clusters

TIERS = (Tier.SCHEMA, Tier.DATABASE)
_SQL = load("tests.migrations.write", "places.sql")


def models() -> MetaData:
    """The shop's, with one table more and a column that refers to it."""
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        table.to_metadata(metadata)
    Table(
        "label",
        metadata,
        Column("label_id", Integer, Identity(), primary_key=True),
        Column("name", Text, nullable=False),
    )
    metadata.tables["album"].append_column(
        Column("label_id", Integer, ForeignKey("label.label_id"), index=True)
    )
    return metadata


async def test_a_new_table_is_guarded_in_every_place(clusters: Clusters, tmp_path: Path) -> None:
    async with fleet(clusters, tmp_path, tiers=TIERS) as made:
        product = Product(name="store", metadata=models(), routes=[], revisions=str(made.folder))
        made.platform.loaded = accept(product, root=tmp_path)
        async with scratch_database(clusters, made.platform.loaded) as scratch:
            written = await write_revision(made.platform.loaded, "labels", scratch=scratch)
        assert written is not None
        assert (written.findings, written.notes) == ((), ())
        document = await made.migrate()
        assert document.state is MigrationState.DONE, document.error
        assert set((await made.ask_all(_SQL["is_guarded"])).values()) == {True}
        places = {DatabaseName(cluster=p.cluster, database=p.database) for p in await made.places()}
        findings = await examine(
            made.platform.fleet, Patient(clusters=[], databases=sorted(places))
        )
        assert [str(each) for each in findings if each.grave] == []
