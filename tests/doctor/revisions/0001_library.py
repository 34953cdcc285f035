"""The library's first revision, and a view that keeps the rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_library"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stepwell_answer",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", postgresql.JSONB()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="stepwell_answer_key"),
    )
    op.create_index("stepwell_answer_by_age", "stepwell_answer", ["tenant_id", "created_at"])
    op.create_table(
        "author",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("author_id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("country", sa.String()),
        sa.Column("teacher", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["country"], ["reference.country.code"], name="author_country_exists"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "teacher"],
            ["author.tenant_id", "author.author_id"],
            name="author_teacher_exists",
            ondelete="SET NULL (teacher)",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "author_id", name="author_key"),
        sa.UniqueConstraint("tenant_id", "name", name="author_name_is_unique"),
    )
    op.create_table(
        "book",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("book_id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "author_id"],
            ["author.tenant_id", "author.author_id"],
            name="book_author_id_exists",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "book_id", name="book_key"),
    )
    op.create_index("book_by_title", "book", ["tenant_id", "title"])
    op.create_table(
        "shelf",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("book_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "book_id"],
            ["book.tenant_id", "book.book_id"],
            name="shelf_book_id_exists",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "book_id", "label", name="shelf_key"),
    )
    op.execute(
        "CREATE VIEW title WITH (security_invoker = true) AS SELECT tenant_id, title FROM book"
    )
