"""What a revision must not do to tables with rows and readers, and the safe way to write it."""

from __future__ import annotations

from migrations.lint.examine import check, lint
from migrations.lint.finding import Finding

__all__ = ["Finding", "check", "lint"]
