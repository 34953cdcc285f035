"""Every database that holds tenants: what is done to all of them starts here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.doctor import DatabaseName
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection

_SQL = load("deploy", "places.sql")


async def list_places(connection: Connection) -> list[DatabaseName]:
    """Return the shared database of each shared cluster, and every database of one tenant's own."""
    rows = await connection.fetch(_SQL["databases"])
    return [DatabaseName(cluster=row["cluster"], database=row["database"]) for row in rows]
