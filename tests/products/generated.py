"""Products that nobody wrote: tables, keys and rules drawn at random, none of them refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
ACTIONS = st.sampled_from([None, "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "set null"])
TYPES = st.sampled_from([Integer, Text, Boolean, Numeric, Uuid])


@st.composite
def products(draw: DrawFn) -> MetaData:
    """Draw a metadata of one to four tables, with references among them and to a shared one."""
    metadata = MetaData(naming_convention=draw(st.sampled_from([None, CONVENTION])))
    Table("country", metadata, Column("code", Text, primary_key=True), info={"reference": True})
    tables = [_table(draw, metadata, f"t{at}") for at in range(draw(st.integers(1, 4)))]
    for at, table in enumerate(tables):
        _references(draw, tables, at)
        _rules(draw, table)
        _indexes(draw, table)
    return metadata


def _table(draw: DrawFn, metadata: MetaData, name: str) -> Table:
    key_size = draw(st.integers(1, 3))
    is_generated = key_size == 1 and draw(st.booleans())
    keys: list[Column[Any]] = [
        Column(
            f"k{at}",
            Integer,
            *([CheckConstraint(f"k{at} >= 0", name=f"key_{at}")] if draw(st.booleans()) else []),
            primary_key=True,
            autoincrement=is_generated,
        )
        for at in range(key_size)
    ]
    others: list[Column[Any]] = [
        Column(
            f"c{at}",
            draw(TYPES),
            # What Python calls a column needn't be what the database calls it.
            key=draw(st.sampled_from([f"c{at}", f"column_{at}"])),
            nullable=draw(st.booleans()),
            comment=draw(st.sampled_from([None, "a comment"])),
        )
        for at in range(draw(st.integers(1, 4)))
    ]
    return Table(name, metadata, *draw(st.permutations([*keys, *others])))


def _references(draw: DrawFn, tables: list[Table], at: int) -> None:
    """Let a table refer to any other, itself too; to later ones only when that is told."""
    table = tables[at]
    for number in range(draw(st.integers(0, 2))):
        to = draw(st.integers(0, len(tables) - 1))
        keys = list(tables[to].primary_key)
        here = [Column(f"r{number}_{each.name}", each.type) for each in keys]
        for column in here:
            table.append_column(column)
        table.append_constraint(
            ForeignKeyConstraint(
                here,
                keys,
                name=f"{table.name}_refers_{number}",
                ondelete=draw(ACTIONS),
                onupdate=draw(st.sampled_from([None, "CASCADE"])),
                deferrable=draw(st.sampled_from([None, True])),
                use_alter=to > at,
            )
        )
    if draw(st.booleans()):
        table.append_column(Column("country", Text))
        table.append_constraint(ForeignKeyConstraint(["country"], ["country.code"]))


def _rules(draw: DrawFn, table: Table) -> None:
    columns = list(table.c)
    # Of two rules that say the same PostgreSQL makes one.
    said = [list(table.primary_key)]
    for number in range(draw(st.integers(0, 2))):
        chosen = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=3, unique=True))
        if any({*map(id, each)} == {*map(id, chosen)} for each in said):
            continue
        said.append(chosen)
        table.append_constraint(
            UniqueConstraint(
                *chosen,
                name=f"{table.name}_one_{number}",
                deferrable=draw(st.sampled_from([None, True])),
                postgresql_nulls_not_distinct=draw(st.sampled_from([None, True])),
            )
        )
    key = next(iter(table.primary_key))
    # Joins the table of its columns by itself.
    CheckConstraint(key < 1_000_000, name=f"{table.name}_small")


def _indexes(draw: DrawFn, table: Table) -> None:
    for number in range(draw(st.integers(0, 3))):
        column = draw(st.sampled_from(list(table.c)))
        key = next(iter(table.primary_key))
        is_alone = column is key or draw(st.booleans())
        expression = draw(
            st.sampled_from(
                [column, column.desc(), func.coalesce(column, column), text(f"({column.name})")]
            )
        )
        Index(
            f"{table.name}_by_{number}",
            *([expression] if is_alone else [expression, key]),
            unique=draw(st.booleans()),
            postgresql_where=draw(st.sampled_from([None, key > number, text(f"{key.name} > 7")])),
            _table=table,
        )
