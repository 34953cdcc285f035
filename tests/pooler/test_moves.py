"""A tenant moves while its requests pass a pooler in transaction mode: nobody notices either."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from typing import TYPE_CHECKING

import pytest

from router.words import Tier
from tests.pooler.worlds import MISSING, PROGRAM, poolers
from tests.promotion.journeys import journey

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.promotion.journeys import Journey
    from tests.worlds import Clusters

WRITERS = 3
_PUT = "UPDATE catalog.cluster SET pooler_host = $2, pooler_port = $3 WHERE name = $1"


@contextlib.asynccontextmanager
async def writing(made: Journey) -> AsyncGenerator[list[int]]:
    """Append rows as fast as answers come; yields the ids that were acknowledged."""
    acknowledged: list[int] = []
    stop = asyncio.Event()

    async def write(number: int) -> None:
        while not stop.is_set():
            told = await made.post("/artists", {"name": f"by {number}"})
            acknowledged.append(told["artist_id"])

    async with asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(write(number))
        try:
            yield acknowledged
        finally:
            stop.set()


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
async def test_a_tenant_moves_behind_the_pooler(clusters: Clusters) -> None:
    async with journey(clusters) as made, poolers(clusters) as addresses:
        async with made.made.platform.catalog.transaction() as connection:
            for name, (host, port) in addresses.items():
                await connection.execute(_PUT, name, host, port)
        async with writing(made) as acknowledged:
            await asyncio.sleep(0.2)
            for tier in (Tier.SCHEMA, Tier.DATABASE, Tier.ROWS):
                move = await made.go(tier)
                await made.settle(move.id)
            moved = await made.go(Tier.SCHEMA)
            await made.undo(moved.id)
        exported = (await made.exports())["artist"].decode()
        found = [int(row["artist_id"]) for row in csv.DictReader(io.StringIO(exported))]
        assert len(acknowledged) > WRITERS
        assert found == sorted(acknowledged)
