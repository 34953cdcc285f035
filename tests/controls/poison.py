"""Poison: what one tenant leaves on a connection that the next tenant gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from router.errors import DatabaseUnreachable
from tests.controls.scene import attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.lease import Lease
    from tests.controls.scene import Scene

_SETTINGS = (("TimeZone", "Asia/Tokyo"), ("app.note", "left behind"), ("enable_indexscan", "off"))


async def poison(scene: Scene) -> list[str]:
    """Say everything that reached the next tenant, and every call that was two statements."""
    found = [each async for each in _settings(scene)]
    found += [each async for each in _things(scene)]
    async with scene.lease() as lease:
        if isinstance(await attempt(lease, "SELECT 1; SELECT 2"), list):
            found.append("a call runs two statements")
    return found


async def _settings(scene: Scene) -> AsyncIterator[str]:
    for name, value in _SETTINGS:
        left_on = await _leave(scene, "SELECT set_config($1, $2, false)", name, value)
        async with scene.lease(scene.victim) as lease:
            assert await _backend(lease) == left_on, "the victim got the attacker's connection"
            row = await lease.fetchrow("SELECT current_setting($1, true) AS value", name)
            assert row is not None
            if row["value"] == value:
                yield f"{name} reaches the next tenant"


async def _things(scene: Scene) -> AsyncIterator[str]:
    """A cursor, a role and a session's lock, as far as the attacker can have them at all."""
    for told, statement, check in (
        (
            "a cursor",
            "DECLARE left_behind CURSOR WITH HOLD FOR SELECT title FROM book",
            "SELECT count(*) FROM pg_cursors WHERE name = 'left_behind'",
        ),
        (
            "a role",
            "SET SESSION ROLE stepwell_rows",
            "SELECT count(*) WHERE current_user <> session_user",
        ),
    ):
        left_on = await _leave(scene, statement)
        try:
            async with scene.lease(scene.victim) as lease:
                assert await _backend(lease) == left_on, "the victim got the attacker's connection"
                row = await lease.fetchrow(check)
        except DatabaseUnreachable as error:
            yield f"{told} keeps the next tenant out: {error}"
        else:
            if row is not None and row["count"]:
                yield f"{told} reaches the next tenant"


async def _leave(scene: Scene, statement: str, *values: object) -> int:
    """Run a statement in a transaction of the attacker's and commit it; answer where."""
    async with scene.world.lease(scene.attacker) as lease:
        backend = await _backend(lease)
        await lease.execute("SAVEPOINT attempt")
        try:
            await lease.fetch(statement, *values)
        except asyncpg.PostgresError:
            await lease.execute("ROLLBACK TO SAVEPOINT attempt")
    return backend


async def _backend(lease: Lease) -> int:
    row = await lease.fetchrow("SELECT pg_backend_pid() AS pid")
    assert row is not None
    return int(row["pid"])
