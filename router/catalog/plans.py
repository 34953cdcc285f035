"""Plans: the price list, in versions. A tenant keeps the version that it bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from router.errors import NotFound, Unprocessable
from router.sql import load
from router.words import Limits, Plan, Tier

if TYPE_CHECKING:
    import asyncpg

    from router.connect import Connection

_SQL = load("router.catalog", "plans.sql")


async def get(connection: Connection, name: str) -> Plan:
    """Return a plan at its current version; raises Unprocessable with the plans that there are."""
    row = await connection.fetchrow(_SQL["find"], name)
    if row is None:
        known = ", ".join(plan.name for plan in await list_all(connection))
        raise Unprocessable(f"there is no plan {name[:40]!r}; choose one of {known}")
    return _plan(row)


async def get_version(connection: Connection, name: str, version: int) -> Plan:
    """Return a plan as it was at a version that somebody bought."""
    row = await connection.fetchrow(_SQL["find_version"], name, version)
    if row is None:
        raise NotFound(f"there is no version {version} of the plan {name[:40]!r}")
    return _plan(row)


async def list_all(connection: Connection) -> list[Plan]:
    """Return every plan at its current version, from the smallest tier to the largest."""
    return [_plan(row) for row in await connection.fetch(_SQL["list"])]


async def publish(connection: Connection, name: str, *, tier: Tier, limits: Limits) -> Plan:
    """Make a plan, or its next version, for who buys it from now on; needs a transaction."""
    version = await connection.fetchval(_SQL["open"], name, tier) + 1
    await connection.execute(_SQL["publish"], name, version, msgspec.json.encode(limits).decode())
    return Plan(name=name, version=version, tier=tier, limits=limits)


def _plan(row: asyncpg.Record) -> Plan:
    return Plan(
        name=row["name"],
        version=row["version"],
        tier=Tier(row["tier"]),
        limits=msgspec.json.decode(row["limits"], type=Limits),
    )
