"""What a tenant's tables look like to a mover: names, types, keys and who refers to whom."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Column, Computed, ForeignKeyConstraint, Table, UniqueConstraint

from router.alchemy import REFERENCE_SCHEMA, TENANT_COLUMN, dialect
from router.errors import PlatformError
from router.names import quote
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection
    from router.product.stored_form import StoredForm

_SQL = load("promotion", "shape.sql")
_DIALECT = dialect()


class ShapeDiffers(PlatformError):
    """A database's tables aren't those of the product: a move would lose what it doesn't know."""

    code = "shape_differs"
    title = "The tables are not those of the product"


class ColumnShape(msgspec.Struct, frozen=True, kw_only=True):
    """One column; a generated one is computed by PostgreSQL and can't be written."""

    name: str
    type_sql: str
    is_generated: bool
    is_identity: bool


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign key to another table of the tenant; ``on_delete`` is the action alone."""

    table: str
    columns: tuple[str, ...]
    to_columns: tuple[str, ...]
    on_delete: str


class TableShape(msgspec.Struct, frozen=True, kw_only=True):
    """One table. The tenant's own column leads every key and stands in none of these."""

    name: str
    key: tuple[str, ...]
    columns: tuple[ColumnShape, ...]
    uniques: tuple[tuple[str, ...], ...]
    references: tuple[Reference, ...]

    @property
    def written(self) -> tuple[ColumnShape, ...]:
        """The columns that a mover reads and writes."""
        return tuple(column for column in self.columns if not column.is_generated)

    @property
    def key_columns(self) -> tuple[ColumnShape, ...]:
        """The columns of the primary key, in its order."""
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in self.key)

    @property
    def names(self) -> str:
        """Spell the columns that are written, as a list of SQL."""
        return ", ".join(quote(column.name) for column in self.written)

    @property
    def key_names(self) -> str:
        """Spell the columns of the key, as a list of SQL."""
        return ", ".join(quote(name) for name in self.key)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """All tables that hold a tenant's rows, parents before children."""

    tables: tuple[TableShape, ...]

    def table(self, name: str) -> TableShape:
        """Return a table by its name."""
        return next(table for table in self.tables if table.name == name)


def shape_of(stored: StoredForm) -> Shape:
    """Read the shape off the stored form."""
    return Shape(tables=tuple(_table(table) for table in stored.tables))


async def fingerprint(connection: Connection, schema: str, shape: Shape) -> str:
    """Sum up what PostgreSQL says of the tables: equal in all tiers at equal revisions.

    Raises ShapeDiffers when a table or a column is there that the shape doesn't know, or isn't
    there that it knows. Inside of a transaction, that must be one of the side.
    """
    if not connection.is_in_transaction():
        # Names are spelled as the search path sees them, and every side's begins with its schema.
        async with connection.transaction(readonly=True):
            path = f"{quote(schema)}, {REFERENCE_SCHEMA}"
            await connection.execute(f"SET LOCAL search_path = {path}")
            return await fingerprint(connection, schema, shape)
    lines = await connection.fetch(_SQL["describe"], schema)
    found: dict[str, dict[str, bool]] = {}
    for line in lines:
        assert line["seen_from"] in {schema, ""}, "the transaction isn't one of the side"
        columns = found.setdefault(line["table_name"], {})
        if line["kind"] == "column" and line["name"] != TENANT_COLUMN:
            columns[line["name"]] = line["is_generated"]
    _check(schema, shape, found)
    said = [(line["table_name"], line["kind"], line["name"], line["detail"]) for line in lines]
    return hashlib.sha256(msgspec.json.encode(sorted(said))).hexdigest()


def assert_equal_tables(one: str, other: str, *schemas: str) -> None:
    """Raise ShapeDiffers when the fingerprints of both ends aren't the same any more."""
    if one != other:
        raise ShapeDiffers(
            f"the tables of schemas {' and '.join(schemas)} aren't the same any more: somebody "
            "altered them during the move; bring both to the head revision and try again"
        )


def spell_table_lock(schema: str, shape: Shape) -> str:
    """Spell what keeps the tables from being altered, and no reader or writer from anything."""
    places = ", ".join(f"{quote(schema)}.{quote(table.name)}" for table in shape.tables)
    return f"LOCK TABLE {places} IN ACCESS SHARE MODE"


def _check(schema: str, shape: Shape, found: dict[str, dict[str, bool]]) -> None:
    known = {
        table.name: {column.name: column.is_generated for column in table.columns}
        for table in shape.tables
    }
    if known == found:
        return
    names = sorted(name for name in known.keys() | found if known.get(name) != found.get(name))
    raise ShapeDiffers(
        f"schema {schema} differs from the product in {', '.join(names)}: "
        "bring the schema and this process to the same revision"
    )


def _table(table: Table) -> TableShape:
    return TableShape(
        name=str(table.name),
        key=tuple(each.name for each in table.primary_key if each.name != TENANT_COLUMN),
        columns=tuple(_column(each) for each in table.columns if each.name != TENANT_COLUMN),
        uniques=_uniques(table),
        references=tuple(
            sorted(
                (
                    _reference(each)
                    for each in table.foreign_key_constraints
                    if each.referred_table.schema is None
                ),
                key=lambda each: (each.table, each.columns),
            )
        ),
    )


def _column(column: Column[object]) -> ColumnShape:
    return ColumnShape(
        name=str(column.name),
        type_sql=column.type.compile(_DIALECT),
        is_generated=isinstance(column.server_default, Computed),
        is_identity=column.identity is not None,
    )


def _uniques(table: Table) -> tuple[tuple[str, ...], ...]:
    """Name the columns of each unique rule, partial ones too; not those over expressions."""
    constraints = [
        tuple(column.name for column in each.columns)
        for each in table.constraints
        if isinstance(each, UniqueConstraint)
    ]
    indexes = [
        tuple(each.name for each in index.expressions if isinstance(each, Column))
        for index in table.indexes
        if index.unique and all(isinstance(each, Column) for each in index.expressions)
    ]
    return tuple(sorted({tuple(n for n in u if n != TENANT_COLUMN) for u in constraints + indexes}))


def _reference(constraint: ForeignKeyConstraint) -> Reference:
    pairs = [(each.parent.name, each.column.name) for each in constraint.elements]
    own = [(here, there) for here, there in pairs if here != TENANT_COLUMN]
    return Reference(
        table=constraint.referred_table.name,
        columns=tuple(here for here, _ in own),
        to_columns=tuple(there for _, there in own),
        on_delete=(constraint.ondelete or "NO ACTION").partition("(")[0].strip().upper(),
    )
