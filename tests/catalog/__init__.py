"""The catalog on real PostgreSQL: its rules, the directory, people, operations."""

from __future__ import annotations
