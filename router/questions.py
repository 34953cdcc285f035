"""Questions to the catalog: each asked once however many wait for it, and a bounded number at once.

Without this, a flood of requests for tenants that don't exist would be a flood of queries.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from router.errors import Overloaded
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KeyT = TypeVar("KeyT")
AnswerT = TypeVar("AnswerT")


class QuestionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``unknown_s_max`` is how long "there is none" is believed without asking again."""

    asks_max: int = 4
    waiting_max: int = 500
    unknown_s_max: float = 2.0
    unknown_max: int = 10_000


class Questions(Generic[KeyT, AnswerT]):
    """One kind of question; ``ask`` is what really asks."""

    def __init__(
        self, ask: Callable[[KeyT], Awaitable[AnswerT | None]], limits: QuestionLimits
    ) -> None:
        self._ask = ask
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.asks_max)
        self._flights: dict[KeyT, asyncio.Task[AnswerT | None]] = {}
        self._unknown: dict[KeyT, float] = {}

    async def ask(self, key: KeyT) -> AnswerT | None:
        """Return the answer; None at once when there was none a moment ago."""
        if (until_s := self._unknown.get(key)) is not None:
            if time.monotonic() < until_s:
                return None
            del self._unknown[key]
        return await self.ask_anew(key)

    async def ask_anew(self, key: KeyT) -> AnswerT | None:
        """Return the answer of the catalog, or of a question that is on its way already."""
        flight = self._flights.get(key)
        if flight is None:
            if len(self._flights) >= self._limits.waiting_max:
                raise Overloaded(f"{len(self._flights)} questions already wait for the catalog")
            flight = asyncio.get_running_loop().create_task(self._fly(key))
            flight.add_done_callback(_look)
            self._flights[key] = flight
        # One who gives up mustn't take the answer away from the others.
        return await asyncio.shield(flight)

    def forget_unknown(self, key: KeyT) -> None:
        """Ask again for this one next time."""
        self._unknown.pop(key, None)

    def forget_all_unknown(self) -> None:
        """Ask again for everything next time."""
        self._unknown.clear()

    async def close(self) -> None:
        """Drop the questions that are on their way."""
        await end(*self._flights.values())

    async def _fly(self, key: KeyT) -> AnswerT | None:
        try:
            async with self._slots:
                answer = await self._ask(key)
            if answer is None:
                self._remember_unknown(key)
            return answer
        finally:
            del self._flights[key]

    def _remember_unknown(self, key: KeyT) -> None:
        self._unknown.pop(key, None)  # the newest is the last to go, and takes nobody else's place
        if len(self._unknown) >= self._limits.unknown_max:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[key] = time.monotonic() + self._limits.unknown_s_max


def _look(flight: asyncio.Task[AnswerT | None]) -> None:
    # Everybody who waited may have gone: look at the error, or asyncio complains that nobody did.
    if not flight.cancelled():
        flight.exception()
