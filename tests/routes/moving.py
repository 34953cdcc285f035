"""A tenant moved by hand, as simply as it can be done right: locked, copied, flipped."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec

from router.database import (
    SHARED_SCHEMA,
    drop_database,
    lock_key,
    make_database,
    make_schema,
    prepare_database,
)
from router.fleet import APP_LOGIN
from router.names import quote, random_name
from router.words import Isolation, Placement, Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Connection
    from router.words import Tenant, TenantId
    from tests.worlds import World

_MOVED = """
    UPDATE gate.home SET state = $2, epoch = $3, schema_name = $4, login = $5, place = $6
    WHERE tenant_id = $1
"""
_WAITING = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND (classid::bigint << 32 | objid::bigint) = $1
"""


class Mover:
    """One move of one tenant, which can be stopped between its copy and its flip."""

    def __init__(self, made: World, tenant: Tenant, target: Placement) -> None:
        assert tenant.placement is not None
        self.made = made
        self.tenant = tenant
        self.source = tenant.placement
        self.target = msgspec.structs.replace(target, epoch=self.source.epoch + 1)
        self.copied = asyncio.Event()
        self.may_flip = asyncio.Event()
        self.may_flip.set()

    async def move(self) -> Tenant:
        """Move the tenant; returns it as whoever asks the catalog sees it."""
        await self.made.stores[self.target.tier].provision(self.tenant.id, self.target)
        async with self.made.admin(self.source) as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(self.tenant.id))
            await self._copy()
            self.copied.set()
            await self.may_flip.wait()
            await self._flip(connection)
        moved = msgspec.structs.replace(self.tenant, placement=self.target)
        self.made.directory.tenants[self.tenant.id] = moved
        return moved

    async def names_at_source(self) -> list[str]:
        """Read what lies in the old place, past every policy."""
        return await names_in(self.made, self.source, self.tenant.id)

    async def _copy(self) -> None:
        stores, tenant_id = self.made.stores, self.tenant.id
        async with (
            stores[self.source.tier].rows(tenant_id, self.source) as old,
            stores[self.target.tier].rows(tenant_id, self.target) as new,
        ):
            await new.write("artist", [row async for row in old.read("artist")])

    async def _flip(self, connection: Connection) -> None:
        is_near = (self.source.cluster, self.source.database) == (
            self.target.cluster,
            self.target.database,
        )
        await connection.execute(
            _MOVED,
            self.tenant.id,
            "active" if is_near else "moved",
            self.target.epoch,
            self.target.schema,
            self.target.login,
            msgspec.json.encode(self.target).decode(),
        )


async def names_in(made: World, placement: Placement, tenant_id: TenantId) -> list[str]:
    """Read a tenant's artists in one place as the administrator, whom no policy binds."""
    async with made.admin(placement) as connection:
        rows = await connection.fetch(
            f"SELECT name FROM {quote(placement.schema)}.artist WHERE tenant_id = $1",  # noqa: S608 - quoted
            tenant_id,
        )
    return [row["name"] for row in rows]


async def until_waiting(made: World, placement: Placement, tenant_id: TenantId) -> None:
    """Wait until somebody waits for the tenant's lock; who calls bounds the time."""
    async with made.admin(placement) as connection:
        while not await connection.fetchval(_WAITING, lock_key(tenant_id)):
            await asyncio.sleep(0.005)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A second database of shared tables, on the other cluster."""

    database: str

    def target(self, made: World, tier: Tier) -> Placement:
        """Draw a place to move to from the first shared database."""
        if tier is Tier.ROWS:
            return Placement(
                tier=tier,
                cluster="dedicated-1",
                database=self.database,
                schema=SHARED_SCHEMA,
                login=APP_LOGIN,
                epoch=1,
            )
        name = "shared-1" if tier is Tier.SCHEMA else "dedicated-1"
        return made.stores[tier].draw(made.fleet.cluster(name), Isolation.SHARED)


@contextlib.asynccontextmanager
async def second_place(made: World) -> AsyncGenerator[Place]:
    """Prepare the other cluster for shared tables too."""
    database = random_name("w_")
    async with made.fleet.admin("dedicated-1", "postgres") as connection:
        await make_database(connection, database)
    try:
        async with made.fleet.admin("dedicated-1", database) as connection:
            await prepare_database(
                connection,
                login=APP_LOGIN,
                key=made.fleet.key("dedicated-1", database),
                blueprint=made.blueprint,
            )
            await make_schema(
                connection,
                SHARED_SCHEMA,
                tier=Tier.ROWS,
                grantee="stepwell_rows",
                blueprint=made.blueprint,
            )
        yield Place(database=database)
    finally:
        async with made.fleet.admin("dedicated-1", "postgres") as connection:
            await drop_database(connection, database)
