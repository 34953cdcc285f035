"""The keys of the gates: every database has every key in use, and rotating them stops nobody.

A rotation installs the new key in all gates, lets routers sign with it, waits until nobody can
hold a capability of the old one, and removes that. Killed anywhere, it is repeated from there.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from deploy.places import list_places
from router.capability import CAPABILITY_LIFE_MS
from router.catalog import gate_keys
from router.connect import connect
from router.database import renew_gate
from router.errors import Unavailable
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable

    from deploy.doctor import DatabaseName
    from deploy.platform import Platform
    from router.connect import Address, Connection
    from router.fleet import Fleet

#: Databases that are worked on at the same time.
ABREAST_MAX = 8
#: A rotation takes two steps; whoever records a database meets each of them once at most.
_ATTEMPTS_MAX = 5
_MARGIN_S = 1.0
_SQL = load("deploy", "gates.sql")


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation did; ``retired`` are the keys that no gate holds any more."""

    current: int
    retired: tuple[int, ...]
    databases: int


@asynccontextmanager
async def recording(
    platform: Platform, place: DatabaseName, admin: Address
) -> AsyncGenerator[Connection]:
    """Lend a transaction that may record a new database, whose gate now has every key in use."""
    for _ in range(_ATTEMPTS_MAX):
        async with platform.catalog.connection() as connection:
            keys = sorted((await gate_keys.read(connection)).all)
        await _put_only(platform.fleet, place, admin, keys)
        async with platform.catalog.transaction() as connection:
            if [row["id"] for row in await connection.fetch(_SQL["share"])] == keys:
                yield connection
                return
    raise Unavailable("the gates' keys are being rotated; try again")


async def rotate(platform: Platform, *, say: Callable[[str], None]) -> Rotation:
    """Replace the key that routers sign with; finish first what was interrupted."""
    async with platform.catalog.transaction() as connection:
        keys = await gate_keys.read(connection)
        if keys.retiring and keys.installing is None:
            new = keys.current
        else:
            new = await gate_keys.install(connection)
    if new != keys.current:
        await _install(platform, new, say)
    wait_s = _wait_s(platform)
    say(f"routers sign with key {new}; waiting {wait_s:.0f} s until nobody shows an older one")
    await asyncio.sleep(wait_s)
    return await _retire(platform, say)


async def _install(platform: Platform, new: int, say: Callable[[str], None]) -> None:
    async def put(place: DatabaseName) -> None:
        async with platform.fleet.admin(place.cluster, place.database) as connection:
            key = platform.fleet.key(place.cluster, place.database, new)
            await connection.execute(_SQL["put"], key.id, *key.pads)

    async with platform.catalog.connection() as connection:
        places = await list_places(connection)
    say(f"installing key {new} in {len(places)} databases")
    await each(places, put)
    async with platform.catalog.transaction() as connection:
        await connection.execute(_SQL["hold"])
        await each(set(await list_places(connection)).difference(places), put)
        await gate_keys.use(connection, new)


async def _retire(platform: Platform, say: Callable[[str], None]) -> Rotation:
    async with platform.catalog.connection() as connection:
        old = (await gate_keys.read(connection)).retiring
        places = await list_places(connection)

    async def remove(place: DatabaseName) -> None:
        async with platform.fleet.admin(place.cluster, place.database) as connection:
            for key_id in old:
                await connection.execute(_SQL["remove"], key_id)

    say(f"removing {', '.join(f'key {key_id}' for key_id in old)} from {len(places)} databases")
    await each(places, remove)
    async with platform.catalog.transaction() as connection:
        await connection.execute(_SQL["hold"])
        await each(set(await list_places(connection)).difference(places), remove)
        for key_id in old:
            await gate_keys.retire(connection, key_id)
        current = (await gate_keys.read(connection)).current
    return Rotation(current=current, retired=old, databases=len(places))


async def renew(platform: Platform) -> int:
    """Put this version's gate into every database; returns how many there are."""
    async with platform.catalog.connection() as connection:
        places = await list_places(connection)

    async def put(place: DatabaseName) -> None:
        async with platform.fleet.admin(place.cluster, place.database) as connection:
            await renew_gate(connection)

    await each(places, put)
    return len(places)


async def each(
    places: Iterable[DatabaseName], work: Callable[[DatabaseName], Awaitable[None]]
) -> None:
    """Do a piece of work for every database, some at a time; the first failure ends it."""
    turn = asyncio.Semaphore(ABREAST_MAX)

    async def in_turn(place: DatabaseName) -> None:
        async with turn:
            await work(place)

    try:
        async with asyncio.TaskGroup() as group:
            for place in places:
                group.create_task(in_turn(place))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _put_only(
    fleet: Fleet, place: DatabaseName, admin: Address, keys: Collection[int]
) -> None:
    connection = await connect(admin, purpose="gate keys")
    try:
        async with connection.transaction():
            for key_id in keys:
                key = fleet.key(place.cluster, place.database, key_id)
                await connection.execute(_SQL["put"], key.id, *key.pads)
            await connection.execute(_SQL["keep_only"], [*keys])
    finally:
        await connection.close(timeout=5)


def _wait_s(platform: Platform) -> float:
    """How long a router that missed the news may still sign with the old key, and be believed."""
    limits_s = platform.settings.directory_time_limit_s + CAPABILITY_LIFE_MS / 1_000
    return limits_s + _MARGIN_S
