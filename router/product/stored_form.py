"""The stored form: the product's tables with the tenant in front, the same in all three tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import conv

from router.alchemy import REFERENCE_SCHEMA, TENANT_COLUMN, dialect

if TYPE_CHECKING:
    from sqlalchemy.sql.schema import SchemaItem

#: Answers to requests with an Idempotency-Key: kept with the tenant's rows, and moved with them.
ANSWER_TABLE = "stepwell_answer"
_SPELLING = dialect()


class StoredForm(msgspec.Struct, frozen=True, kw_only=True):
    """The derived tables, in one metadata: reference tables have a schema, the others none."""

    metadata: MetaData

    @property
    def tables(self) -> list[Table]:
        """The tenants' tables, parents before children."""
        return [table for table in self.metadata.sorted_tables if table.schema is None]

    @property
    def reference_tables(self) -> list[Table]:
        """The tables that all tenants read, parents before children."""
        return [table for table in self.metadata.sorted_tables if table.schema is not None]


def is_reference(table: Table) -> bool:
    """Tell whether all tenants read the table and none writes it."""
    return bool(table.info.get("reference"))


def derive(product: MetaData) -> StoredForm:
    """Derive the stored form; the product's own metadata is left as it is."""
    stored = MetaData(naming_convention=product.naming_convention)
    for table in product.sorted_tables:
        if is_reference(table):
            table.to_metadata(stored, schema=REFERENCE_SCHEMA)
        else:
            _derive_table(table, stored)
    _answer_table(stored)
    return StoredForm(metadata=stored)


def _derive_table(table: Table, stored: MetaData) -> Table:
    items: list[SchemaItem] = [_tenant_column()]
    items += [_derive_column(column, table) for column in table.columns]
    items.append(
        PrimaryKeyConstraint(
            TENANT_COLUMN,
            *[column.name for column in table.primary_key],
            name=_name(table.primary_key),
        )
    )
    for constraint in sorted(table.constraints, key=lambda each: str(each.name or "")):
        match constraint:
            case ForeignKeyConstraint():
                items.append(_derive_foreign_key(constraint))
            case UniqueConstraint():
                items.append(
                    UniqueConstraint(
                        TENANT_COLUMN,
                        *[column.name for column in constraint.columns],
                        name=_name(constraint),
                        deferrable=constraint.deferrable,
                        initially=constraint.initially,
                        **_given(constraint),
                    )
                )
            case CheckConstraint() if not getattr(constraint, "_type_bound", False):
                items.append(_derive_check(constraint))
            case _:
                pass
    derived = Table(table.name, stored, *items, comment=table.comment)
    for index in sorted(table.indexes, key=lambda each: str(each.name or "")):
        _derive_index(index, table, derived)
    return derived


def _tenant_column() -> Column[object]:
    return Column(TENANT_COLUMN, Uuid(), nullable=False, server_default=func.gate.claimed())


def _derive_column(column: Column[object], table: Table) -> Column[object]:
    copied = column._copy()  # noqa: SLF001 - Table.to_metadata copies columns the same way
    # The stored tables are spoken of by the names that the database knows.
    copied.key = column.name
    copied.foreign_keys.clear()
    copied.unique = None
    copied.index = None
    copied.primary_key = False
    copied.nullable = column.nullable and not column.primary_key
    if column is table.autoincrement_column and column.identity is None:
        # A column that SQLAlchemy would spell SERIAL: an identity needs no rights on a sequence.
        checks = [
            _derive_check(each) for each in column.constraints if isinstance(each, CheckConstraint)
        ]
        copied = Column(
            column.name,
            column.type,
            Identity(),
            *checks,
            nullable=False,
            comment=column.comment,
        )
    return copied


def _derive_check(constraint: CheckConstraint) -> CheckConstraint:
    # A check over columns joins their table by itself, and that is the product's.
    return CheckConstraint(_unbound(constraint.sqltext), name=_name(constraint))


def _unbound(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Rewrite an expression over columns into one over their names, which belong to no table."""
    rewritten: ColumnElement[Any] = visitors.replacement_traverse(
        expression,
        {},
        lambda element, **_: _bare(element),
    )
    return rewritten


def _bare(element: object) -> ColumnElement[Any] | None:
    if not isinstance(element, Column):
        return None
    return literal_column(_SPELLING.identifier_preparer.quote(element.name))


def _derive_foreign_key(constraint: ForeignKeyConstraint) -> ForeignKeyConstraint:
    columns = [element.parent.name for element in constraint.elements]
    referred = constraint.referred_table
    targets = [element.column.name for element in constraint.elements]
    if is_reference(referred):
        return ForeignKeyConstraint(
            columns,
            [f"{REFERENCE_SCHEMA}.{referred.name}.{target}" for target in targets],
            name=_name(constraint),
            comment=constraint.comment,
            link_to_name=True,
        )
    ondelete = constraint.ondelete
    if ondelete and ondelete.upper() in {"SET NULL", "SET DEFAULT"}:
        # Without the list PostgreSQL would null the tenant as well.
        ondelete = f"{ondelete} ({', '.join(columns)})"
    return ForeignKeyConstraint(
        [TENANT_COLUMN, *columns],
        [f"{referred.name}.{target}" for target in [TENANT_COLUMN, *targets]],
        name=_name(constraint),
        ondelete=ondelete,
        onupdate=constraint.onupdate,
        deferrable=constraint.deferrable,
        initially=constraint.initially,
        use_alter=constraint.use_alter,
        comment=constraint.comment,
        link_to_name=True,
    )


def _derive_index(index: Index, table: Table, derived: Table) -> None:
    method = index.dialect_kwargs.get("postgresql_using") or "btree"
    columns: list[ColumnElement[Any]] = [_moved(each, table, derived) for each in index.expressions]
    if method == "btree":
        columns.insert(0, derived.c[TENANT_COLUMN])
    options = _given(index)
    # A revision is one transaction.
    options.pop("postgresql_concurrently", None)
    if (where := options.get("postgresql_where")) is not None:
        options["postgresql_where"] = _moved(where, table, derived)
    # Told its table: expressions that are mere text don't lead to one.
    Index(index.name, *columns, unique=index.unique, _table=derived, **options)


def _moved(
    expression: ColumnElement[Any] | str, table: Table, derived: Table
) -> ColumnElement[Any]:
    """Rewrite an expression over the product's columns into one over the stored ones."""
    if isinstance(expression, str):
        return literal_column(expression)
    rewritten: ColumnElement[Any] = visitors.replacement_traverse(
        expression,
        {},
        lambda element, **_: (
            derived.c[element.name]
            if isinstance(element, Column) and element.table is table
            else None
        ),
    )
    return rewritten


def _given(item: UniqueConstraint | Index) -> dict[str, Any]:
    """Return the PostgreSQL options that the product gave, without those it left alone."""
    return {key: value for key, value in item.dialect_kwargs.items() if value is not None}


def _name(constraint: object) -> str | None:
    """Return the name that the product's constraint has; PostgreSQL draws the others."""
    name = getattr(constraint, "name", None)
    # Already a name by the product's convention, which must not be applied a second time.
    return conv(name) if isinstance(name, str) else None


def _answer_table(stored: MetaData) -> None:
    Table(
        ANSWER_TABLE,
        stored,
        _tenant_column(),
        Column("key", Text, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", Integer),
        Column("headers", JSONB),
        Column("body", LargeBinary),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint(TENANT_COLUMN, "key", name=conv("stepwell_answer_key")),
        Index(conv("stepwell_answer_by_age"), TENANT_COLUMN, "created_at"),
    )
