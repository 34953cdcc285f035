"""Pace: how fast a copy may go, by what the source's other tenants feel.

A probe does on the source what a small request does there, a look into a key and nothing else,
and times it. While it takes longer when the copy works than when it rests, the copy rests after
each chunk; so it takes a share of the server that grows slowly and shrinks at once, as TCP's does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from statistics import median
from typing import TYPE_CHECKING

import asyncpg
import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from promotion.side import Side
    from router.connect import Connection

_PROBE = "SELECT state FROM gate.home WHERE tenant_id = $1"
_SAMPLES = 15
_SAMPLES_A_LOOK = 3
_BASELINE_PROBES = 20
_BASELINE_PAUSE_S = 0.005


class PaceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``slowdown_max`` is how much longer a probe may take while the copy works, at its median.

    A probe under ``calm_ms`` is always short enough: below that, what it measures is noise.
    """

    slowdown_max: float = 1.3
    calm_ms: float = 1.0
    probe_pause_s: float = 0.05
    share_min: float = 0.05
    rest_s_max: float = 5.0


def next_share(share: float, slowdown: float, limits: PaceLimits) -> float:
    """Return the share of the time that the copy may work, after one look at the neighbours."""
    if slowdown > limits.slowdown_max:
        return max(share * 0.6, limits.share_min)
    return min(share + 0.05, 1.0)


def rest_s(worked_s: float, share: float, limits: PaceLimits) -> float:
    """Return how long to rest after work, so that it was ``share`` of the time."""
    return min(worked_s * (1 / share - 1), limits.rest_s_max)


class Pace:
    """Watches the source's latency, and lets a copy rest accordingly."""

    def __init__(self, side: Side, limits: PaceLimits) -> None:
        self._side = side
        self._limits = limits
        #: What a probe takes while the copy works, and what it takes without it. Whatever else the
        #: server does makes both longer, and is no reason to rest.
        self._working: deque[float] = deque(maxlen=_SAMPLES)
        self._resting: deque[float] = deque(maxlen=_SAMPLES)
        self._rests = True
        self._share = 1.0
        self._worked_since = time.monotonic()

    @property
    def share(self) -> float:
        """The share of the time that the copy may work now."""
        return self._share

    async def rest(self) -> None:
        """Be awaited after each piece of work."""
        worked_s = time.monotonic() - self._worked_since
        # Each sample counts once: many small pieces in a row say no more than a large one.
        if len(self._working) >= _SAMPLES_A_LOOK:
            bearable_ms = max(median(self._resting), self._limits.calm_ms)
            self._share = next_share(self._share, median(self._working) / bearable_ms, self._limits)
            self._working.clear()
        if self._share < 1.0:
            self._rests = True
            await asyncio.sleep(rest_s(worked_s, self._share, self._limits))
            self._rests = False
        self._worked_since = time.monotonic()

    @contextlib.asynccontextmanager
    async def watching(self, of: str) -> AsyncGenerator[Pace]:
        """Measure what is usual now, then watch as long as the block lasts."""
        async with self._side.connection(of) as connection:
            for _ in range(_BASELINE_PROBES):
                self._resting.append(await self._probe(connection))
                await asyncio.sleep(_BASELINE_PAUSE_S)
            self._rests = False
            watch = asyncio.get_running_loop().create_task(self._watch(connection))
            self._worked_since = time.monotonic()
            try:
                yield self
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self, connection: Connection) -> None:
        # A probe that fails says nothing of the neighbours; the copy meets the same fault itself.
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            while True:
                rested = self._rests
                took_ms = await self._probe(connection)
                if rested is self._rests:
                    (self._resting if rested else self._working).append(took_ms)
                await asyncio.sleep(self._limits.probe_pause_s)

    async def _probe(self, connection: Connection) -> float:
        began = time.perf_counter()
        await connection.fetchval(_PROBE, self._side.tenant_id)
        return (time.perf_counter() - began) * 1_000
