"""the shop's eleven tables, as they were released"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001_e320fb"
down_revision = None


def upgrade() -> None:
    op.execute(Path(__file__).parents[1].joinpath("tables.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    raise NotImplementedError
