"""People: proofs of an e-mail address, passkeys, single sign-on, staff, and mail."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0004_people")


def upgrade() -> None:
    """Run the files in the order in which they need each other."""
    for name in ("tables.sql", "guards.sql", "news.sql"):
        op.execute(FOLDER.joinpath(name).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Refuse: what people were told and did is kept."""
    raise NotImplementedError("what this revision keeps can't be thrown away")
