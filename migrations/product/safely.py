"""Puts what a revision does to tables with rows into its safe form, as far as that can be known.

What can't be known is left as Alembic writes it, and the linter says what is wrong with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    CreateUniqueConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
)
from sqlalchemy import Column, DefaultClause
from sqlalchemy.sql import ClauseElement

from migrations.lint.columns import is_rewritten_by
from router.alchemy import TENANT_COLUMN
from router.names import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.ddl.impl import DefaultImpl
    from alembic.operations.ops import OpContainer

#: PostgreSQL's own list behind SET NULL, which the safe form writes by itself.
_LISTED = re.compile(r"\s*\(.*\)$")
_KNOWN_TO_FOREIGN_KEYS = frozenset({"ondelete", "referent_schema"})
_KNOWN_TO_UNIQUE = frozenset({"deferrable"})
_NAME_LENGTH_MAX = 63


class SafeCall(MigrateOperation):
    """A line of a revision that calls a safe form."""

    def __init__(self, text: str) -> None:
        self.text = text


@renderers.dispatch_for(SafeCall)
def _render(_: AutogenContext, operation: SafeCall) -> str:
    return operation.text


def name_constraints(operations: OpContainer) -> None:
    """Name the constraints that are added without a name, as PostgreSQL would.

    What has no name can't be validated, or taken back.
    """
    for operation in operations.ops:
        match operation:
            case ModifyTableOps():
                name_constraints(operation)
            case CreateForeignKeyOp(constraint_name=None):
                columns = [each for each in operation.local_cols if each != TENANT_COLUMN]
                operation.constraint_name = _name(operation.source_table, columns, "fkey")
            case CreateUniqueConstraintOp(constraint_name=None):
                columns = [str(each) for each in operation.columns if each != TENANT_COLUMN]
                operation.constraint_name = _name(operation.table_name, columns, "key")
            case _:
                pass


def make_safe(operations: OpContainer, impl: DefaultImpl) -> list[str]:
    """Put changes of tables that have rows into their safe forms; returns what to think of."""
    notes: list[str] = []
    made = {each.table_name for each in operations.ops if isinstance(each, CreateTableOp)}
    gone = {each.table_name for each in operations.ops if isinstance(each, DropTableOp)}
    for operation in operations.ops:
        if not isinstance(operation, ModifyTableOps) or operation.table_name in made:
            continue
        if operation.table_name in gone:
            # Its indexes go with it.
            operation.ops = [each for each in operation.ops if not isinstance(each, DropIndexOp)]
        else:
            operation.ops = [
                safe for each in operation.ops for safe in _in_safe_form(each, impl, notes)
            ]
    return notes


def _in_safe_form(
    operation: MigrateOperation, impl: DefaultImpl, notes: list[str]
) -> Iterator[MigrateOperation]:
    match operation:
        case CreateIndexOp():
            yield SafeCall(_index(operation, impl))
        case DropIndexOp(index_name=str(name), table_name=str(table)):
            yield SafeCall(f"safe.drop_index_concurrently({name!r}, {table!r})")
        case CreateUniqueConstraintOp() if _has_only(operation.kw, _KNOWN_TO_UNIQUE):
            yield SafeCall(_unique(operation))
        case CreateForeignKeyOp() if _has_only(operation.kw, _KNOWN_TO_FOREIGN_KEYS):
            rule = f"{operation.source_table!r}, {operation.constraint_name!r}"
            yield SafeCall(_foreign_key(operation))
            yield SafeCall(f"safe.validate_constraint({rule})")
        case AddColumnOp():
            yield from _column(operation, impl, notes)
        case AlterColumnOp(modify_nullable=False):
            yield from _not_null(operation, notes)
        case _:
            yield operation


def _index(operation: CreateIndexOp, impl: DefaultImpl) -> str:
    index = operation.to_index()
    options: dict[str, object] = {
        str(name): value for name, value in index.dialect_kwargs.items() if value not in (None, {})
    }
    columns: list[str] = [
        repr(each.name) if isinstance(each, Column) else _spelled(each, impl, is_index=True)
        for each in index.expressions
    ]
    if options.get("postgresql_using", "btree") == "btree":
        # The safe form puts the tenant in front.
        columns = [each for each in columns if each != repr(TENANT_COLUMN)]
    text = f"{operation.index_name!r}, {operation.table_name!r}, [{', '.join(columns)}]"
    if index.unique:
        text += ", unique=True"
    if options:
        spelled = [f"{name!r}: {_spelled(value, impl)}" for name, value in options.items()]
        text += f", options={{{', '.join(spelled)}}}"
    return f"safe.create_index_concurrently({text})"


def _unique(operation: CreateUniqueConstraintOp) -> str:
    columns = [str(each) for each in operation.columns if each != TENANT_COLUMN]
    text = f"{operation.constraint_name!r}, {operation.table_name!r}, {columns!r}"
    if operation.kw.get("deferrable"):
        text += ", deferrable=True"
    return f"safe.add_unique({text})"


def _foreign_key(operation: CreateForeignKeyOp) -> str:
    pairs = zip(operation.local_cols, operation.remote_cols, strict=True)
    columns = {local: remote for local, remote in pairs if local != TENANT_COLUMN}
    schema = operation.kw.get("referent_schema")
    to = f"{schema}.{operation.referent_table}" if schema else operation.referent_table
    text = f"{operation.constraint_name!r}, {operation.source_table!r}, {columns!r}, to={to!r}"
    if operation.kw.get("ondelete"):
        text += f", on_delete={_LISTED.sub('', operation.kw['ondelete'])!r}"
    return f"safe.add_foreign_key_not_valid({text})"


def _column(
    operation: AddColumnOp, impl: DefaultImpl, notes: list[str]
) -> Iterator[MigrateOperation]:
    table, column = operation.table_name, operation.column
    default = _default(column, impl)
    is_rewritten = default is not None and is_rewritten_by(default)
    is_made_by_rule = column.identity is not None or column.computed is not None
    if is_made_by_rule or (not is_rewritten and (column.nullable or default is not None)):
        yield operation
        return
    # A column of its own: the one of the models must stay what it is.
    empty: Column[Any] = Column(column.name, column.type, nullable=True, comment=column.comment)
    yield AddColumnOp(table, empty)
    if default is None:
        notes.append(
            f"{table}.{column.name} may be NULL for now, as the last release doesn't write it: "
            "let a release go out that does, then write the next revision, which forbids NULL; or "
            "give the column a server_default"
        )
        return
    yield AlterColumnOp(
        table,
        column.name,
        existing_type=column.type,
        modify_server_default=column.server_default,
    )
    if column.nullable:
        name = quote(column.name)
        assigned, empty_where = f"{name} = {default}", f"{name} IS NULL"
        yield SafeCall(f"safe.backfill({table!r}, {assigned!r}, where={empty_where!r})")
    else:
        yield SafeCall(f"safe.add_not_null({table!r}, {column.name!r}, fill={default!r})")


def _not_null(operation: AlterColumnOp, notes: list[str]) -> Iterator[MigrateOperation]:
    table, column = operation.table_name, operation.column_name
    operation.modify_nullable = None
    if operation.has_changes():
        yield operation
    notes.append(
        f"{table}.{column}: where rows of before have none, say what they get: "
        f"safe.add_not_null({table!r}, {column!r}, fill='…')"
    )
    yield SafeCall(f"safe.add_not_null({table!r}, {column!r})")


def _default(column: Column[Any], impl: DefaultImpl) -> str | None:
    """Return a column's default as SQL."""
    default = column.server_default
    if not isinstance(default, DefaultClause):
        return None
    if isinstance(default.arg, str):
        return "'" + default.arg.replace("'", "''") + "'"
    return impl.render_ddl_sql_expr(default.arg, is_server_default=True)


def _spelled(value: object, impl: DefaultImpl, *, is_index: bool = False) -> str:
    """Spell a value as the code of a revision."""
    if isinstance(value, ClauseElement):
        return f"sa.text({impl.render_ddl_sql_expr(value, is_index=is_index)!r})"
    return repr(value)


def _has_only(given: dict[str, Any], known: frozenset[str]) -> bool:
    return all(name in known for name, value in given.items() if value is not None)


def _name(table: str, columns: Iterable[str], kind: str) -> str:
    return f"{'_'.join((table, *columns))}"[: _NAME_LENGTH_MAX - len(kind) - 1] + f"_{kind}"
