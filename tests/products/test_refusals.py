"""What can't be stored is refused when a product is loaded; the nearest thing to it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from litestar import get
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint

from router.errors import ProductRefused
from router.product import Product
from router.product.plug import OUR_PACKAGES, LoadedProduct, accept, load
from router.product.refusals import OUR_PATHS, refusals, route_refusals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.schema import SchemaItem


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest product with a fault, the words that are said of it, the nearest without."""

    fault: Callable[[MetaData], object]
    nearest: Callable[[MetaData], object]
    says: tuple[str, ...]


def note(metadata: MetaData, *items: SchemaItem, **options: Any) -> Table:  # noqa: ANN401 - SQLAlchemy's options
    """Make the one table that a case is about."""
    name = options.pop("name", "note")
    return Table(name, metadata, Column("note_id", Integer, primary_key=True), *items, **options)


def number(*items: SchemaItem, **options: Any) -> Column[int]:  # noqa: ANN401 - as above
    return Column("number", Integer, *items, **options)


def pair(metadata: MetaData, *items: SchemaItem) -> None:
    """Make a parent with a key of two columns, and notes that may refer to it."""
    Table(
        "place",
        metadata,
        Column("room", Integer, primary_key=True),
        Column("floor", Integer, primary_key=True),
    )
    note(metadata, Column("room", Integer), Column("floor", Integer), *items)


def circle(metadata: MetaData, *, is_told: bool) -> None:
    note(metadata, Column("team_id", Integer, ForeignKey("team.team_id")))
    key = ForeignKey("note.note_id", name="team_note", use_alter=is_told)
    Table(
        "team",
        metadata,
        Column("team_id", Integer, primary_key=True),
        Column("note_id", Integer, key),
    )


def country(metadata: MetaData, *items: SchemaItem) -> Table:
    info = {"reference": True}
    return Table("country", metadata, Column("code", Text, primary_key=True), *items, info=info)


def outside() -> ForeignKey:
    """Refer to a table of another metadata."""
    return ForeignKey(Table("team", MetaData(), Column("team_id", Integer, primary_key=True)).c[0])


COMPOSITE = (["room", "floor"], ["place.room", "place.floor"])
CASES = {
    "a schema": Case(
        fault=lambda m: note(m, schema="office"),
        nearest=note,
        says=("table office.note", "names a schema", "leave it out"),
    ),
    "a name that needs quotes": Case(
        fault=lambda m: note(m, name="Note"),
        nearest=lambda m: note(m, name="note_2"),
        says=("table Note", "a-z, 0-9 and _"),
    ),
    "a name of the platform's": Case(
        fault=lambda m: note(m, name="stepwell_note"),
        nearest=lambda m: note(m, name="stepwell"),
        says=("table stepwell_note", "not stepwell_"),
    ),
    "a rule named as the platform's": Case(
        fault=lambda m: note(m, number(), CheckConstraint("number > 0", name="stepwell_check")),
        nearest=lambda m: note(m, number(), CheckConstraint("number > 0", name="check")),
        says=("table note", "stepwell_check", "rename it"),
    ),
    "an index named as the platform's": Case(
        fault=lambda m: note(m, number(), Index("stepwell_answer_by_age", "number")),
        nearest=lambda m: note(m, number(), Index("answer_by_age", "number")),
        says=("table note", "stepwell_answer_by_age", "rename it"),
    ),
    "no primary key": Case(
        fault=lambda m: Table("note", m, Column("number", Integer)),
        nearest=lambda m: Table("note", m, Column("number", Integer, primary_key=True)),
        says=("table note", "no primary key", "add one"),
    ),
    "a deferrable primary key": Case(
        fault=lambda m: Table("note", m, number(), PrimaryKeyConstraint("number", deferrable=True)),
        nearest=lambda m: Table("note", m, number(), PrimaryKeyConstraint("number")),
        says=("table note", "primary key", "DEFERRABLE"),
    ),
    "an inherited table": Case(
        fault=lambda m: note(m, postgresql_inherits="thing"),
        nearest=note,
        says=("table note", "inherited", "make it plain"),
    ),
    "a partitioned table": Case(
        fault=lambda m: note(m, postgresql_partition_by="LIST (note_id)"),
        nearest=lambda m: note(m, postgresql_with={"fillfactor": 90}),
        says=("table note", "partitioned", "make it plain"),
    ),
    "a temporary table": Case(
        fault=lambda m: note(m, prefixes=["TEMPORARY"]),
        nearest=note,
        says=("table note", "CREATE TEMPORARY TABLE", "leave the prefix out"),
    ),
    "a column of the platform's": Case(
        fault=lambda m: note(m, Column("tenant_id", Integer)),
        nearest=lambda m: note(m, Column("tenant", Integer)),
        says=("table note, column tenant_id", "rename it"),
    ),
    "a column named as the platform's": Case(
        fault=lambda m: note(m, Column("stepwell_row_place", Integer)),
        nearest=lambda m: note(m, Column("row_place", Integer)),
        says=("table note, column stepwell_row_place", "rename it"),
    ),
    "a type that names a schema": Case(
        fault=lambda m: note(m, Column("mood", Enum("good", name="mood", schema="office"))),
        nearest=lambda m: note(m, Column("mood", Enum("good", name="mood"))),
        says=("table note, column mood", "schema office", "leave it out"),
    ),
    "elements of a type that names a schema": Case(
        fault=lambda m: note(m, Column("moods", ARRAY(Enum("good", name="mood", schema="office")))),
        nearest=lambda m: note(m, Column("moods", ARRAY(Enum("good", name="mood")))),
        says=("table note, column moods", "schema office", "leave it out"),
    ),
    "a sequence": Case(
        fault=lambda m: note(m, number(Sequence("numbers"))),
        nearest=lambda m: note(m, number(default=1)),
        says=("table note, column number", "shared by all customers", "use Identity()"),
    ),
    "a sequence as a server's default": Case(
        fault=lambda m: note(m, number(server_default=Sequence("numbers").next_value())),
        nearest=lambda m: note(m, number(server_default="1")),
        says=("table note, column number", "shared by all customers", "use Identity()"),
    ),
    "a sequence in a default's text": Case(
        fault=lambda m: note(m, number(server_default=text("1 + NEXTVAL ('numbers')"))),
        nearest=lambda m: note(m, number(server_default=text("1 + length('nextval')"))),
        says=("table note, column number", "shared by all customers", "use Identity()"),
    ),
    "an identity ALWAYS": Case(
        fault=lambda m: Table("note", m, number(Identity(always=True), primary_key=True)),
        nearest=lambda m: Table("note", m, number(Identity(), primary_key=True)),
        says=("table note, column number", "GENERATED ALWAYS", "Identity(always=False)"),
    ),
    "an identity beside the key": Case(
        fault=lambda m: note(m, number(Identity())),
        nearest=lambda m: note(m, number()),
        says=("table note, column number", "not the table's key", "use a default"),
    ),
    "an identity that starts late": Case(
        fault=lambda m: Table("note", m, number(Identity(start=1_000), primary_key=True)),
        nearest=lambda m: Table("note", m, number(Identity(start=1), primary_key=True)),
        says=("table note, column number", "count 1, 2, 3", "leave"),
    ),
    "an identity that counts by tens": Case(
        fault=lambda m: Table("note", m, number(Identity(increment=10), primary_key=True)),
        nearest=lambda m: Table("note", m, number(Identity(increment=1), primary_key=True)),
        says=("table note, column number", "count 1, 2, 3", "leave"),
    ),
    "an identity with an end": Case(
        fault=lambda m: Table("note", m, number(Identity(maxvalue=9), primary_key=True)),
        nearest=lambda m: Table("note", m, number(Identity(cache=9), primary_key=True)),
        says=("table note, column number", "count 1, 2, 3", "leave"),
    ),
    "a virtual column": Case(
        fault=lambda m: note(m, number(Computed("note_id * 2", persisted=False))),
        nearest=lambda m: note(m, number(Computed("note_id * 2", persisted=True))),
        says=("table note, column number", "virtual", "persisted=True"),
    ),
    "a column that PostgreSQL 18 makes virtual": Case(
        fault=lambda m: note(m, number(Computed("note_id * 2"))),
        nearest=lambda m: note(m, number(Computed("note_id * 2", persisted=True))),
        says=("table note, column number", "virtual", "persisted=True"),
    ),
    "an exclusion": Case(
        fault=lambda m: note(m, number(), ExcludeConstraint(("number", "="), name="alone")),
        nearest=lambda m: note(m, number(), UniqueConstraint("number", name="alone")),
        says=("table note", "exclusion alone", "across customers", "a unique rule"),
    ),
    "a unique rule for all": Case(
        fault=lambda m: note(
            m, number(), UniqueConstraint("number", name="one", info={"global": True})
        ),
        nearest=lambda m: note(m, number(), UniqueConstraint("number", name="one")),
        says=("table note", "unique rule one", "across all customers", "within one customer"),
    ),
    "a unique index for all": Case(
        fault=lambda m: note(
            m, number(), Index("one", "number", unique=True, info={"global": True})
        ),
        nearest=lambda m: note(m, number(), Index("one", "number", info={"global": True})),
        says=("table note", "unique rule one", "across all customers", "within one customer"),
    ),
    "a unique column for all": Case(
        fault=lambda m: note(m, number(unique=True, info={"global": True})),
        nearest=lambda m: note(m, number(info={"global": True})),
        says=("table note", "unique rule number", "across all customers", "within one customer"),
    ),
    "a unique index that is no btree": Case(
        fault=lambda m: note(
            m, number(), Index("one", "number", unique=True, postgresql_using="hash")
        ),
        nearest=lambda m: note(m, number(), Index("one", "number", postgresql_using="hash")),
        says=("table note", "unique index one", "must be a btree"),
    ),
    "a foreign key to nowhere": Case(
        fault=lambda m: note(m, Column("team_id", Integer, ForeignKey("team.team_id"))),
        nearest=lambda m: note(m, Column("team_id", Integer, ForeignKey("note.note_id"))),
        says=("table note", "'team'", "correct it"),
    ),
    "a foreign key to no column": Case(
        fault=lambda m: note(m, Column("team_id", Integer, ForeignKey("note.id"))),
        nearest=lambda m: note(m, Column("team_id", Integer, ForeignKey("note.note_id"))),
        says=("table note", "'note'", "correct it"),
    ),
    "a foreign key out of the product": Case(
        fault=lambda m: note(m, Column("team_id", Integer, outside())),
        nearest=lambda m: note(m, Column("team_id", Integer, ForeignKey("note.note_id"))),
        says=("table note", "foreign key (team_id)", "outside of the product"),
    ),
    "a reference table that refers to a tenant's": Case(
        fault=lambda m: (
            note(m),
            country(m, Column("note_id", Integer, ForeignKey("note.note_id"))),
        ),
        nearest=lambda m: (country(m), note(m, Column("code", Text, ForeignKey("country.code")))),
        says=("table country", "foreign key (note_id)", "note", "turn it round"),
    ),
    "ON UPDATE SET NULL": Case(
        fault=lambda m: note(m, number(ForeignKey("note.note_id", onupdate="SET NULL", name="up"))),
        nearest=lambda m: note(m, number(ForeignKey("note.note_id", onupdate="CASCADE"))),
        says=("table note", "foreign key up", "null the tenant", "use CASCADE"),
    ),
    "ON UPDATE SET DEFAULT": Case(
        fault=lambda m: note(m, number(ForeignKey("note.note_id", onupdate="set default"))),
        nearest=lambda m: note(m, number(ForeignKey("note.note_id", ondelete="SET DEFAULT"))),
        says=("table note", "foreign key (number)", "null the tenant", "use CASCADE"),
    ),
    "MATCH FULL": Case(
        fault=lambda m: pair(m, ForeignKeyConstraint(*COMPOSITE, match="FULL", name="there")),
        nearest=lambda m: pair(m, ForeignKeyConstraint(*COMPOSITE, match="SIMPLE", name="there")),
        says=("table note", "foreign key there", "MATCH FULL", "CHECK"),
    ),
    "a circle of tables": Case(
        fault=lambda m: circle(m, is_told=False),
        nearest=lambda m: circle(m, is_told=True),
        says=("tables note, team", "circle", "use_alter=True"),
    ),
}


def product(metadata: MetaData, **given: Any) -> Product:  # noqa: ANN401 - Product's fields
    return Product(
        name="case", metadata=metadata, routes=given.get("routes", []), revisions="revisions"
    )


def accepted(root: Path, metadata: MetaData, **given: Any) -> LoadedProduct:  # noqa: ANN401 - as above
    return accept(product(metadata, **given), root=root)


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_with_its_table_and_a_way_out(name: str) -> None:
    metadata = MetaData()
    CASES[name].fault(metadata)
    (said,) = refusals(metadata)
    for words in CASES[name].says:
        assert words in said


@pytest.mark.parametrize("name", CASES)
def test_the_nearest_product_without_the_fault_is_accepted(name: str, tmp_path: Path) -> None:
    metadata = MetaData()
    CASES[name].nearest(metadata)
    assert accepted(tmp_path, metadata).stored.tables


def test_all_faults_of_a_product_are_told_at_once(tmp_path: Path) -> None:
    @get("/api/notes")
    async def notes() -> None:
        """Hide one of the platform's."""

    metadata = MetaData()
    Table(
        "Note",
        metadata,
        Column("tenant_id", Integer),
        Column("team_id", Integer, ForeignKey("t.id")),
    )
    Table("team", metadata, number(Identity(always=True), primary_key=True), schema="office")
    with pytest.raises(ProductRefused, match="'case' can't be stored safely") as refused:
        accepted(tmp_path, metadata, routes=[notes])
    told = str(refused.value).splitlines()[1:]
    assert all(line.startswith("  - ") for line in told)
    for words in ("Note: name it", "Note: it has no primary key", "column tenant_id", "'t'"):
        assert sum(words in line for line in told) == 1, words
    for words in ("office.team: it names", "GENERATED ALWAYS", "route /api/notes"):
        assert sum(words in line for line in told) == 1, words
    assert len(told) == 7


def test_a_reference_table_may_have_rules_of_its_own(tmp_path: Path) -> None:
    """All customers read the same rows, so what holds for all of them may hold across them."""
    metadata = MetaData()
    country(metadata, UniqueConstraint("code", info={"global": True}))
    note(metadata, Column("code", String, ForeignKey("country.code")))
    assert [each.name for each in accepted(tmp_path, metadata).stored.reference_tables] == [
        "country"
    ]


@pytest.mark.parametrize("first", sorted(OUR_PATHS - {""}))
def test_a_route_that_would_hide_ours_is_refused(first: str) -> None:
    @get([f"/{first}", f"/{first}/{{name:str}}"])
    async def hiding(name: str = "") -> str:
        return name

    @get(f"/{first}s/{first}")
    async def beside() -> None:
        """Begin differently."""

    assert list(route_refusals([beside])) == []
    told = list(route_refusals([hiding, beside]))
    assert len(told) == 2
    assert all(f"/{first} is the platform's; give it another path" in each for each in told)


def test_the_start_page_is_ours() -> None:
    @get("/")
    async def hiding() -> None:
        """Begin where we do."""

    (told,) = route_refusals([hiding])
    assert "/ is the platform's" in told


def test_what_litestar_takes_for_no_route_is_told_with_the_rest() -> None:
    async def bare() -> None:
        """Lack a decorator."""

    routes: Any = [bare]
    (told,) = route_refusals(routes)
    assert told.startswith("the routes: Litestar can't serve them: ")
    assert list(route_refusals([get("/notes")(bare)])) == []


@pytest.mark.parametrize("package", sorted(OUR_PACKAGES))
def test_a_product_in_a_package_of_our_name_is_refused(package: str) -> None:
    with pytest.raises(ProductRefused, match=f"'{package}' hides the platform's package.*rename"):
        load(f"{package}.product:product")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere_at_all.product", "can't be imported: .*name it as package.module:product"),
        ("examples.notes.product:nothing", "can't be imported: .*name it as"),
        ("examples.notes.product:Base", "is a DeclarativeAttributeIntercept, not a .*Product"),
    ],
)
def test_what_is_no_product_is_refused_with_a_sentence(target: str, said: str) -> None:
    with pytest.raises(ProductRefused, match=said):
        load(target)


def test_a_product_is_found_by_its_module_alone() -> None:
    loaded = load("examples.notes.product")
    assert loaded.product.name == "notes"
    assert loaded.revisions.is_dir()
