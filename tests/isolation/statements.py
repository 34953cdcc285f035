"""Every statement with which one tenant could touch another's rows, made from the stored form.

A new table is attacked with no edit here: the statements know tables by their metadata alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from router.alchemy import TENANT_COLUMN, dialect
from router.names import quote
from tests.isolation.rows import Held, Key, columns_of, row_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from router.product.stored_form import StoredForm

#: Stands where a statement names the schema that it is sent to.
_SCHEMA = "__of_whom__"
_VICTIM = "victim"
_BETWEEN = "__"
#: The parameters whose row the attempt's key decides; the others name one row, whatever the key.
_BY_KEY = frozenset({"key", "row", "link", "same"})
_ALWAYS = {"fresh": Key.FRESH, "spoil": Key.FRESH, "mine": Key.MINE}


class Verb(StrEnum):
    """What is tried."""

    SELECT = "select"
    COUNT = "count"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    UPSERT = "upsert"
    MOVE = "move"
    REFER = "refer"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One statement against a table, without its values.

    ``is_aimed``: it names the victim, so whatever it returns or changes is a leak. The others are
    what a product says; they may touch the attacker's own rows, and nobody else's. ``source`` is
    the table of its parameters: a reference to the table is made from another one.
    """

    table: Table
    source: Table
    verb: Verb
    name: str
    clause: ClauseElement
    is_aimed: bool
    text: str
    order: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name the shape among all others."""
        return f"{self.table.name}: {self.verb} {self.name}"

    @property
    def keys(self) -> tuple[Key | None, ...]:
        """Return whose rows it is tried with; None where it means no row in particular."""
        if _BY_KEY.isdisjoint(name.partition(_BETWEEN)[0] for name in self.order):
            return (None,)
        if self.is_aimed and self.verb is not Verb.MOVE:
            return (Key.THEIRS, Key.NOBODYS, Key.BOTH)
        return (Key.THEIRS, Key.NOBODYS, Key.BOTH, Key.MINE)

    def spelled(self, schema: str | None) -> str:
        """Spell it for the tables of one schema, or for those that the search path finds."""
        return self.text.replace(f"{_SCHEMA}.", "" if schema is None else quote(schema) + ".")

    def values(self, key: Key | None, *, attacker: Held, victim: Held) -> dict[str, str | UUID]:
        """Fill the parameters in."""
        return {name: self._value(name, key, attacker, victim) for name in self.order}

    def _value(self, name: str, key: Key | None, attacker: Held, victim: Held) -> str | UUID:
        if name == _VICTIM:
            return victim.tenant.id
        role, _, column = name.partition(_BETWEEN)
        number = _ALWAYS.get(role, key)
        assert number is not None, f"{name} needs a key"
        canary = victim.canary if role == "same" else attacker.canary
        return value_of(self.source.c[column], number, canary)


def shapes_on(stored: StoredForm, table: Table) -> list[Shape]:
    """Make every statement against one table."""
    shapes = [*_reads(table), *_writes(stored, table), *_changes(table), *_moves(table)]
    for child in stored.tables:
        for rule in _rules_to(table, child):
            shapes += _references(stored, rule, child)
    return shapes


def scorched_earth(stored: StoredForm) -> list[Shape]:
    """Change and delete every row in sight, in an order in which that works."""
    shapes: list[Shape] = []
    for table in reversed(stored.tables):
        spoiled = update(table).values(_spoiled(table))
        shapes.append(_shape(table, Verb.UPDATE, "whatever is there", spoiled, is_aimed=False))
        gone = delete(table)
        shapes.append(_shape(table, Verb.DELETE, "whatever is there", gone, is_aimed=False))
    return shapes


def verbs_of(stored: StoredForm, table: Table) -> set[Verb]:
    """Return the verbs that a table can be attacked with: nobody refers to some of them."""
    is_parent = any(_rules_to(table, child) for child in stored.tables)
    return {verb for verb in Verb if verb is not Verb.REFER or is_parent}


def _reads(table: Table) -> Iterator[Shape]:
    for name, where in (
        ("by tenant and key", and_(_is_victims(table), _has_key(table))),
        ("by tenant", _is_victims(table)),
        ("by key", _has_key(table)),
    ):
        is_aimed = "tenant" in name
        counted = select(func.count()).select_from(table).where(where)
        whole = select(*table.columns).where(where)
        yield _shape(table, Verb.SELECT, name, whole, is_aimed=is_aimed)
        yield _shape(table, Verb.COUNT, name, counted, is_aimed=is_aimed)
    tenant = table.c[TENANT_COLUMN]
    by_tenant = select(tenant, func.count()).group_by(tenant)
    yield _shape(table, Verb.SELECT, "all", select(*table.columns), is_aimed=False)
    yield _shape(table, Verb.COUNT, "all by tenant", by_tenant, is_aimed=False)


def _writes(stored: StoredForm, table: Table) -> Iterator[Shape]:
    tenant, spoiled = table.c[TENANT_COLUMN], _spoiled(table)
    keys = [each.name for each in table.primary_key if each.name != TENANT_COLUMN]
    theirs = {**_new_row(stored, table, role="row"), TENANT_COLUMN: _victim()}
    made = insert(table).values(theirs)
    put = upsert(table).values(theirs).on_conflict_do_update(index_elements=keys, set_=spoiled)
    for verb, statement in ((Verb.INSERT, made), (Verb.UPSERT, put)):
        # Without inline(), SQLAlchemy asks for the key that it made.
        yield _shape(table, verb, "under the victim, blindly", statement.inline(), is_aimed=True)
        told = statement.returning(tenant)
        yield _shape(table, verb, "under the victim, returning", told, is_aimed=True)
    skipped = upsert(table).values(theirs).on_conflict_do_nothing().inline()
    yield _shape(table, Verb.UPSERT, "under the victim, or nothing", skipped, is_aimed=True)
    own = _new_row(stored, table, role="row", parents="mine")
    made = insert(table).values(own).returning(tenant)
    put = upsert(table).values(own).on_conflict_do_update(index_elements=keys, set_=spoiled)
    yield _shape(table, Verb.INSERT, "with a key", made, is_aimed=False)
    yield _shape(table, Verb.UPSERT, "with a key", put.returning(tenant), is_aimed=False)
    for rule in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(rule, UniqueConstraint):
            yield _repeats(stored, table, rule)


def _changes(table: Table) -> Iterator[Shape]:
    tenant, key, theirs = table.c[TENANT_COLUMN], _has_key(table), _is_victims(table)
    for verb, change in (
        (Verb.UPDATE, update(table).values(_spoiled(table))),
        (Verb.DELETE, delete(table)),
    ):
        for name, where in (("by tenant and key", and_(theirs, key)), ("by tenant", theirs)):
            blind = change.where(where)
            yield _shape(table, verb, f"{name}, blindly", blind, is_aimed=True)
            yield _shape(table, verb, f"{name}, returning", blind.returning(tenant), is_aimed=True)
        yield _shape(table, verb, "by key", change.where(key).returning(tenant), is_aimed=False)


def _moves(table: Table) -> Iterator[Shape]:
    tenant, key = table.c[TENANT_COLUMN], _has_key(table)
    away = update(table).values({TENANT_COLUMN: _victim()})
    here = update(table).values({TENANT_COLUMN: func.gate.tenant()}).where(_is_victims(table))
    for name, move in (
        ("a row away", away.where(key)),
        ("every row away", away),
        ("a row here", here.where(key).returning(tenant)),
        ("every row here", here),
    ):
        yield _shape(table, Verb.MOVE, name, move, is_aimed=True)


def _references(stored: StoredForm, rule: ForeignKeyConstraint, child: Table) -> Iterator[Shape]:
    """Refer from a row of one's own to a row of somebody else, by its key."""
    tenant = child.c[TENANT_COLUMN]
    links = [each.parent for each in rule.elements if each.parent.name != TENANT_COLUMN]
    linked = {each.name: _parameter("link", each) for each in links}
    row = {**_new_row(stored, child, role="fresh", parents="mine"), **linked}
    name = f"from {child.name}.{', '.join(linked)}"
    for told, statement in (
        ("new", insert(child).values(row).returning(tenant)),
        ("turned", update(child).values(linked).where(_has_key(child, "mine")).returning(tenant)),
    ):
        shape = _shape(
            rule.referred_table, Verb.REFER, f"{told}, {name}", statement, is_aimed=False
        )
        yield msgspec.structs.replace(shape, source=child)


def _repeats(stored: StoredForm, table: Table, rule: UniqueConstraint) -> Shape:
    """Store a new row of one's own with a unique value that somebody else has."""
    same = [each for each in rule.columns if each.name != TENANT_COLUMN]
    row = _new_row(stored, table, role="fresh", parents="mine")
    row |= {each.name: _parameter("same", each) for each in same}
    statement = insert(table).values(row).returning(table.c[TENANT_COLUMN])
    name = f"with the {', '.join(each.name for each in same)} of a row"
    return _shape(table, Verb.INSERT, name, statement, is_aimed=False)


def _new_row(
    stored: StoredForm, table: Table, *, role: str, parents: str | None = None
) -> dict[str, ColumnElement[Any]]:
    """Make a whole row; what isn't its key may refer to the ``parents`` of another role."""
    before = stored.tables[: stored.tables.index(table)]
    row: dict[str, ColumnElement[Any]] = {}
    for name in row_of(table, Key.FRESH, "", before):
        column = table.c[name]
        is_link = bool(column.foreign_keys) and not column.primary_key
        row[name] = _parameter(parents or role if is_link else role, column)
    return row


def _spoiled(table: Table) -> dict[str, ColumnElement[Any]]:
    """Change something: a text if there is one, else the last column into what it was."""
    for column in columns_of(table):
        is_free = not column.primary_key and not column.foreign_keys
        if is_free and isinstance(column.type, String):
            return {column.name: _parameter("spoil", column)}
    last = columns_of(table)[-1]
    return {last.name: last}


def _shape(
    table: Table,
    verb: Verb,
    name: str,
    clause: ClauseElement,
    *,
    is_aimed: bool,
) -> Shape:
    compiled = clause.compile(
        dialect=dialect(), schema_translate_map={None: _SCHEMA}, render_schema_translate=True
    )
    assert isinstance(compiled, SQLCompiler)
    return Shape(
        table=table,
        source=table,
        verb=verb,
        name=name,
        clause=clause,
        is_aimed=is_aimed,
        text=str(compiled),
        order=tuple(compiled.positiontup or ()),
    )


def _rules_to(parent: Table, child: Table) -> list[ForeignKeyConstraint]:
    rules: Iterable[ForeignKeyConstraint] = child.foreign_key_constraints
    return sorted(
        (each for each in rules if each.referred_table is parent), key=lambda each: str(each.name)
    )


def _has_key(table: Table, role: str = "key") -> ColumnElement[bool]:
    return and_(
        *[
            column == _parameter(role, column)
            for column in table.primary_key
            if column.name != TENANT_COLUMN
        ]
    )


def _is_victims(table: Table) -> ColumnElement[bool]:
    return table.c[TENANT_COLUMN] == _victim()


def _victim() -> ColumnElement[UUID]:
    return bindparam(_VICTIM, type_=Uuid())


def _parameter(role: str, column: Column[Any]) -> ColumnElement[Any]:
    """Make a parameter that travels as text and arrives as the column's type."""
    return cast(bindparam(f"{role}{_BETWEEN}{column.name}", type_=String()), column.type)
