"""books"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_books"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "book",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("book_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("title", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "book_id"),
    )
    op.create_table(
        "stepwell_answer",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="stepwell_answer_key"),
    )
    op.create_index(
        "stepwell_answer_by_age", "stepwell_answer", ["tenant_id", "created_at"], unique=False
    )


def downgrade() -> None:
    raise NotImplementedError
