"""awards, when an artist was born, and who is still at work"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_awards"
down_revision = "0001_e320fb"


def upgrade() -> None:
    op.add_column("artist", sa.Column("born", sa.Integer(), nullable=True))
    op.add_column(
        "artist", sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.create_table(
        "award",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("award_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("artist_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "award_id", name="award_key"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "artist_id"],
            ["artist.tenant_id", "artist.artist_id"],
            name="award_artist_id_exists",
        ),
    )
    op.create_index("award_by_artist_id", "award", ["tenant_id", "artist_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError
