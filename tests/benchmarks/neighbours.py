"""What a throttled move takes from another tenant of the tables that it copies from."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING

import msgspec

from router.words import Tier
from tests.benchmarks.figures import RATIO, Figure
from tests.benchmarks.moving import AWAY

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.benchmarks.moving import Measure, MovingWorld, Traveller
    from tests.promotion.wire import Wire

THROUGHPUT_MIN = 0.9
P99_MAX = 1.3
_CONNECTIONS = 4
_WARM_S = 2.0


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered in a stretch of time."""

    per_s: float
    p99_ms: float


class Neighbour:
    """A closed loop: each connection asks again as soon as it has its answer."""

    def __init__(self, artists: int) -> None:
        self._artists = artists
        self._done: list[tuple[float, float]] = []

    async def run(self, wire: Wire, is_over: asyncio.Event) -> None:
        """Ask until it is over: a write, and a read."""
        while not is_over.is_set():
            artist = random.randint(1, self._artists)
            await self._ask(wire, "PATCH", f"/artists/{artist}", {"name": f"{time.time()}"})
            await self._ask(wire, "GET", f"/artists/{artist}")
        await wire.close()

    def between(self, from_s: float, to_s: float) -> Window:
        """Sum up what was answered then."""
        took = [took_s for ended_s, took_s in self._done if from_s <= ended_s < to_s]
        return Window(per_s=len(took) / (to_s - from_s), p99_ms=quantiles(took, n=100)[98] * 1_000)

    async def _ask(self, wire: Wire, method: str, path: str, body: object = None) -> None:
        begun_s = time.monotonic()
        answer = await wire.ask(method, path, body)
        ended_s = time.monotonic()
        if answer.status != 200:
            raise SystemExit(f"{method} {path} was answered with {answer}")
        self._done.append((ended_s, ended_s - begun_s))


async def neighbours(world: MovingWorld, measure: Measure) -> list[Figure]:
    """Compare the stretches before and after each move with the move itself, its end left out."""
    large = await world.traveller(measure.beside)
    other = await world.neighbour(large, measure.small)
    throughput: list[float] = []
    p99: list[float] = []
    moved_s: list[float] = []
    async with _busy(world, other) as neighbour:
        await asyncio.sleep(_WARM_S)
        for _ in range(measure.copies):
            before_s = time.monotonic()
            await asyncio.sleep(measure.calm_s)
            begun_s = time.monotonic()
            move = await world.go(large, Tier.SCHEMA, AWAY)
            ended_s = time.monotonic()
            await world.undo(move.id)
            after_s = time.monotonic()
            await asyncio.sleep(measure.calm_s)
            calm = [
                neighbour.between(before_s, begun_s),
                neighbour.between(after_s, time.monotonic()),
            ]
            moving = neighbour.between(begun_s, ended_s)
            throughput.append(moving.per_s / (sum(each.per_s for each in calm) / len(calm)))
            p99.append(moving.p99_ms / (sum(each.p99_ms for each in calm) / len(calm)))
            moved_s.append(ended_s - begun_s)
    rows = f"{large.stock.rows:,} rows"
    return [
        Figure(name=f"a throttled move of {rows}", value=median(moved_s), unit="s"),
        Figure(
            name=f"another tenant's throughput during it ÷ without, {_CONNECTIONS} connections",
            value=median(throughput),
            unit=RATIO,
            value_min=THROUGHPUT_MIN,
        ),
        Figure(
            name="another tenant's p99 during it ÷ without",
            value=median(p99),
            unit=RATIO,
            value_max=P99_MAX,
        ),
    ]


@contextlib.asynccontextmanager
async def _busy(world: MovingWorld, traveller: Traveller) -> AsyncGenerator[Neighbour]:
    neighbour, is_over = Neighbour(traveller.stock.artists), asyncio.Event()
    shop = world.shop(traveller)
    wires = [wire for _ in range(_CONNECTIONS // len(shop.ports)) for wire in shop.wires()]
    running = [asyncio.ensure_future(neighbour.run(wire, is_over)) for wire in wires]
    try:
        yield neighbour
    finally:
        is_over.set()
        await asyncio.gather(*running)
