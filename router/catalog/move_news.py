"""News of moves: one listening connection a process, whoever watches however many of them."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from router.catalog import moves
from router.catalog.move_words import MoveDocument
from router.catalog.news import MOVE_CHANNEL, follow
from router.errors import Overloaded, PlatformError
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from uuid import UUID

    from router.catalog.catalog import Catalog

WATCHERS_MAX = 100
#: A watcher looks by itself now and then, were every message lost.
LOOK_S = 2.0


class MoveNews:
    """Wakes those who watch a move. Listens only while somebody does."""

    def __init__(self, catalog: Catalog, *, watchers_max: int = WATCHERS_MAX) -> None:
        self._catalog = catalog
        self._watchers_max = watchers_max
        self._watchers: dict[UUID, set[asyncio.Event]] = {}
        self._ears: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop listening."""
        if (ears := self._stop()) is not None:
            await end(ears)

    @contextmanager
    def watching(self, move_id: UUID) -> Generator[asyncio.Event]:
        """Lend an event that is set whenever the move may have changed."""
        if sum(map(len, self._watchers.values())) >= self._watchers_max:
            raise Overloaded(f"{self._watchers_max} watch moves through this process already")
        wake = asyncio.Event()
        self._watchers.setdefault(move_id, set()).add(wake)
        if self._ears is None:
            loop = asyncio.get_running_loop()
            self._ears = loop.create_task(follow(self._catalog, MOVE_CHANNEL, self))
        try:
            yield wake
        finally:
            self._watchers[move_id].discard(wake)
            if not self._watchers[move_id]:
                del self._watchers[move_id]
            if not self._watchers:
                self._stop()

    def heard(self, payload: str) -> None:
        """Wake whoever watches the move that changed."""
        for move_id, waiting in self._watchers.items():
            if str(move_id) == payload:
                _wake(waiting)

    async def connected(self) -> None:
        """Wake all: what was said before this moment was missed."""
        for waiting in self._watchers.values():
            _wake(waiting)

    def lost(self, error: PlatformError) -> None:
        """Leave the watchers to look by themselves."""

    def _stop(self) -> asyncio.Task[None] | None:
        ears, self._ears = self._ears, None
        if ears is not None:
            ears.cancel()
        return ears


async def follow_move(
    news: MoveNews, catalog: Catalog, move_id: UUID, *, s_max: float
) -> AsyncGenerator[MoveDocument | None]:
    """Yield a move now and at each change, until its operation has ended or the time is over.

    None is yielded when nothing has changed for a while: a sign of life for whoever waits.
    """
    end_s, seen = time.monotonic() + s_max, None
    with news.watching(move_id) as wake:
        while time.monotonic() < end_s:
            wake.clear()
            async with catalog.connection() as connection:
                document = MoveDocument.of(await moves.get(connection, move_id))
            yield None if document == seen else document
            if document.state.is_ended:
                return
            seen = document
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), min(LOOK_S, max(end_s - time.monotonic(), 0)))


def _wake(waiting: set[asyncio.Event]) -> None:
    for event in waiting:
        event.set()
