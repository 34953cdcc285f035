"""For revisions: changes of tables with rows and readers, in steps that hold nobody up.

``from migrations import safe`` in a revision; docs/how-to/write-revisions.md has each form. Columns
are the product's: ``tenant_id`` comes in front by itself.
"""

from __future__ import annotations

from migrations.safe.forms import (
    add_check,
    add_foreign_key_not_valid,
    add_not_null,
    add_unique,
    backfill,
    create_index_concurrently,
    drop_index_concurrently,
    validate_constraint,
)
from migrations.safe.marks import alone, transaction

__all__ = [
    "add_check",
    "add_foreign_key_not_valid",
    "add_not_null",
    "add_unique",
    "alone",
    "backfill",
    "create_index_concurrently",
    "drop_index_concurrently",
    "transaction",
    "validate_constraint",
]
