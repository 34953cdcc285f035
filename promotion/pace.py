"""Pace: how fast a move may work, by what the source's other tenants feel.

A probe does on the source what a small request does there, a look into a key and a moment of work,
and times it. Where it takes longer while the move works than while it stands still, the move rests
after each piece of its work, and a piece is small: nobody meets it for longer than a blink. So it
takes a share of the server that grows slowly and shrinks at once, as TCP's does. It stands still
from time to time to learn what is usual. Where nobody else is at work nobody feels anything, and
nothing is held back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from enum import IntEnum
from math import sqrt
from statistics import mean, variance
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from promotion.side import Side
    from router.connect import Connection

_SQL = load("promotion", "pace.sql")
_SAMPLES = 80
_SAMPLES_A_LOOK = 24
_STILL_SAMPLES = 12
_STILL_SAMPLES_MIN = 2
#: The first probes of a connection are planned, and read from a disk.
_WARM_UP = 3
#: What is owed below that is slept together with what comes: a timer is no finer.
_OWED_S_MIN = 0.004


class PaceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``slowdown_max`` is how much longer a probe may take while the move works, on average.

    ``others_min`` is how many transactions of others are at work on average where somebody is
    there to be felt at all, and then ``share_first`` is what the move begins with;
    ``still_every_s`` is how often it stands still to compare.
    """

    slowdown_max: float = 1.1
    calm_ms: float = 0.3
    others_min: float = 0.05
    probe_pause_s: float = 0.05
    still_every_s: float = 4.0
    share_min: float = 0.05
    share_first: float = 0.1
    rest_s_max: float = 20.0


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One probe: how long it took, and how many transactions of others it met."""

    took_ms: float
    others: int


class Felt(IntEnum):
    """What a look at the neighbours says of the move's share; the greater one is the worse."""

    NOTHING = 0
    MAYBE = 1
    SLOWER = 2


def next_share(share: float, felt: Felt, limits: PaceLimits) -> float:
    """Return the share of the time that the move may work, after one look at the neighbours."""
    match felt:
        case Felt.SLOWER:
            return max(share * 0.6, limits.share_min)
        case Felt.MAYBE:
            return share
        case Felt.NOTHING:
            return min(share * 1.2, 1.0)


def rest_s(worked_s: float, share: float, limits: PaceLimits) -> float:
    """Return how long to rest after work, so that it was ``share`` of the time."""
    return min(worked_s * (1 / share - 1), limits.rest_s_max)


def feel(working: Sequence[Probe], still: Sequence[Probe], limits: PaceLimits) -> Felt:
    """Say whether probes take longer while the move works than while it stands still.

    Both answers have to be sure, to one standard error of the difference: a busy server's probes
    differ so much that guessing would do harm to its tenants, or let a move creep on a quiet one.
    The slowest tenth is left out on both sides, as one checkpoint says nothing of the move.
    """
    busy, calm = _usual(working), _usual(still)
    chance_ms = sqrt(variance(busy) / len(busy) + variance(calm) / len(calm))
    excess_ms = mean(busy) - mean(calm)
    bearable_ms = max((limits.slowdown_max - 1) * mean(calm), limits.calm_ms)
    if excess_ms + chance_ms <= bearable_ms:
        return Felt.NOTHING
    return Felt.SLOWER if excess_ms - chance_ms / 2 > bearable_ms else Felt.MAYBE


def _usual(felt: Sequence[Probe]) -> list[float]:
    took = sorted(each.took_ms for each in felt)
    return took[: max(2, len(took) - len(took) // 10)]


async def at_once() -> None:
    """Be awaited instead of a rest, where nobody is to be spared."""


class Pace:
    """Watches the latency at both ends, and lets a move rest accordingly.

    ``of_customers``: none but their transactions are those of others.
    """

    def __init__(
        self, sides: Sequence[Side], limits: PaceLimits, *, of_customers: bool = False
    ) -> None:
        self._limits = limits
        clusters = {side.placement.cluster: side for side in reversed(sides)}
        probe = _SQL["probe_customers" if of_customers else "probe"]
        self._feelers = [Feeler(side, limits, probe) for side in clusters.values()]
        #: Somebody wants the move's end more than its neighbours' comfort: nobody is spared.
        self.is_hurried = False
        #: Whether the move stands still now, for the probes; and whether it was asked to.
        self._stands = True
        self._go = asyncio.Event()
        self._share = 1.0
        self._owed_s = 0.0
        self._worked_since = time.monotonic()

    @property
    def share(self) -> float:
        """The share of the time that the move may work now."""
        return self._share

    @property
    def is_anybody_there(self) -> bool:
        """Whether anybody else is at work at one of the ends."""
        return any(feeler.is_anybody_there for feeler in self._feelers)

    def begin(self) -> None:
        """Be told that work begins now: what came before was waiting, and is owed no rest."""
        self._worked_since = time.monotonic()

    async def rest(self) -> None:
        """Be awaited after each piece of work."""
        if self.is_hurried:
            self._owed_s, self._worked_since = 0.0, time.monotonic()
            return
        self._owed_s += rest_s(time.monotonic() - self._worked_since, self._share, self._limits)
        if self._owed_s >= _OWED_S_MIN:
            owed_s, self._owed_s = self._owed_s, 0.0
            await asyncio.sleep(owed_s)
        if not self._go.is_set():
            self._stands = True
            await self._go.wait()
            self._stands = False
        self._worked_since = time.monotonic()

    @contextlib.asynccontextmanager
    async def watching(self, of: str) -> AsyncGenerator[Pace]:
        """Measure what is usual now, then watch as long as the block lasts."""
        async with contextlib.AsyncExitStack() as stack:
            for feeler in self._feelers:
                await stack.enter_async_context(feeler.connected(of))
            self._stands = True
            await self._learn()
            self._stands = False
            self._go.set()
            watch = asyncio.get_running_loop().create_task(self._watch())
            self._worked_since = time.monotonic()
            try:
                yield self
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    async def _learn(self) -> None:
        """Learn what is usual, unless it is known, or there is nobody to be felt."""
        for feeler in self._feelers:
            for _ in range(_WARM_UP):
                await feeler.probe()
        while not self.is_hurried and not all(feeler.is_ready for feeler in self._feelers):
            await self._feel()
            if not self.is_anybody_there:
                return
            first = max(self._limits.share_first, self._limits.share_min)
            self._share = min(self._share, first)
            await asyncio.sleep(self._limits.probe_pause_s)

    async def _watch(self) -> None:
        # A probe that fails says nothing of the neighbours; the move meets the same fault itself.
        try:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                while True:
                    await self._feel_for(self._limits.still_every_s)
                    if self.is_anybody_there:
                        await self._stand_still()
        finally:
            self._go.set()

    async def _stand_still(self) -> None:
        """Hold the move where it next rests; a long piece of work isn't waited for."""
        self._go.clear()
        try:
            await self._feel_for(_STILL_SAMPLES * self._limits.probe_pause_s)
        finally:
            self._go.set()

    async def _feel_for(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            await self._feel()
            looks = [feeler.look() for feeler in self._feelers]
            if felt := [look for look in looks if look is not None]:
                self._share = next_share(self._share, max(felt), self._limits)
            await asyncio.sleep(self._limits.probe_pause_s)

    async def _feel(self) -> None:
        stood = self._stands
        felt = [await feeler.probe() for feeler in self._feelers]
        if stood is self._stands:
            for feeler, each in zip(self._feelers, felt, strict=True):
                feeler.keep(each, stood=stood)


class Feeler:
    """What is felt at one end, while the move works and while it stands still."""

    def __init__(self, side: Side, limits: PaceLimits, probe: str = _SQL["probe"]) -> None:
        self._side = side
        self._probe = probe
        self._limits = limits
        self._connection: Connection | None = None
        self.working: deque[Probe] = deque(maxlen=_SAMPLES)
        self.still: deque[Probe] = deque(maxlen=_SAMPLES)

    @contextlib.asynccontextmanager
    async def connected(self, of: str) -> AsyncGenerator[None]:
        async with self._side.connection(of) as self._connection:
            yield

    @property
    def is_anybody_there(self) -> bool:
        felt = [*self.working, *self.still]
        return sum(each.others for each in felt) >= self._limits.others_min * len(felt)

    @property
    def is_ready(self) -> bool:
        """Whether it is known what is usual."""
        return len(self.still) >= _STILL_SAMPLES

    async def probe(self) -> Probe:
        assert self._connection is not None, "a feeler is connected first"
        began = time.perf_counter()
        others = await self._connection.fetchval(self._probe, self._side.tenant_id)
        return Probe(took_ms=(time.perf_counter() - began) * 1_000, others=others)

    def keep(self, felt: Probe, *, stood: bool) -> None:
        (self.still if stood else self.working).append(felt)

    def look(self) -> Felt | None:
        """Say what is felt here; None until enough was since the last look."""
        # Each sample counts once: many small pieces in a row say no more than a large one.
        if len(self.working) < _SAMPLES_A_LOOK or len(self.still) < _STILL_SAMPLES_MIN:
            return None
        felt = Felt.NOTHING
        if self.is_anybody_there:
            felt = feel(self.working, self.still, self._limits)
        self.working.clear()
        return felt
