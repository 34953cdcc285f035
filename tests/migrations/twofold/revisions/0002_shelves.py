"""shelves, pages, and titles of any length"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_shelves"
down_revision = "0001_books"


def upgrade() -> None:
    op.add_column("book", sa.Column("pages", sa.Integer(), nullable=True))
    op.alter_column("book", "title", type_=sa.Text())
    op.create_table(
        "shelf",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text("gate.claimed()"), nullable=False),
        sa.Column("shelf_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "shelf_id"),
    )


def downgrade() -> None:
    op.drop_table("shelf")
    op.alter_column("book", "title", type_=sa.String(40))
    op.drop_column("book", "pages")
