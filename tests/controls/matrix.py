"""The matrix: every table and every verb, tried by one tenant on the rows of another."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import msgspec

from router.connect import connect
from router.errors import DatabaseUnreachable
from router.names import quote
from router.sql import load
from tests.controls.scene import attempt, is_canary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sqlalchemy import Table

    from router.lease import Lease
    from router.words import Placement, Tenant
    from tests.controls.scene import Answer, Scene

Row: TypeAlias = "Mapping[str, object]"
_SQL = load("tests.controls", "matrix.sql")
_MADE = (
    "CREATE TEMPORARY TABLE planted (id integer)",
    "CREATE SCHEMA planted",
    "CREATE TABLE $place.planted (id integer)",
    "CREATE FUNCTION $place.planted() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "SELECT id, inner_pad FROM gate.key",
    "SELECT * FROM gate.home",
    "SELECT * FROM gate.counter",
    "UPDATE gate.home SET login = login",
    "UPDATE gate.key SET id = id",
)


async def matrix(scene: Scene) -> list[str]:
    """Say every attempt that got through."""
    async with scene.lease() as lease:
        found = [each async for each in _tables(scene, lease)]
        found += [each async for each in _others(scene, lease)]
        found += [each async for each in _sequences(lease)]
        found += [each async for each in _references(scene, lease)]
        found += [each async for each in _made(scene, lease)]
    if scene.place.database != scene.target.database and await _enters(scene):
        found.append(f"connect to {scene.target.database} as {scene.place.login}")
    return found


async def _tables(scene: Scene, lease: Lease) -> AsyncIterator[str]:
    schemas = {scene.place.schema}
    if scene.place.database == scene.target.database:
        schemas.add(scene.target.schema)
    for table in scene.world.loaded.stored.tables:
        ours = await _last_row(scene, table, scene.attacker, scene.place)
        theirs = await _last_row(scene, table, scene.victim, scene.target)
        for schema in sorted(schemas):
            place = f"{quote(schema)}.{quote(table.name)}"
            async for each in _takes(scene, lease, place):
                yield each
            async for each in _adds(scene, lease, place, theirs):
                yield each
        async for each in _rules(scene, lease, table, (ours, theirs)):
            yield each


async def _takes(scene: Scene, lease: Lease, place: str) -> AsyncIterator[str]:
    """Read, change and delete the victim's rows, give it own ones, empty or open the table."""
    answer = await attempt(lease, _fill("count", place), scene.attacker.id)
    if isinstance(answer, list) and answer[0]["count"]:
        yield f"select from {place}: {answer[0]['count']} rows of others"
    for verb, values in (
        ("update", [scene.victim.id]),
        ("delete", [scene.victim.id]),
        ("move", [scene.victim.id, scene.attacker.id]),
    ):
        answer = await attempt(lease, _fill(verb, place), *values)
        if not _is_refused(answer) and answer != []:
            yield f"{verb} in {place}: {answer!r}"
    for verb in ("truncate", "disable"):
        if isinstance(await attempt(lease, _fill(verb, place)), list):
            yield f"{verb} {place}"


async def _adds(scene: Scene, lease: Lease, place: str, theirs: Row) -> AsyncIterator[str]:
    """Add rows as the victim, and own ones to a schema of another login."""
    answer = await _insert(lease, place, {**theirs, "tenant_id": scene.victim.id})
    if not _is_refused(answer):
        yield f"insert as another into {place}: {answer!r}"
    # The schemas of one login are kept apart by row security alone.
    if scene.place.login == scene.target.login or place.startswith(quote(scene.place.schema)):
        return
    answer = await _insert(lease, place, {**theirs, "tenant_id": scene.attacker.id})
    if not _is_refused(answer):
        yield f"insert into {place}: {answer!r}"


async def _rules(
    scene: Scene, lease: Lease, table: Table, rows: tuple[Row, Row]
) -> AsyncIterator[str]:
    """Learn of the victim's keys by unique rules, refer to them by foreign keys."""
    ours, theirs = rows
    place = f"{quote(scene.place.schema)}.{quote(table.name)}"
    keys = [key for key in table.foreign_key_constraints if "tenant_id" in key.column_keys]
    referring = {name for key in keys for name in key.column_keys} | {"tenant_id"}
    mine = {name: (ours if name in referring else theirs)[name] for name in theirs}
    answer = await _insert(lease, place, mine)
    if not (isinstance(answer, list) and answer):
        yield f"upsert into {place} meets another's row: {answer!r}"
    for key in keys:
        taken = {name: theirs[name] for name in key.column_keys if name != "tenant_id"}
        answer = await _insert(lease, place, {**mine, **taken})
        if not isinstance(answer, asyncpg.ForeignKeyViolationError):
            yield f"foreign key {key.name} of {place} reaches another's row: {answer!r}"


async def _others(scene: Scene, lease: Lease) -> AsyncIterator[str]:
    """Read what is no table of the product, and call what can be called."""
    known = [table.name for table in scene.world.loaded.stored.tables]
    for row in await lease.fetch(_fill("relations"), known):
        if is_canary(await attempt(lease, _fill("read", row["name"])), scene):
            yield f"select from {row['name']}"
    for row in await lease.fetch(_fill("functions")):
        if is_canary(await attempt(lease, _fill("call", row["name"])), scene):
            yield f"call {row['name']}()"


async def _sequences(lease: Lease) -> AsyncIterator[str]:
    for row in await lease.fetch(_fill("sequences")):
        for verb in ("last_value", "next_value"):
            if isinstance(await attempt(lease, _fill(verb, row["name"])), list):
                yield f"{verb} of {row['name']}"


async def _references(scene: Scene, lease: Lease) -> AsyncIterator[str]:
    """Write what all tenants read."""
    for table in scene.world.loaded.stored.reference_tables:
        for verb in ("change_reference", "delete_reference"):
            statement = _fill(verb, f"reference.{quote(table.name)}", quote(table.columns[0].name))
            answer = await attempt(lease, statement)
            if not _is_refused(answer):
                yield f"{statement}: {answer!r}"


async def _made(scene: Scene, lease: Lease) -> AsyncIterator[str]:
    """Make things that stay, and use the gate's own."""
    for statement in _MADE:
        spelled = string.Template(statement).substitute(place=quote(scene.place.schema))
        if isinstance(await attempt(lease, spelled), list):
            yield spelled


async def _enters(scene: Scene) -> bool:
    """Tell whether the attacker's login gets into the victim's database."""
    address = msgspec.structs.replace(
        scene.world.fleet.login_address(scene.place), database=scene.target.database
    )
    try:
        connection = await connect(address, purpose="attack")
    except DatabaseUnreachable:
        return False
    await connection.close()
    return True


async def _last_row(scene: Scene, table: Table, tenant: Tenant, place: Placement) -> Row:
    """Read a tenant's last row by its key, as the administrator."""
    keys = ", ".join(f"{quote(column.name)} DESC" for column in table.primary_key)
    statement = _fill("last_row", f"{quote(place.schema)}.{quote(table.name)}", keys)
    async with scene.world.admin(place) as connection:
        row = await connection.fetchrow(statement, tenant.id)
    assert row is not None, f"{tenant.id} has rows in {table.name}"
    return dict(row)


async def _insert(lease: Lease, place: str, row: Row) -> Answer:
    names = ", ".join(map(quote, row))
    values = {
        # As PostgreSQL writes bytes in text.
        name: f"\\x{value.hex()}" if isinstance(value, bytes) else value
        for name, value in row.items()
    }
    return await attempt(lease, _fill("insert", place, names), msgspec.json.encode(values).decode())


def _fill(section: str, place: str = "", name: str = "") -> str:
    return string.Template(_SQL[section]).substitute(place=place, name=name)


def _is_refused(answer: object) -> bool:
    return isinstance(answer, asyncpg.InsufficientPrivilegeError | asyncpg.UndefinedTableError)
