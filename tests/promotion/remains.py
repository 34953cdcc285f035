"""Looks in every database of a test's world for what a killed worker might have left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.fleet import APP_LOGIN
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from router.connect import Connection
    from router.words import Placement
    from tests.promotion.journeys import Journey

_SQL = load("tests.promotion", "remains.sql")


async def remains(made: Journey) -> list[str]:
    """Name what is left of moves that ended; the world has one tenant."""
    fleet, living = made.made.platform.fleet, await made.placement()
    found: list[str] = []
    for name in ("shared-1", "shared-2"):
        database = fleet.cluster(name).shared_database
        assert database is not None
        async with fleet.admin(name, database) as connection:
            is_home = (name, database) == (living.cluster, living.database)
            here = await _in_shared(connection, living if is_home else None)
            found += [f"{name}: {each}" for each in here]
    return found + await _made_elsewhere(made, living)


async def _in_shared(connection: Connection, living: Placement | None) -> list[str]:
    found: list[str] = []
    homes = [tuple(row) for row in await connection.fetch(_SQL["homes"])]
    expected = [] if living is None else [("active", False, 0, living.schema)]
    if homes != expected:
        found.append(f"homes {homes}")
    found += [f"move {row['move_id']}" for row in await connection.fetch(_SQL["moves"])]
    if count := await connection.fetchval(_SQL["changes"]):
        found.append(f"{count} changes")
    own = None if living is None or living.tier is not Tier.SCHEMA else living.schema
    schemas = [row["nspname"] for row in await connection.fetch(_SQL["schemas"])]
    found += [f"schema {each}" for each in schemas if each != own]
    if living is None or living.tier is not Tier.ROWS:
        for what in ("counters", "rows"):
            if count := await connection.fetchval(_SQL[what]):
                found.append(f"{count} {what}")
    return found


async def _made_elsewhere(made: Journey, living: Placement) -> list[str]:
    platform, found = made.made.platform, list[str]()
    async with platform.catalog.connection() as connection:
        places = await connection.fetch(_SQL["made"], made.customer.id)
    for place in places:
        cluster = platform.fleet.cluster(place["cluster"])
        is_shared = place["tier"] != Tier.DATABASE or place["database"] == living.database
        database = None if is_shared else place["database"]
        login = None if place["login"] in {APP_LOGIN, living.login} else place["login"]
        async with platform.fleet.admin(cluster.name, cluster.maintenance_database) as connection:
            rows = await connection.fetch(_SQL["is_there"], database, login)
            found += [f"{cluster.name}: {row['datname']}" for row in rows]
    return found
