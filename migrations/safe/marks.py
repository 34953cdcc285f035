"""The marks by which a revision parts itself into steps."""

from __future__ import annotations

from alembic import op

from migrations.product.steps import Backfill, mark, mark_backfill
from router.errors import ProductRefused


def transaction() -> None:
    """Commit what came before; what follows is a transaction of its own."""
    _say(mark("transaction"))


def alone() -> None:
    """Commit what came before; what follows runs outside of transactions, each statement alone."""
    _say(mark("alone"))


def fill(step: Backfill) -> None:
    """Commit what came before, fill rows in batches, and begin a transaction with what follows."""
    _say(mark_backfill(step))


def _say(line: str) -> None:
    context = op.get_context()
    if not context.as_sql:
        raise ProductRefused(
            "a revision with `online = True` is one transaction of Python in each place, and "
            "safe.… makes several; write a second revision without it"
        )
    context.impl.static_output(line)
