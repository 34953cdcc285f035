"""Looks in all databases for what is left of a tenant's moves, and tells each thing it finds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from promotion.move import landing_schema
from router.fleet import APP_LOGIN
from router.names import quote
from router.sql import load
from router.words import Placement, Tier

if TYPE_CHECKING:
    from router.connect import Connection
    from tests.promotion.trips import Trip

_SQL = load("tests.promotion", "leftovers.sql")
_LOOKS = 40


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate ought to say of a tenant that lives there and doesn't move."""

    state: str
    epoch: int
    schema_name: str
    login: str
    place: Placement
    capture: bool
    delay_ms: int


async def assert_nothing_left(trip: Trip) -> None:
    """See that the tenant is where the catalog says, and nowhere else in any form."""
    found = await leftovers(trip)
    assert not found, found


async def leftovers(trip: Trip) -> list[str]:
    """Name what is somewhere and oughtn't to be."""
    living = await trip.placement()
    places = {(living.cluster, living.database)}
    for move in trip.seen:
        places |= {(each.cluster, each.database) for each in (move.source, move.target)}
    found: list[str] = []
    for cluster, database in sorted(places):
        place = msgspec.structs.replace(living, cluster=cluster, database=database)
        if not await _exists(trip, cluster, database):
            if (cluster, database) == (living.cluster, living.database):
                found.append(f"the tenant's database {database} is gone")
            continue
        is_home = (cluster, database) == (living.cluster, living.database)
        if not is_home and database.startswith("d_"):
            found.append(f"database {database}")
        found += [f"{database}: {each}" for each in await _in_database(trip, place, living)]
    return found


async def _exists(trip: Trip, cluster: str, database: str) -> bool:
    fleet = trip.hub.platform.fleet
    async with fleet.admin(cluster, fleet.cluster(cluster).maintenance_database) as connection:
        return bool(await connection.fetch(_SQL["databases"], [database]))


async def _in_database(trip: Trip, place: Placement, living: Placement) -> list[str]:
    is_home = (place.cluster, place.database) == (living.cluster, living.database)
    tenant_id, found = trip.tenant.id, list[str]()
    known = [side for move in trip.seen for side in (move.source, move.target)]
    schemas = {side.schema for side in known if side.tier is not Tier.ROWS}
    schemas = {name for name in schemas if name.startswith("s_")}
    schemas |= {landing_schema(move) for move in trip.seen}
    logins = {side.login for side in known} - {APP_LOGIN}
    if is_home:
        schemas -= {living.schema}
        logins -= {living.login}
    async with trip.admin(place) as connection:
        for name in ("schemas", "revisions"):
            rows = await connection.fetch(_SQL[name], sorted(schemas))
            found += [f"{name} {row[0]}" for row in rows]
        rows = await connection.fetch(_SQL["logins"], sorted(logins - {living.login}))
        found += [f"login {row['rolname']}" for row in rows]
        for table in ("change", "move"):
            count = await connection.fetchval(
                f"SELECT count(*) FROM gate.{table} WHERE tenant_id = $1",  # noqa: S608 - of two names
                tenant_id,
            )
            found += [f"{count} rows of gate.{table}"] * bool(count)
        has_counters = is_home and living.tier is Tier.ROWS
        count = await connection.fetchval(
            "SELECT count(*) FROM gate.counter WHERE tenant_id = $1", tenant_id
        )
        if count and not has_counters:
            found.append(f"{count} counters")
        found += _wrong_homes(
            [
                msgspec.convert({**dict(row), "place": msgspec.json.decode(row["place"])}, Home)
                for row in await connection.fetch(_SQL["home"], tenant_id)
            ],
            living if is_home else None,
        )
        for row in await connection.fetch(_SQL["tables"]):
            if is_home and row["schema_name"] == living.schema:
                continue
            count = await connection.fetchval(
                f"SELECT count(*) FROM {quote(row['schema_name'])}.{quote(row['table_name'])}"  # noqa: S608 - quoted names
                " WHERE tenant_id = $1",
                tenant_id,
            )
            found += [f"{count} rows of {row['schema_name']}.{row['table_name']}"] * bool(count)
        found += [f"session {name}" for name in await _movers(connection)]
    return found


async def _movers(connection: Connection) -> list[str]:
    """Name the movers' sessions that don't end; the server takes a moment to see that one left."""
    names: list[str] = []
    for _ in range(_LOOKS):
        rows = await connection.fetch(_SQL["backends"])
        names = [row["application_name"] for row in rows]
        if not names:
            break
        await asyncio.sleep(0.02)
    return names


def _wrong_homes(homes: list[Home], living: Placement | None) -> list[str]:
    if living is None:
        return [f"a home that is {home.state}" for home in homes]
    wanted = Home(
        state="active",
        epoch=living.epoch,
        schema_name=living.schema,
        login=living.login,
        place=living,
        capture=False,
        delay_ms=0,
    )
    return [] if homes == [wanted] else [f"{homes} instead of {wanted}"]
