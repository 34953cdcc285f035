"""The console: what operators look a tenant up by, what the doctor found, who is busy."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0010_console")


def upgrade() -> None:
    """Add the indexes and the tables."""
    op.execute(FOLDER.joinpath("tables.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take them away: whatever they hold is found again."""
    op.drop_table("load", schema="catalog")
    op.drop_table("checkup", schema="catalog")
    for name in ("audit_by_request", "billing_by_customer", "invitation_by_email"):
        op.drop_index(name, schema="catalog")
