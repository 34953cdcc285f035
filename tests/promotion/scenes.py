"""A move about to begin: a tenant with rows at its source, and an empty target that is owned."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

import msgspec

from migrations.product.write import write_revision
from promotion import copying, indexes, landing, proof
from promotion.shape import Shape, shape_of
from promotion.side import Bounds, Mover, Side
from router.database import drop_schema, make_schema
from router.names import random_name
from router.product import Product
from router.product.plug import accept
from router.sql import load
from router.words import Consistency, Isolation, Tier
from tests.promotion.odd import Base
from tests.worlds import World, scratch_database, world_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from promotion.copying import Chunk
    from promotion.landing import Rebuild
    from router.connect import Connection
    from router.words import Placement
    from tests.worlds import Clusters

FILL = load("tests.promotion", "fill.sql")
BOUNDS = Bounds(statement_ms=60_000)
PUT_MOVE = "INSERT INTO gate.move (move_id, tenant_id, token) VALUES ($1, $2, 1)"


@contextlib.asynccontextmanager
async def odd_world(clusters: Clusters, folder: Path) -> AsyncGenerator[World]:
    """Build a world around the product of odd.py."""
    product = Product(
        name="odd", metadata=Base.metadata, routes=[], revisions=str(folder / "revisions")
    )
    loaded = accept(product, root=folder)
    async with scratch_database(clusters, loaded) as scratch:
        await write_revision(loaded, "everything odd", scratch=scratch)
    async with world_of(clusters, loaded) as built:
        yield built


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """``target`` is where rows are copied to; ``shared``, where they are merged in tier rows."""

    world: World
    source: Side
    target: Side
    shared: Side | None
    shape: Shape
    mover: Mover

    async def make(self) -> None:
        """Make the private tables as land() does, for a test that adds something to them."""
        async with self.target.connection() as connection:
            await make_schema(
                connection,
                self.target.schema,
                tier=Tier.SCHEMA,
                grantee=self.target.placement.login,
                blueprint=self.world.blueprint,
            )

    async def land(self) -> landing.Landing:
        async with self.target.connection() as connection:
            return await landing.land(
                connection,
                self.target,
                self.shape,
                self.mover,
                blueprint=self.world.blueprint,
            )

    async def copy(self) -> list[Chunk]:
        chunks: list[Chunk] = []

        async def keep(chunk: Chunk) -> None:
            chunks.append(chunk)

        await copying.copy(self.source, self.target, self.shape, self.mover, after_chunk=keep)
        return chunks

    async def build(self) -> list[Rebuild]:
        built: list[Rebuild] = []

        async def keep(rebuild: Rebuild) -> None:
            built.append(rebuild)

        async with self.target.connection() as connection:
            for build in (indexes.build_primary_keys, indexes.build_rest):
                await build(
                    connection, self.target, self.mover, effort=indexes.Effort(), after_each=keep
                )
        return built

    async def merge(self) -> dict[str, int]:
        assert self.shared is not None
        async with self.shared.connection() as connection:
            return await landing.merge(connection, self.target, self.shared, self.shape, self.mover)

    async def differing(self, end: Side | None = None) -> list[str]:
        async with viewed(self.source) as here, viewed(end or self.target) as there:
            return proof.compare(*await proof.digests(here, there, self.shape))


@contextlib.asynccontextmanager
async def scene(
    world: World, source: Tier = Tier.ROWS, target: Tier = Tier.SCHEMA, *, rows: int = 50
) -> AsyncGenerator[Scene]:
    """Set a scene: the target is empty, and the source has so many rows in each table."""
    tenant = await world.tenant(source)
    assert tenant.placement is not None
    here = Side(fleet=world.fleet, tenant_id=tenant.id, placement=tenant.placement)
    await fill(here, rows)
    place = draw(world, target, epoch=tenant.placement.epoch + 1)
    if target is Tier.DATABASE:
        await world.stores[target].provision(tenant.id, place)
    there = msgspec.structs.replace(here, placement=place)
    mover = Mover(move_id=uuid.uuid4(), token=1)
    landed = there
    if target is Tier.ROWS:
        private = msgspec.structs.replace(place, schema=random_name("m_"))
        landed = msgspec.structs.replace(here, placement=private)
    async with landed.connection() as connection:
        await connection.execute(PUT_MOVE, mover.move_id, tenant.id)
        yield Scene(
            world=world,
            source=here,
            target=landed,
            shared=there if target is Tier.ROWS else None,
            shape=shape_of(world.loaded.stored),
            mover=mover,
        )
        if target is Tier.ROWS:
            await drop_schema(connection, landed.schema)


def draw(world: World, tier: Tier, *, epoch: int) -> Placement:
    cluster = "dedicated-1" if tier is Tier.DATABASE else "shared-1"
    drawn = world.stores[tier].draw(world.fleet.cluster(cluster), Isolation.SHARED)
    return msgspec.structs.replace(drawn, epoch=epoch)


async def fill(side: Side, rows: int) -> None:
    """Give a tenant rows in every table of odd.py."""
    async with side.connection() as connection, side.transaction(connection, bounds=BOUNDS):
        for statement in FILL.values():
            await connection.execute(statement, rows)


@contextlib.asynccontextmanager
async def viewed(side: Side) -> AsyncGenerator[proof.View]:
    """Look at one moment of a side."""
    async with (
        side.connection() as connection,
        side.transaction(connection, Consistency.REPEATABLE_READ, bounds=BOUNDS),
    ):
        yield proof.View(side=side, connection=connection)


@contextlib.asynccontextmanager
async def written(side: Side) -> AsyncGenerator[Connection]:
    """Write as the platform does, in one transaction."""
    async with side.connection() as connection, side.transaction(connection, bounds=BOUNDS):
        yield connection
