"""The database half: every table, every verb, every tier at every tier, three ways to send."""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, ForeignKey, Identity, Integer, MetaData, Table, Text

from migrations.product.write import write_revision
from router.product import Product
from router.product.plug import LoadedProduct, accept, load
from router.sql import load as load_sql
from tests.isolation.conftest import PLACES, Arena
from tests.isolation.matrix import Duel, Lane, Report, book_of
from tests.isolation.statements import Verb, verbs_of
from tests.scale import scaled, seed
from tests.worlds import STORE_PRODUCT, scratch_database, world, world_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.worlds import Clusters

VICTIMS = ("rows", "schema", "database")
ATTEMPTS_MIN = 20_000
PLANTS = {
    "no_row_security": ("media_type", Verb.SELECT),
    "everybody_reads": ("playlist", Verb.COUNT),
    "nothing_is_checked": ("invoice_line", Verb.INSERT),
    "everybody_deletes": ("playlist_track", Verb.DELETE),
    "unique_among_all": ("genre", Verb.INSERT),
    "known_to_all": ("artist", Verb.UPSERT),
    "refers_to_all": ("artist", Verb.REFER),
    "key_among_all": ("stepwell_answer", Verb.INSERT),
    "anybody_may_change": ("customer", None),
}


def lanes(attacker: str, victim: str) -> tuple[Lane, ...]:
    """Choose every lane inside of one database; into another one they are all the same wall."""
    if "database" not in {attacker, victim}:
        return tuple(Lane)
    return (list(Lane)[len(attacker + victim) % len(Lane)],)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("attacker", list(PLACES))
async def test_no_statement_reaches_another_tenant(
    arena: Arena, attacker: str, victim: str, record_property: Callable[[str, object], None]
) -> None:
    drawn, report, began = seed(), Report(), time.monotonic()
    dice = random.Random(drawn)
    for _ in range(scaled(1)):
        for lane in lanes(attacker, victim):
            duel = Duel(arena.world, arena.attackers[attacker], arena.victims[victim], lane)
            report.add(await duel.fight(arena.book, dice))
    say(record_property, report.attempts, began, drawn)
    assert not report.findings, "\n".join(map(str, report.findings[:20]))
    stored = arena.world.loaded.stored
    assert report.tried == {
        (table.name, verb) for table in stored.tables for verb in verbs_of(stored, table)
    }


def test_twenty_thousand_statements_are_tried() -> None:
    book = book_of(load(STORE_PRODUCT).stored)
    each = sum(len(shape.keys) for shapes in book.values() for shape in shapes)
    duels = sum(len(lanes(attacker, victim)) for attacker in PLACES for victim in VICTIMS)
    assert each * duels >= ATTEMPTS_MIN


async def test_planted_holes_are_found_and_nothing_else(clusters: Clusters) -> None:
    async with world(clusters) as made:
        arena = Arena(made)
        await arena.settle(["rows"], shared=())
        plants = load_sql("tests.isolation", "plants.sql")
        assert plants.keys() == PLANTS.keys()
        async with made.admin() as connection:
            for statement in plants.values():
                await connection.execute(statement)
        report = Report()
        for lane in Lane:
            duel = Duel(made, arena.attackers["rows"], arena.victims["rows"], lane)
            report.add(await duel.fight(arena.book, random.Random(1)))
    found = {(finding.table, finding.verb) for finding in report.findings}
    assert set(PLANTS.values()) <= found
    assert {table for table, _ in found} == {table for table, _ in PLANTS.values()}


async def test_a_new_table_is_attacked_without_an_edit(clusters: Clusters, tmp_path: Path) -> None:
    loaded = extended(tmp_path)
    async with scratch_database(clusters, loaded) as scratch:
        await write_revision(loaded, "a shelf too", scratch=scratch)
    async with world_of(clusters, loaded) as made:
        arena = Arena(made)
        await arena.settle(["rows"])
        one, other = arena.attackers["rows"], arena.victims["rows"]
        report = await Duel(made, one, other, Lane.SESSION).fight(arena.book, random.Random(1))
        assert not report.findings
        assert {("shelf", verb) for verb in Verb} <= report.tried
        async with made.admin() as connection:
            await connection.execute("ALTER TABLE shared.shelf DISABLE ROW LEVEL SECURITY")
        report = await Duel(made, one, other, Lane.SESSION).fight(arena.book, random.Random(1))
        assert {finding.table for finding in report.findings} == {"shelf"}


def say(
    record_property: Callable[[str, object], None], attempts: int, began: float, drawn: int
) -> None:
    """Tell what ran: `pytest -rP` shows it where all went well."""
    took_s = time.monotonic() - began
    record_property("attempts", attempts)
    sys.stdout.write(f"{attempts} attempts in {took_s:.1f} s, STEPWELL_TEST_SEED={drawn}\n")


def extended(folder: Path) -> LoadedProduct:
    """Copy the shop and put a table into the copy: it stands in itself and below an artist."""
    metadata = MetaData()
    for table in load(STORE_PRODUCT).product.metadata.sorted_tables:
        table.to_metadata(metadata)
    Table(
        "shelf",
        metadata,
        Column("shelf_id", Integer, Identity(), primary_key=True),
        Column("label", Text, nullable=False, unique=True),
        Column("artist_id", Integer, ForeignKey("artist.artist_id"), nullable=False),
        Column("above_id", Integer, ForeignKey("shelf.shelf_id")),
    )
    product = Product(
        name="extended", metadata=metadata, routes=[], revisions=str(folder / "revisions")
    )
    return accept(product, root=folder)
