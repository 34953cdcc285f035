"""stars"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_stars"
down_revision = "0002_mood"


def upgrade() -> None:
    op.add_column("note", sa.Column("stars", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("note", "stars")
