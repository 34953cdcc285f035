"""Stale routes: a router that was stopped for an hour comes back with what it believed then."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from router.database import lock_key
from router.errors import PlatformError
from router.lease import Entry, Moved
from router.words import Consistency, Mode
from tests.doctor.plants import place_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from router.connect import Connection
    from router.words import Tenant
    from tests.controls.scene import Scene

_WAIT_S_MAX = 2.0
_HOME = "SELECT state, epoch FROM gate.home WHERE tenant_id = $1"
_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def stale(scene: Scene) -> list[str]:
    """Say every way in which a move would be overlooked."""
    found = [each async for each in _after_a_move(scene)]
    found += [each async for each in _during_a_transaction(scene)]
    found += [each async for each in _with_an_old_snapshot(scene)]
    return found


async def _after_a_move(scene: Scene) -> AsyncIterator[str]:
    for told, change in (
        ("an old epoch", "UPDATE gate.home SET epoch = epoch + 1 WHERE tenant_id = $1"),
        ("a tenant that moved away", "UPDATE gate.home SET state = 'moved' WHERE tenant_id = $1"),
    ):
        async with scene.admin() as connection, _restored(scene, connection):
            await connection.execute(change, scene.victim.id)
            if await _opens(scene, Consistency.READ_COMMITTED):
                yield f"{told} is accepted"


async def _during_a_transaction(scene: Scene) -> AsyncIterator[str]:
    """A move must wait for those who are in."""
    async with scene.lease(scene.victim), scene.admin() as connection, connection.transaction():
        if await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock($1)", lock_key(scene.victim.id)
        ):
            yield "a move doesn't wait for a transaction that is in"


async def _with_an_old_snapshot(scene: Scene) -> AsyncIterator[str]:
    """REPEATABLE READ looks, waits for the lock, and would believe what it saw before."""
    async with (
        scene.admin() as mover,
        scene.admin() as watcher,
        _restored(scene, watcher),
    ):
        transaction = mover.transaction()
        await transaction.start()
        await mover.execute("SELECT pg_advisory_xact_lock($1)", lock_key(scene.victim.id))
        opening = asyncio.create_task(_opens(scene, Consistency.REPEATABLE_READ))
        end_s = time.monotonic() + _WAIT_S_MAX
        while not opening.done() and not await watcher.fetchval(_WAITING):
            assert time.monotonic() < end_s, "the opening waits for the move"
            await asyncio.sleep(0.01)
        await mover.execute(
            "UPDATE gate.home SET state = 'moved' WHERE tenant_id = $1", scene.victim.id
        )
        await transaction.commit()
        if await opening:
            yield "a snapshot from before the move is believed"


@asynccontextmanager
async def _restored(scene: Scene, connection: Connection) -> AsyncGenerator[None]:
    """Put the victim's home back as it was."""
    before = await connection.fetchrow(_HOME, scene.victim.id)
    assert before is not None
    try:
        yield
    finally:
        await connection.execute(
            "UPDATE gate.home SET state = $2, epoch = $3 WHERE tenant_id = $1",
            scene.victim.id,
            before["state"],
            before["epoch"],
        )


async def _opens(scene: Scene, consistency: Consistency) -> bool:
    """Enter the victim where it was, as its own router would, without following it."""
    entry = msgspec.structs.replace(_entry(scene, scene.victim), consistency=consistency)
    try:
        lease = await scene.world.stores[scene.target.tier].lease(entry)
    except (Moved, PlatformError):
        return False
    await lease.rollback()
    return True


def _entry(scene: Scene, tenant: Tenant) -> Entry:
    place = place_of(tenant)
    key = scene.world.fleet.key(place.cluster, place.database)
    return Entry(tenant_id=tenant.id, placement=place, key=key, mode=Mode.WRITE)
