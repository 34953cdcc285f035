"""How fast rows are copied, against two psql with a pipe between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
import uuid
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from promotion import copying, landing
from promotion.side import Mover, Side
from router.database import drop_schema
from router.names import random_name
from router.words import Isolation, Tier
from tests.benchmarks.figures import RATIO, Figure
from tests.benchmarks.moving import AWAY

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from promotion.copying import Chunk
    from tests.benchmarks.moving import Measure, MovingWorld, Traveller

RATIO_MIN = 0.9
_PUT_MOVE = "INSERT INTO gate.move (move_id, tenant_id, token) VALUES ($1, $2, 1)"
_DROP_MOVE = "DELETE FROM gate.move WHERE move_id = $1"


class Bare(msgspec.Struct, frozen=True, kw_only=True):
    """Private tables without indexes, ready for a copy."""

    source: Side
    target: Side
    mover: Mover


async def copies(world: MovingWorld, measure: Measure) -> list[Figure]:
    """Copy a large tenant both ways in turns, into tables that are bare alike."""
    traveller = await world.traveller(measure.large)
    ours_s: list[float] = []
    psql_s: list[float] = []
    for _ in range(measure.copies):
        ways = [(ours_s, _ours), (psql_s, _psql)]
        random.shuffle(ways)
        for spent_s, way in ways:
            async with _bare(world, traveller) as bare:
                begun_s = time.perf_counter()
                await way(world, bare)
                spent_s.append(time.perf_counter() - begun_s)
    return [
        Figure(
            name="rows copied a second, one stream",
            value=traveller.stock.rows / median(ours_s),
            unit="rows",
        ),
        Figure(
            name="speed of a copy ÷ psql COPY binary | psql COPY",
            value=median(psql_s) / median(ours_s),
            unit=RATIO,
            value_min=RATIO_MIN,
        ),
    ]


async def _ours(world: MovingWorld, bare: Bare) -> None:
    async def go_on(_: Chunk) -> None:
        """Don't rest."""

    await copying.copy(bare.source, bare.target, world.shape, bare.mover, after_chunk=go_on)


async def _psql(world: MovingWorld, bare: Bare) -> None:
    psql = world.clusters.shared.binaries.program("psql")
    dsns = [_dsn(side) for side in (bare.source, bare.target)]
    for table in world.shape.tables:
        names = f"tenant_id, {table.names}"
        source = (
            f"COPY (SELECT {names} FROM {bare.source.place(table.name)}"  # noqa: S608 - quoted names
            f" WHERE tenant_id = '{bare.source.tenant_id}') TO STDOUT (FORMAT binary)"
        )
        target = f"COPY {bare.target.place(table.name)} ({names}) FROM STDIN (FORMAT binary)"
        reading, writing = os.pipe()
        sender = await asyncio.create_subprocess_exec(psql, "-qXc", source, dsns[0], stdout=writing)
        receiver = await asyncio.create_subprocess_exec(
            psql, "-qXc", target, dsns[1], stdin=reading
        )
        os.close(reading)
        os.close(writing)
        if any([await sender.wait(), await receiver.wait()]):
            raise SystemExit(f"psql could not copy {table.name}")


@contextlib.asynccontextmanager
async def _bare(world: MovingWorld, traveller: Traveller) -> AsyncGenerator[Bare]:
    source = await world.side(traveller)
    platform, mover = world.platform, Mover(move_id=uuid.uuid4(), token=1)
    place = platform.stores[Tier.SCHEMA].draw(platform.fleet.cluster(AWAY), Isolation.SHARED)
    place = msgspec.structs.replace(place, schema=random_name("m_"))
    target = msgspec.structs.replace(source, placement=place)
    async with target.connection() as connection:
        await connection.execute(_PUT_MOVE, mover.move_id, source.tenant_id)
        await landing.land(connection, target, world.shape, mover, blueprint=platform.blueprint)
        try:
            yield Bare(source=source, target=target, mover=mover)
        finally:
            await drop_schema(connection, place.schema)
            await connection.execute(_DROP_MOVE, mover.move_id)
            await connection.execute("CHECKPOINT")


def _dsn(side: Side) -> str:
    return side.fleet.admin_address(side.placement.cluster, side.placement.database).dsn()
