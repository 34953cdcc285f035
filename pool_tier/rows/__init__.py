"""Starter: tables that many tenants share, under row-level security."""

from __future__ import annotations

from pool_tier.rows.store import RowsStore

__all__ = ["RowsStore"]
