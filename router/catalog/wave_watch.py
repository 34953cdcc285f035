"""Watching a migration: one look at the catalog for all who watch through this process."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import waves
from router.catalog.wave_words import MigrationDocument, MigrationState
from router.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from router.catalog.catalog import Catalog

WATCHERS_MAX = 100
#: A wave changes many places a second: news of each would be more than anybody can look at.
LOOK_S = 0.5
#: How long nothing is said when nothing changes.
SILENT_LOOKS_MAX = 4
_AT_WORK = frozenset({MigrationState.RUNNING, MigrationState.PAUSED})


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    document: MigrationDocument
    at_s: float


class WaveWatch:
    """Shows migrations to watchers; who looks soon after another one sees the same."""

    def __init__(self, catalog: Catalog, *, watchers_max: int = WATCHERS_MAX) -> None:
        self._catalog = catalog
        self._watchers_max = watchers_max
        self._watchers = 0
        self._turn = asyncio.Lock()
        self._seen: dict[UUID, _Look] = {}

    async def follow(
        self, migration_id: UUID, *, s_max: float
    ) -> AsyncGenerator[MigrationDocument | None]:
        """Yield a migration now and at each change, until nobody works at it or the time is over.

        None is yielded when nothing has changed for a while: a sign of life for whoever waits.
        """
        end_s, seen, silent = time.monotonic() + s_max, None, 0
        with self._watching():
            while True:
                document = await self._look(migration_id)
                silent = silent + 1 if document == seen else 0
                if not silent or silent % SILENT_LOOKS_MAX == 0:
                    yield None if silent else document
                if document.state not in _AT_WORK or time.monotonic() + LOOK_S >= end_s:
                    return
                seen = document
                await asyncio.sleep(LOOK_S)

    async def _look(self, migration_id: UUID) -> MigrationDocument:
        async with self._turn:
            known = self._seen.get(migration_id)
            if known is not None and time.monotonic() - known.at_s < LOOK_S / 2:
                return known.document
            async with self._catalog.connection() as connection:
                migration = await waves.get(connection, migration_id)
                document = await waves.document(connection, migration)
            self._seen[migration_id] = _Look(document=document, at_s=time.monotonic())
            return document

    @contextmanager
    def _watching(self) -> Generator[None]:
        if self._watchers >= self._watchers_max:
            raise Overloaded(f"{self._watchers_max} watch migrations through this process already")
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._seen.clear()
