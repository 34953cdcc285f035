"""What can't be stored safely, said when the product is loaded and not when a customer finds it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from litestar import Router
from sqlalchemy import Column, Computed
from sqlalchemy import Sequence as SqlSequence
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from router.alchemy import TENANT_COLUMN
from router.names import is_identifier
from router.product.stored_form import is_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from litestar.types import ControllerRouterHandler
    from sqlalchemy import Index, MetaData, Table

#: The first segments of the platform's own paths: a product's route must not begin with one.
OUR_PATHS = frozenset(
    {"api", "t", "webhooks", "docs", "schema", "healthz", "readyz", "metrics", "openapi.json"}
)
_PLATFORM_PREFIX = "stepwell_"

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_MATERIALIZED = re.compile(r"\bcreate\s+materialized\s+view\s+(\S+)", re.IGNORECASE)
_VIEW = re.compile(r"\bcreate\s+(?:or\s+replace\s+)?view\s+(\S+)([^;]*?)\bas\b", re.IGNORECASE)
_INVOKER = re.compile(r"security_invoker\s*(=\s*(true|on|1))?\s*[,)]", re.IGNORECASE)
_DEFINER = re.compile(
    r"\bcreate\s+(?:or\s+replace\s+)?function\s+(\S+?)\s*\((?:(?!\bcreate\b).)*?\bsecurity\s+definer\b",
    re.IGNORECASE | re.DOTALL,
)


def refusals(metadata: MetaData) -> Iterator[str]:
    """Say everything that is wrong with the product's tables: table, reason, way out."""
    for table in metadata.sorted_tables:
        yield from _table_refusals(table)
        if not is_reference(table):
            yield from _rule_refusals(table)


def sql_refusals(sql: str, *, where: str) -> Iterator[str]:
    """Say what is wrong with the SQL of a revision; ``where`` names it."""
    code = _COMMENT.sub(" ", sql)
    for match in _MATERIALIZED.finditer(code):
        yield (
            f"{where}: materialised view {match[1]}: it has no row security, so every customer "
            "would read all; use a table that the product fills, or a plain view"
        )
    for match in _VIEW.finditer(code):
        if not _INVOKER.search(match[2]):
            yield (
                f"{where}: view {match[1]}: it reads as its owner; create it WITH "
                "(security_invoker = true)"
            )
    for match in _DEFINER.finditer(code):
        yield (
            f"{where}: function {match[1]}: SECURITY DEFINER runs it as the tables' owner; leave "
            "it SECURITY INVOKER"
        )


def route_refusals(routes: Sequence[ControllerRouterHandler]) -> Iterator[str]:
    """Say which routes would hide one of the platform's."""
    for route in Router(path="/", route_handlers=list(routes)).routes:
        first = route.path.strip("/").split("/")[0]
        if first in OUR_PATHS:
            yield f"route {route.path}: /{first} is the platform's; give it another path"


def _table_refusals(table: Table) -> Iterator[str]:
    if table.schema is not None:
        yield f"table {table.fullname}: it names a schema; leave it out, the platform chooses it"
    if not is_identifier(table.name) or table.name.startswith(_PLATFORM_PREFIX):
        yield (
            f"table {table.name}: name it with a-z, 0-9 and _ alone, and not {_PLATFORM_PREFIX}…"
        )
    if not list(table.primary_key):
        yield f"table {table.name}: it has no primary key, so its rows can't be told apart; add one"
    options = table.dialect_kwargs
    if options.get("postgresql_inherits") or options.get("postgresql_partition_by"):
        yield f"table {table.name}: inherited and partitioned tables can't be stored; make it plain"
    for column in table.columns:
        yield from _column_refusals(table, column)


def _column_refusals(table: Table, column: Column[object]) -> Iterator[str]:
    where = f"table {table.name}, column {column.name}"
    if column.name == TENANT_COLUMN:
        yield f"{where}: the platform adds a column of that name; rename it"
    if isinstance(column.default, SqlSequence):
        yield f"{where}: a sequence would be shared by all customers; use Identity()"
    if column.identity is not None and column.identity.always:
        yield f"{where}: GENERATED ALWAYS can't be restored or moved; use Identity(always=False)"
    if column.identity is not None and column is not table.autoincrement_column:
        yield f"{where}: an identity that is not the table's key isn't supported; use a default"
    if isinstance(column.server_default, Computed) and column.server_default.persisted is False:
        yield f"{where}: a virtual generated column can't be proved; make it persisted"


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
    for foreign_key in table.foreign_key_constraints:
        if foreign_key.referred_table.metadata is not table.metadata:
            yield f"table {table.name}: {foreign_key.name} refers to a table outside of the product"
        if (foreign_key.onupdate or "").upper() in {"SET NULL", "SET DEFAULT"}:
            yield (
                f"table {table.name}: {foreign_key.name} says ON UPDATE {foreign_key.onupdate}, "
                "which would null the tenant as well; use CASCADE, or none"
            )


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
