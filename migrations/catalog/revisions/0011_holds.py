"""Holds: moves that stand still, or stop before their switch, until somebody says a word."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0011_holds")


def upgrade() -> None:
    """Add the table, its news, and the view."""
    op.execute(FOLDER.joinpath("tables.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take them away: a move that stood still goes on."""
    op.execute("DROP VIEW catalog.move_in_full")
    op.drop_table("move_hold", schema="catalog")
    op.execute("DROP FUNCTION catalog.tell_of_move_hold()")
