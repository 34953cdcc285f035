"""notes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_notes"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "note",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("note_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "note_id", name=op.f("note_key")),
    )
    op.create_table(
        "stepwell_answer",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("stepwell_answer_key")),
    )
    op.create_index(op.f("stepwell_answer_by_age"), "stepwell_answer", ["tenant_id", "created_at"])
