"""Each change of a table in its safe form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic import op
from sqlalchemy import text

from migrations.product.steps import Backfill
from migrations.safe import marks
from router.alchemy import REFERENCE_SCHEMA, TENANT_COLUMN
from router.names import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import TextClause

#: Few enough that nobody waits long for a row, many enough that their transaction costs little.
BATCH_ROWS_MAX = 1_000
_NAME_LENGTH_MAX = 63


def create_index_concurrently(
    name: str,
    table: str,
    columns: Sequence[str | TextClause],
    *,
    unique: bool = False,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Build an index while others read and write; one that broke is built anew.

    ``options`` are Alembic's: ``{"postgresql_using": "gin"}``.
    """
    given: dict[str, Any] = {
        **(options or {}),
        "postgresql_concurrently": True,
        "if_not_exists": True,
    }
    is_btree = given.get("postgresql_using", "btree") == "btree"
    marks.alone()
    op.create_index(
        op.f(name), table, _led(columns) if is_btree else list(columns), unique=unique, **given
    )
    marks.transaction()


def drop_index_concurrently(name: str, table: str) -> None:
    """Drop an index without shutting anybody out who reads or writes."""
    marks.alone()
    op.drop_index(op.f(name), table, if_exists=True, postgresql_concurrently=True)
    marks.transaction()


def add_unique(name: str, table: str, columns: Sequence[str], *, deferrable: bool = False) -> None:
    """Add a unique rule whose index is built while others read and write."""
    create_index_concurrently(name, table, columns, unique=True)
    _alter(
        table,
        f"ADD CONSTRAINT {quote(name)} UNIQUE USING INDEX {quote(name)}"
        + (" DEFERRABLE" if deferrable else ""),
    )


def add_foreign_key_not_valid(
    name: str,
    table: str,
    columns: Mapping[str, str],
    *,
    to: str,
    on_delete: str = "",
) -> None:
    """Refer to another table, for rows that are written from now on.

    ``columns`` says which column refers to which. ``validate_constraint`` then looks at the rows of
    before; it must be a step, or a revision, later.
    """
    schema, _, referred = to.rpartition(".")
    lead = [] if schema == REFERENCE_SCHEMA else [TENANT_COLUMN]
    if on_delete.upper() in {"SET NULL", "SET DEFAULT"}:
        # Without the list PostgreSQL would null the tenant as well.
        on_delete = f"{on_delete} ({', '.join(columns)})"
    op.create_foreign_key(
        op.f(name),
        table,
        referred,
        [*lead, *columns.keys()],
        [*lead, *columns.values()],
        ondelete=on_delete or None,
        referent_schema=schema or None,
        postgresql_not_valid=True,
    )


def add_check(name: str, table: str, condition: str) -> None:
    """Check rows that are written from now on, then those of before, holding nobody up."""
    _alter(table, f"ADD CONSTRAINT {quote(name)} CHECK ({condition}) NOT VALID")
    validate_constraint(table, name)


def validate_constraint(table: str, name: str) -> None:
    """Look at the rows of before, in a transaction of its own: others read and write meanwhile."""
    marks.transaction()
    _alter(table, f"VALIDATE CONSTRAINT {quote(name)}")
    marks.transaction()


def add_not_null(table: str, column: str, *, fill: str | None = None) -> None:
    """Forbid NULL in a column, without looking through the table while nobody may touch it.

    ``fill`` is the SQL expression that rows of before get. Code of the last release must write the
    column by now, or the column must have a default.
    """
    rule = f"{table}_{column}_is_given"[:_NAME_LENGTH_MAX]
    name, empty = quote(column), f"{quote(column)} IS NULL"
    if fill is not None:
        backfill(table, f"{name} = {fill}", where=empty)
    _alter(table, f"ADD CONSTRAINT {quote(rule)} CHECK ({name} IS NOT NULL) NOT VALID")
    if fill is not None:
        # Those that came without a value while the others were filled; from here on none can.
        backfill(table, f"{name} = {fill}", where=empty)
    validate_constraint(table, rule)
    # PostgreSQL believes the rule, and doesn't look again.
    _alter(table, f"ALTER COLUMN {name} SET NOT NULL")
    _alter(table, f"DROP CONSTRAINT {quote(rule)}")


def backfill(
    table: str, assignments: str, *, where: str, batch_rows_max: int = BATCH_ROWS_MAX
) -> None:
    """Fill rows of before in batches, tenant by tenant: ``SET {assignments} WHERE {where}``.

    ``where`` must not hold for a row that is filled already. Rows are filled as the platform's own
    work: the product's triggers don't run.
    """
    assert batch_rows_max > 0, "a batch without rows would never end"
    marks.fill(
        Backfill(table=table, assignments=assignments, where=where, batch_rows_max=batch_rows_max)
    )


def _alter(table: str, action: str) -> None:
    # As text, not a string: Alembic would take a colon for a parameter either way.
    op.execute(text(f"ALTER TABLE {quote(table)} {action}".replace(":", "\\:")))


def _led(columns: Sequence[str | TextClause]) -> list[str | TextClause]:
    """Put the tenant in front, where the stored form has it."""
    rest = [each for each in columns if not (isinstance(each, str) and each == TENANT_COLUMN)]
    return [TENANT_COLUMN, *rest]
