"""Enterprise: one tenant, one database, one login of its own."""

from __future__ import annotations

from dedicated_tier.store import DatabaseStore

__all__ = ["DatabaseStore"]
