"""mood"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_mood"
down_revision = "0001_notes"


def upgrade() -> None:
    op.add_column("note", sa.Column("mood", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("note", "mood")
