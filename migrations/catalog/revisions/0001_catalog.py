"""The catalog's first shape: plans, clusters, tenants, people, operations, audit."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FOLDER = Path(__file__).with_name("0001_catalog")


def upgrade() -> None:
    """Run the files in the order in which they need each other."""
    for name in ("tables.sql", "guards.sql", "news.sql", "seed.sql"):
        op.execute(FOLDER.joinpath(name).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Refuse: the catalog is the only record of where each tenant's rows are."""
    raise NotImplementedError("the catalog's first revision can't be taken back")
