"""Search: a tenant by whatever an operator was given of it."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0010_search")


def upgrade() -> None:
    """Add the indexes."""
    op.execute(FOLDER.joinpath("tables.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take them away: they hold nothing of their own."""
    for name in ("audit_by_request", "billing_by_customer", "invitation_by_email"):
        op.drop_index(name, schema="catalog")
