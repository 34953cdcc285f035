"""Enterprise: one tenant, one database, one login of its own."""

from dedicated_tier.store import DatabaseStore

__all__ = ["DatabaseStore"]
