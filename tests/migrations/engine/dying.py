"""Runners that die at a point of their way, one after another, until the migration has ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from router.catalog import operations
from router.catalog.operations import OperationState
from router.sql import load
from tests.migrations.engine.fleet import Fleet, fleet
from tests.migrations.engine.shop import FOLDER
from tests.promotion.workers import Nursery, nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path
    from uuid import UUID

    from router.words import Tier
    from tests.worlds import Clusters

_SQL = load("tests.migrations.engine", "fleet.sql")
_LIMIT_S = 60.0


class Grave:
    """A fleet, and the workers that come to it."""

    def __init__(self, made: Fleet, home: Nursery) -> None:
        self.made = made
        self._home = home
        self.deaths: list[str] = []

    async def die_everywhere(self, migration_id: UUID, point: str) -> None:
        """Have one runner after another die at a point, until nothing is left to do."""
        while not await self._is_over(migration_id):
            await self.die_at(migration_id, point)

    async def die_at(self, migration_id: UUID, point: str) -> None:
        """Have a runner come and die at a point, unless the migration ends before."""
        worker = await self._home.bear(self.made.settings, {"STEPWELL_FAULT_POINT": point})
        async with asyncio.timeout(_LIMIT_S):
            while not worker.ended.done() and not await self._is_over(migration_id):
                await asyncio.sleep(0.02)
        worker.send(signal.SIGKILL)
        assert await worker.died_of() is signal.SIGKILL, worker.said()
        if not await self._is_over(migration_id):
            self.deaths.append(point)
            await self._bury(migration_id)

    async def go_on(self, migration_id: UUID) -> None:
        """Have a runner that nothing happens to bring it to its end."""
        worker = await self._home.bear(self.made.settings, {})
        async with asyncio.timeout(_LIMIT_S):
            while not await self._is_over(migration_id):
                await asyncio.sleep(0.05)
        await worker.stop()

    async def _bury(self, migration_id: UUID) -> None:
        """Let the time pass after which somebody else goes on, and forget how often that was."""
        async with self.made.platform.catalog.transaction() as connection:
            await connection.execute(_SQL["bury"], migration_id)

    async def _is_over(self, migration_id: UUID) -> bool:
        async with self.made.platform.catalog.connection() as connection:
            operation = await operations.get(connection, migration_id)
        assert operation.state is not OperationState.FAILED, operation.error
        return operation.state.is_ended


@contextlib.asynccontextmanager
async def graveyard(
    clusters: Clusters, folder: Path, tiers: Sequence[Tier]
) -> AsyncGenerator[Grave]:
    """Build a fleet, and a nursery whose workers know the revisions of its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder / "revisions"))
        async with fleet(clusters, folder, tiers) as made, nursery(folder) as home:
            yield Grave(made, home)
