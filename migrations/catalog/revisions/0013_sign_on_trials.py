"""Trials of single sign-on: what a tenant's provider said when an owner tried it."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0013_sign_on_trials")


def upgrade() -> None:
    """Add the table."""
    op.execute(FOLDER.joinpath("tables.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take it away: a trial is made again in a minute."""
    op.drop_table("sign_on_trial", schema="catalog")
