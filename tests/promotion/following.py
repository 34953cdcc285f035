"""A tenant at its source and the same one at an empty target, with the log on: rounds can run."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from migrations.product.write import write_revision
from promotion import capture
from promotion.changes import Brought, Stream, apply, bring, gather, read_uniques, spell_delta
from promotion.shape import shape_of
from promotion.side import Bounds, Mover, Side
from router.database import lock_key
from router.product import Product
from router.product.plug import accept
from router.words import Consistency, Digest, Isolation, Tenant, Tier
from tests.promotion.knots import metadata
from tests.worlds import World, scratch_database, world_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from router.connect import Connection
    from tests.worlds import Clusters

BOUNDS = Bounds(statement_ms=60_000)
PUT_MOVE = (
    "INSERT INTO gate.move (move_id, tenant_id, token) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING"
)


@contextlib.asynccontextmanager
async def knots_world(clusters: Clusters, folder: Path) -> AsyncGenerator[World]:
    """Build a world around the product of knots.py."""
    product = Product(
        name="knots", metadata=metadata, routes=[], revisions=str(folder / "revisions")
    )
    loaded = accept(product, root=folder)
    async with scratch_database(clusters, loaded) as scratch:
        await write_revision(loaded, "all knots", scratch=scratch)
    async with world_of(clusters, loaded) as built:
        yield built


class Chase:
    """One tenant and its target, with a connection to each; rounds follow each other."""

    def __init__(
        self, world: World, tenant: Tenant, stream: Stream, ends: tuple[Connection, Connection]
    ) -> None:
        self.world = world
        self.tenant = tenant
        self.stream = stream
        self.source, self.target = ends
        self.watermark: str | None = None

    async def write(self, *statements: str, consistency: Consistency | None = None) -> None:
        """Run one transaction of the tenant."""
        level = consistency or Consistency.READ_COMMITTED
        async with self.world.lease(self.tenant, consistency=level) as lease:
            for statement in statements:
                await lease.execute(statement)

    async def round(self, *, is_bare: bool = False) -> Brought:
        """Bring what changed so far."""
        async with self.stream.source.transaction(
            self.source, Consistency.REPEATABLE_READ, bounds=BOUNDS, is_read_only=True
        ):
            made = await bring(
                self.source, self.target, self.stream, since=self.watermark, is_bare=is_bare
            )
        self.watermark = made.watermark
        return made

    async def cut(self) -> int:
        """Bring the last delta as a fence does: with every writer kept out, in one message."""
        stream = self.stream
        await self.source.execute(stream.source.opening(bounds=BOUNDS))
        try:
            await self.source.execute(
                f"SELECT pg_advisory_xact_lock({lock_key(stream.source.tenant_id)})"
            )
            delta = await gather(self.source, stream, since=self.watermark)
            async with stream.target.transaction(self.target, bounds=BOUNDS):
                await apply(self.target, spell_delta(stream, delta))
            self.watermark = delta.changes.snapshot
        finally:
            await self.source.execute("ROLLBACK")
        return delta.changes.count

    async def digests(self) -> tuple[list[Digest], list[Digest]]:
        """Sum up both sides; nobody may be writing."""
        found: list[list[Digest]] = []
        for side in (self.stream.source, self.stream.target):
            store = self.world.stores[side.placement.tier]
            async with store.rows(side.tenant_id, side.placement) as rows:
                found.append(await rows.digests())
        return found[0], found[1]

    async def assert_equal(self) -> None:
        here, there = await self.digests()
        assert here == there

    async def at_target(self, statement: str) -> Sequence[asyncpg.Record]:
        """Ask the target as the platform."""
        async with self.stream.target.transaction(self.target, bounds=BOUNDS):
            return await self.target.fetch(statement)


@contextlib.asynccontextmanager
async def chase(
    world: World, source: Tier = Tier.ROWS, target: Tier = Tier.SCHEMA
) -> AsyncGenerator[Chase]:
    """Set up both ends, empty, and wake the capture."""
    tenant = await world.tenant(source)
    assert tenant.placement is not None
    here = Side(fleet=world.fleet, tenant_id=tenant.id, placement=tenant.placement)
    cluster = "dedicated-1" if target is Tier.DATABASE else "shared-1"
    drawn = world.stores[target].draw(world.fleet.cluster(cluster), Isolation.SHARED)
    # In one database home stays where it is; the tables are the target's.
    await world.stores[target].provision(tenant.id, drawn)
    there = msgspec.structs.replace(here, placement=msgspec.structs.replace(drawn, epoch=2))
    mover = Mover(move_id=uuid.uuid4(), token=1)
    async with here.connection("chase") as one, there.connection("chase") as other:
        for connection in (one, other):
            await connection.execute(PUT_MOVE, mover.move_id, tenant.id)
        shape = shape_of(world.loaded.stored)
        await capture.wake(one, tenant.id, wait_s_max=10)
        stream = Stream(
            source=here,
            target=there,
            shape=shape,
            uniques=await read_uniques(one, here, shape),
            mover=mover,
        )
        yield Chase(world, tenant, stream, (one, other))
