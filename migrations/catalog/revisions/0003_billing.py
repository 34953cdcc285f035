"""Billing: what the provider says of a tenant, what we made of it, and what was used."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0003_billing")


def upgrade() -> None:
    """Run the files in the order in which they need each other."""
    for name in ("billing.sql", "usage.sql", "tenant.sql", "guards.sql", "news.sql"):
        op.execute(FOLDER.joinpath(name).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Refuse: the ledger of what was used is kept for ever."""
    raise NotImplementedError("the ledger of usage can't be thrown away")
