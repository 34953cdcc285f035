"""Servers die and come back in the midst of requests; the router comes back with them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest_asyncio
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from examples.store.models import Artist
from router.errors import Conflict, Unavailable
from router.words import Mode, Tier
from tests.hygiene.conftest import SMALL
from tests.stack.worlds import kill, open_folder, postmaster, until
from tests.worlds import DURABLE, running_clusters, world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.words import Tenant
    from tests.worlds import World

#: What a request may meet whose server dies beneath it.
DEATHS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    SQLAlchemyError,
    Unavailable,
    Conflict,
    OSError,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mortal() -> AsyncGenerator[World]:
    """A world on clusters of its own: nobody else's connections die here."""
    with open_folder() as folder:
        async with (
            running_clusters(Path(folder), settings=DURABLE) as clusters,
            world(clusters) as made,
        ):
            gateway = made.twin(limits=SMALL)
            yield gateway
            await gateway.sources.close()


class Writers:
    """Requests that write one row each until they are told to stop, and what was acknowledged."""

    def __init__(self, made: World, tenant: Tenant) -> None:
        self.made = made
        self.tenant = tenant
        self.acknowledged: list[str] = []
        self.failures = 0
        self.stopping = False

    async def write(self, writer: int) -> None:
        for number in range(100_000):
            if self.stopping:
                return
            name = f"{writer} {number}"
            try:
                async with self.made.lease(self.tenant) as lease:
                    if number % 2:
                        (await lease.session()).add(Artist(name=name))
                    else:
                        await lease.execute("INSERT INTO artist (name) VALUES ($1)", name)
                self.acknowledged.append(name)
            except DEATHS:
                self.failures += 1
                await asyncio.sleep(0.02)

    async def resume(self) -> None:
        """Wait until writes are acknowledged again."""
        known = len(self.acknowledged)
        await until(lambda: len(self.acknowledged) > known + 20, limit_s=60)

    async def check(self) -> None:
        """Hold that every acknowledged row is there, once, and every connection is counted."""
        async with self.made.lease(self.tenant, Mode.READ) as lease:
            session = await lease.session()
            found = list(await session.scalars(select(Artist.name)))
        assert len(found) == len(set(found))
        assert set(self.acknowledged) <= set(found)
        leases = [
            await self.made.dispatch.open(self.tenant, Mode.READ) for _ in range(SMALL.size_max)
        ]
        assert self.made.sources.budget.open_count == SMALL.size_max
        for lease in leases:
            await lease.commit()


async def test_a_killed_backend_takes_no_acknowledged_row_with_it(mortal: World) -> None:
    tenant = await mortal.tenant(Tier.ROWS)
    writers = Writers(mortal, tenant)
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for writer in range(6):
            group.create_task(writers.write(writer))
        for _ in range(2):
            await writers.resume()
            # Ends every other backend of the cluster too: shared memory can't be trusted.
            lease = await mortal.dispatch.open(tenant, Mode.READ)
            record = await lease.fetchrow("SELECT pg_backend_pid()")
            assert record is not None
            kill(record[0])
            await lease.rollback()
        await writers.resume()
        writers.stopping = True
    assert writers.failures
    await writers.check()


async def test_a_restarted_cluster_is_found_again(mortal: World) -> None:
    tenant = await mortal.tenant(Tier.ROWS)
    writers = Writers(mortal, tenant)
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for writer in range(6):
            group.create_task(writers.write(writer))
        await writers.resume()
        kill(postmaster(mortal.clusters.shared.data))
        await until(lambda: writers.failures > 6, limit_s=20)
        await writers.resume()
        writers.stopping = True
    await writers.check()
