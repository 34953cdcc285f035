"""Statements of the fast lane: what is given, what is fixed, and where a schema's name stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_or

from router import statement
from router.names import quote
from router.statement import Statement

metadata = MetaData()
note = Table(
    "note",
    metadata,
    Column("note_id", Integer, primary_key=True),
    Column("title", Text),
    Column("stars", Integer),
)
country = Table(
    "country", metadata, Column("code", Text, primary_key=True), info={"reference": True}
)
SCHEMAS = st.text(min_size=1).filter(lambda name: "\x00" not in name)


def test_free_parameters_are_given_in_the_order_of_the_text() -> None:
    found = Statement(
        select(note.c.title).where(
            note.c.stars > bindparam("stars"), note.c.note_id == bindparam("note_id")
        )
    )
    assert found.free == ("stars", "note_id")
    assert "stars > $1" in found.spelled("s")
    assert "note_id = $2" in found.spelled("s")
    assert found.arranged((5, 7)) == (5, 7)


def test_a_parameter_that_stands_twice_is_given_once() -> None:
    found = Statement(
        update(note)
        .values(title=bindparam("it"))
        .where(note.c.title != bindparam("it"), note.c.note_id == bindparam("of"))
    )
    assert found.free == ("it", "of")
    assert found.spelled("s").count("$1") == 2
    assert found.arranged(("x", 3)) == ("x", 3)


def test_a_value_in_the_clause_stays_between_the_free_ones() -> None:
    found = Statement(
        select(note.c.title)
        .where(note.c.title == bindparam("title"), note.c.stars > 3)
        .limit(bindparam("rows_max", type_=Integer))
    )
    assert found.free == ("title", "rows_max")
    assert found.arranged(("x", 10)) == ("x", 3, 10)
    assert found.arranged(("y", 20)) == ("y", 3, 20)


def test_a_fixed_null_is_no_free_parameter() -> None:
    found = Statement(insert(note).values(note_id=bindparam("note_id"), title=literal(None, Text)))
    assert found.free == ("note_id",)
    assert found.arranged((1,)) == (1, None)


def test_a_list_is_refused_with_what_to_write() -> None:
    for said in (
        note.c.stars.in_([1, 2, 3]),
        note.c.stars.in_([]),
        note.c.stars.in_(bindparam("stars", expanding=True)),
    ):
        with pytest.raises(TypeError, match=r"column == any_\(bindparam"):
            Statement(select(note.c.title).where(said))


def test_an_array_is_one_value() -> None:
    stars = bindparam("stars", type_=ARRAY(Integer))
    found = Statement(select(note.c.title).where(note.c.stars == any_(stars)))
    assert found.arranged(([1, 2],)) == ([1, 2],)
    assert "= ANY ($1" in found.spelled("s")


@given(st.lists(st.integers(), max_size=4))
def test_too_few_or_too_many_values_are_refused_by_name(values: list[int]) -> None:
    found = Statement(select(note.c.title).where(note.c.stars == bindparam("stars")))
    if len(values) == 1:
        assert found.arranged(tuple(values)) == (values[0],)
        return
    with pytest.raises(TypeError, match=rf"takes \('stars',\), not {len(values)} values"):
        found.arranged(tuple(values))


def test_a_statement_without_parameters_takes_none() -> None:
    found = Statement(select(func.count()).select_from(note))
    assert found.free == ()
    assert found.arranged(()) == ()
    with pytest.raises(TypeError, match="not 1 values"):
        found.arranged((1,))


@given(SCHEMAS)
def test_every_table_is_named_with_its_schema_and_nothing_gets_out_of_the_quotes(
    schema: str,
) -> None:
    found = Statement(
        select(note.c.title).where(note.c.note_id.in_(select(note.alias("o").c.stars)))
    )
    spelled = found.spelled(schema)
    assert spelled.count(f"{quote(schema)}.note") >= 2
    assert "note" not in spelled.replace(f"{quote(schema)}.note", "").replace("note_id", "")


def test_a_reference_table_stays_in_its_own_schema() -> None:
    found = Statement(select(country.c.code).join(note, note.c.title == country.c.code))
    assert "FROM reference.country JOIN" in " ".join(found.spelled("s_1").split())
    assert '"s_1".note' in found.spelled("s_1")


def test_an_inferred_conflict_begins_with_the_tenant() -> None:
    clause = insert_or(note).values(note_id=bindparam("note_id"), title=bindparam("title"))
    found = Statement(
        clause.on_conflict_do_update(
            index_elements=["note_id"], set_={"title": clause.excluded.title}
        )
    )
    assert "ON CONFLICT (tenant_id, note_id) DO UPDATE" in found.spelled("s")


def test_raw_text_is_taken_as_it_is() -> None:
    found = Statement(text("SELECT 1 WHERE 2 > :least"))
    assert found.free == ("least",)
    assert found.spelled("s") == "SELECT 1 WHERE 2 > $1"


def test_spellings_are_remembered_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "_SPELLINGS_MAX", 3)
    found = Statement(select(note.c.title))
    assert found.spelled("s_0") is found.spelled("s_0")
    for number in range(10):
        assert f'"s_{number}".note' in found.spelled(f"s_{number}")
        assert len(found._spellings) <= 3  # noqa: SLF001 - what is remembered has no other face
