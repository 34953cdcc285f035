"""Archives: exports, restores, and tenants that are to be erased."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0007_archive")


def upgrade() -> None:
    """Run the files in the order in which they need each other."""
    for name in ("tables.sql", "guards.sql", "news.sql"):
        op.execute(FOLDER.joinpath(name).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Refuse: what people were told and did is kept."""
    raise NotImplementedError("what this revision keeps can't be thrown away")
