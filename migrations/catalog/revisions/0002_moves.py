"""Moves: which tenant goes from where to where, how far, with what proof; and the outbox."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0002_moves")


def upgrade() -> None:
    """Run the files in the order in which they need each other."""
    for name in ("tables.sql", "guards.sql", "news.sql"):
        op.execute(FOLDER.joinpath(name).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Refuse: the receipts of moves are kept for ever."""
    raise NotImplementedError("the receipts of moves can't be thrown away")
