"""Looks: what workers saw last of what takes too long to be asked for by a page."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0012_looks")


def upgrade() -> None:
    """Add the table and the indexes."""
    op.execute(FOLDER.joinpath("tables.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take them away: whatever it holds is looked at again."""
    op.drop_table("look", schema="catalog")
    for name in ("operation_that_failed", "inbox_given_up", "letter_given_up"):
        op.drop_index(name, schema="catalog")
