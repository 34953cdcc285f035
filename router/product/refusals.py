"""What can't be stored safely, said when the product is loaded and not when a customer finds it."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from litestar import Router
from litestar.exceptions import LitestarException
from sqlalchemy import Column, Computed, DefaultClause
from sqlalchemy import Sequence as SqlSequence
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import NoReferenceError

from router.alchemy import TENANT_COLUMN, dialect
from router.names import is_identifier
from router.product.stored_form import is_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from litestar.types import ControllerRouterHandler
    from sqlalchemy import ForeignKeyConstraint, Identity, Index, MetaData, Table

#: The first segments of the platform's own paths: a product's route must not begin with one.
OUR_PATHS = frozenset(
    """
    api ask t webhooks docs schema healthz readyz metrics openapi.json
    account assets console invitation login logout new pricing reset sales signup sso switch verify
    w workspaces
    """.split()  # noqa: SIM905 - a list of twenty quoted words is read by nobody
) | {""}
#: What the platform's own tables, rules and triggers are called.
PLATFORM_PREFIX = "stepwell_"

_NEXTVAL = re.compile(r"\bnextval\s*\(", re.IGNORECASE)
_SPELLING = dialect()


def refusals(metadata: MetaData) -> Iterator[str]:
    """Say everything that is wrong with the product's tables: table, reason, way out."""
    # Not sorted_tables: it can't sort tables whose foreign keys lead nowhere.
    tables = metadata.tables.values()
    is_broken = False
    for table in tables:
        yield from _table_refusals(table)
        for column in table.columns:
            yield from _column_refusals(table, column)
        if not is_reference(table):
            yield from _rule_refusals(table)
        for foreign_key in table.foreign_key_constraints:
            broken = list(_broken_reference(table, foreign_key))
            is_broken = is_broken or bool(broken)
            yield from broken or _reference_refusals(table, foreign_key)
    if not is_broken:
        yield from _circle_refusals(tables)


def route_refusals(routes: Sequence[ControllerRouterHandler]) -> Iterator[str]:
    """Say which routes would hide one of the platform's."""
    try:
        found = Router(path="/", route_handlers=list(routes)).routes
    except LitestarException as error:
        yield f"the routes: Litestar can't serve them: {error}"
        return
    for route in found:
        first = route.path.strip("/").split("/")[0]
        if first in OUR_PATHS:
            yield f"route {route.path}: /{first} is the platform's; give it another path"


def _table_refusals(table: Table) -> Iterator[str]:
    where = f"table {table.fullname}"
    if table.schema is not None:
        yield f"{where}: it names a schema; leave it out, the platform chooses it"
    yield from _name_refusals(table)
    if not list(table.primary_key):
        yield f"{where}: it has no primary key, so its rows can't be told apart; add one"
    if table.primary_key.deferrable:
        yield f"{where}: a move finds rows by the primary key at once; don't make it DEFERRABLE"
    options = table.dialect_kwargs
    if options.get("postgresql_inherits") or options.get("postgresql_partition_by"):
        yield f"{where}: inherited and partitioned tables can't be stored; make it plain"
    if prefixes := " ".join(map(str, getattr(table, "_prefixes", ()))):
        yield f"{where}: CREATE {prefixes} TABLE isn't what would be stored; leave the prefix out"


def _name_refusals(table: Table) -> Iterator[str]:
    where = f"table {table.fullname}"
    if not is_identifier(table.name) or table.name.startswith(PLATFORM_PREFIX):
        yield f"{where}: name it with a-z, 0-9 and _ alone, and not {PLATFORM_PREFIX}…"
    names = [each.name for each in table.constraints] + [each.name for each in table.indexes]
    for name in sorted(map(str, names)):
        if name.startswith(PLATFORM_PREFIX):
            yield f"{where}: {name} begins as the platform's own names do; rename it"


def _column_refusals(table: Table, column: Column[object]) -> Iterator[str]:
    where = f"table {table.fullname}, column {column.name}"
    if column.name == TENANT_COLUMN or column.name.startswith(PLATFORM_PREFIX):
        yield f"{where}: the platform adds columns of such names; rename it"
    if column.unique and column.info.get("global"):
        yield _global(table, column.name)
    of_elements = getattr(column.type, "item_type", column.type)
    if (schema := getattr(of_elements, "schema", None)) is not None:
        yield f"{where}: its type names the schema {schema}; leave it out, the platform chooses it"
    if isinstance(column.default, SqlSequence) or _NEXTVAL.search(_default(column)):
        yield f"{where}: a sequence would be shared by all customers; use Identity()"
    if column.identity is not None:
        yield from _identity_refusals(table, column, column.identity)
    if isinstance(column.server_default, Computed) and not column.server_default.persisted:
        yield f"{where}: a virtual generated column can't be proved; say persisted=True"


def _identity_refusals(table: Table, column: Column[object], identity: Identity) -> Iterator[str]:
    where = f"table {table.fullname}, column {column.name}"
    if identity.always:
        yield f"{where}: GENERATED ALWAYS can't be restored or moved; use Identity(always=False)"
    if column is not table.autoincrement_column:
        yield f"{where}: an identity that is not the table's key isn't supported; use a default"
    bounds = (identity.minvalue, identity.maxvalue, identity.cycle)
    if any(each not in {None, 1} for each in (identity.start, identity.increment)) or any(
        each is not None for each in bounds
    ):
        yield (
            f"{where}: in shared tables each customer's ids count 1, 2, 3; leave the identity's "
            "start, increment, bounds and cycle out"
        )


def _default(column: Column[object]) -> str:
    """Spell what the database fills a column with."""
    if not isinstance(column.server_default, DefaultClause):
        return ""
    given = column.server_default.arg
    return given if isinstance(given, str) else str(given.compile(dialect=_SPELLING))


def _rule_refusals(table: Table) -> Iterator[str]:
    for constraint in table.constraints:
        if isinstance(constraint, ExcludeConstraint):
            yield (
                f"table {table.name}: the exclusion {constraint.name} would hold across customers; "
                "check it in the product, or with a unique rule"
            )
        if constraint.info.get("global"):
            yield _global(table, str(constraint.name))
    for index in table.indexes:
        if index.unique:
            yield from _index_refusals(table, index)


def _broken_reference(table: Table, foreign_key: ForeignKeyConstraint) -> Iterator[str]:
    try:
        is_outside = foreign_key.referred_table.metadata is not table.metadata
        _ = [element.column for element in foreign_key.elements]
    except NoReferenceError as error:
        yield f"table {table.fullname}: {error}; correct it, or add what it refers to"
        return
    if is_outside:
        yield f"{_where(table, foreign_key)} refers to a table outside of the product"


def _reference_refusals(table: Table, foreign_key: ForeignKeyConstraint) -> Iterator[str]:
    where = _where(table, foreign_key)
    if is_reference(table):
        if not is_reference(foreign_key.referred_table):
            yield (
                f"{where} leads from a reference table, which all customers share, to "
                f"{foreign_key.referred_table.name}, which each has of its own; turn it round"
            )
        return
    if (foreign_key.onupdate or "").upper() in {"SET NULL", "SET DEFAULT"}:
        yield (
            f"{where} says ON UPDATE {foreign_key.onupdate}, which would null the tenant as well; "
            "use CASCADE, or none"
        )
    if (foreign_key.match or "SIMPLE").upper() != "SIMPLE":
        yield (
            f"{where} says MATCH {foreign_key.match}, and the tenant, which is part of it, is "
            "never null; leave it out, and say with a CHECK which columns are null together"
        )


def _circle_refusals(tables: Iterable[Table]) -> Iterator[str]:
    """Name tables that can't be made one after the other, with nobody told what to do later."""
    parents = {
        table.name: {
            foreign_key.referred_table.name
            for foreign_key in table.foreign_key_constraints
            if not foreign_key.use_alter and foreign_key.referred_table is not table
        }
        for table in tables
    }
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        yield (
            f"tables {', '.join(sorted(set(error.args[1])))}: they refer to each other in a "
            "circle; give one of these foreign keys a name and use_alter=True"
        )


def _where(table: Table, foreign_key: ForeignKeyConstraint) -> str:
    name = foreign_key.name or "(" + ", ".join(map(str, foreign_key.column_keys)) + ")"
    return f"table {table.fullname}: the foreign key {name}"


def _index_refusals(table: Table, index: Index) -> Iterator[str]:
    if index.info.get("global"):
        yield _global(table, str(index.name))
    if (index.dialect_kwargs.get("postgresql_using") or "btree") != "btree":
        yield f"table {table.name}: the unique index {index.name} must be a btree"


def _global(table: Table, name: str) -> str:
    return (
        f"table {table.name}: the unique rule {name} must hold across all customers, which live in "
        "several databases; make it a rule within one customer, or keep it in another system"
    )
