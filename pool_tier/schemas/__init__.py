"""Pro: a schema of its own in a shared database."""

from __future__ import annotations

from pool_tier.schemas.store import SchemasStore

__all__ = ["SchemasStore"]
