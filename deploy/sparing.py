"""How a migration spares the customers of the servers on which it works: as a move does.

Where nobody is at work, it works at as many places at once as it may. Where customers are, it works
at one place of a server after the other, and rests as long as they feel it: promotion/pace.py.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from deploy.filling import NOBODY, side_of
from promotion.pace import Pace, PaceLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType
    from typing import Self

    from router.catalog.wave_words import Place
    from router.fleet import Fleet

_PURPOSE = "migration"


class Sparing:
    """Watches each server from the first piece of work there to the end of one attempt."""

    def __init__(self, fleet: Fleet, limits: PaceLimits) -> None:
        self._fleet = fleet
        self._limits = limits
        self._stack = AsyncExitStack()
        self._paces: dict[str, Pace] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        """Begin; nobody is watched yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all watching."""
        await self._stack.aclose()

    @asynccontextmanager
    async def working(self, place: Place) -> AsyncGenerator[None]:
        """Do a piece of work at a place's server inside, when it is its turn."""
        turn = self._turns.setdefault(place.cluster, asyncio.Lock())
        async with turn:
            pace = await self._pace(place)
            if pace.is_anybody_there:
                pace.begin()
                yield
                await pace.rest()
                return
        yield

    async def _pace(self, place: Place) -> Pace:
        known = self._paces.get(place.cluster)
        if known is None:
            seat = side_of(self._fleet, place, NOBODY)
            pace = Pace([seat], self._limits, of_customers=True)
            known = await self._stack.enter_async_context(pace.watching(_PURPOSE))
            self._paces[place.cluster] = known
        return known
