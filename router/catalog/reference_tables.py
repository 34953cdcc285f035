"""Versions of the reference tables: each database that holds tenants copies what is newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection

_SQL = load("router.catalog", "reference_tables.sql")


async def versions(connection: Connection) -> dict[str, int]:
    """Return the version of every reference table."""
    return {row["name"]: row["version"] for row in await connection.fetch(_SQL["list"])}


async def changed(connection: Connection, name: str) -> int:
    """Record, in the transaction of the change, that a reference table changed."""
    return int(await connection.fetchval(_SQL["changed"], name))
