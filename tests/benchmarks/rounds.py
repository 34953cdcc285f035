"""Shuffled blocks of requests, so that whatever else the machine does hits every variant alike."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from statistics import median

import msgspec

from tests.benchmarks.client import Client
from tests.benchmarks.cpu import Backends, cpu_ns
from tests.benchmarks.world import Server

BLOCK_REQUESTS = 50
WARM_BLOCKS = 1
#: Six turns settle PostgreSQL on a generic plan of each schema's statement; shared tables have one.
_WARM_TURNS = 6
_WARM_REQUESTS_MAX = 1_500
#: The floor is measured twice under two names: a run in which the two differ by more is noise.
NOISE_MAX = 0.05


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way to answer the same question. ``spell`` makes the request of one caller."""

    name: str
    server: Server
    tokens: list[str]
    spell: Callable[[str], bytes]

    def draw(self) -> bytes:
        """Spell the request of a caller drawn at random."""
        return self.spell(random.choice(self.tokens))


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one request of a block cost, on average; ``wall_us`` is the block's median."""

    python_us: float
    postgres_us: float
    wall_us: float

    @property
    def cpu_us(self) -> float:
        return self.python_us + self.postgres_us


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant costs in the least disturbed quarter of its blocks, and against its floor."""

    name: str
    python_us: float
    postgres_us: float
    wall_us: float
    cpu_ratio: float
    python_ratio: float
    wall_ratio: float
    ratio_max: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Variants against their floor."""

    title: str
    floor: str
    lines: list[Line]
    noise: float

    @property
    def is_noisy(self) -> bool:
        return self.noise > NOISE_MAX

    @property
    def missed(self) -> list[Line]:
        """Return the lines that are above what is required of them."""
        return [line for line in self.lines if line.ratio_max and line.cpu_ratio > line.ratio_max]


async def measure(
    variants: list[Variant], backends: Backends, *, rounds: int, is_met: bool = False
) -> dict[str, list[Cost]]:
    """Run every variant once a round, in another order each time.

    ``is_met`` says that the servers have met every caller before.
    """
    clients = {variant.name: Client(variant.server.port) for variant in variants}
    costs: dict[str, list[Cost]] = {variant.name: [] for variant in variants}
    try:
        for variant in () if is_met else variants:
            await _meet_all(variant, clients[variant.name])
        for number in range(WARM_BLOCKS + rounds):
            for variant in random.sample(variants, len(variants)):
                cost = await _block(variant, clients[variant.name], backends)
                if number >= WARM_BLOCKS:
                    costs[variant.name].append(cost)
    finally:
        for client in clients.values():
            await client.close()
    return costs


async def _meet_all(variant: Variant, client: Client) -> None:
    """Let the server meet every caller, and every statement its schema."""
    turns = min(_WARM_TURNS, max(1, _WARM_REQUESTS_MAX // len(variant.tokens)))
    for _ in range(turns):
        for token in variant.tokens:
            await client.ask(variant.spell(token))


async def _block(variant: Variant, client: Client, backends: Backends) -> Cost:
    walls: list[int] = []
    # The first request opens the connection, and the backend wakes up: not what is measured.
    await client.ask(variant.draw())
    python_ns, postgres_ns = cpu_ns(variant.server.pid), backends.cpu_ns()
    for _ in range(BLOCK_REQUESTS):
        request = variant.draw()
        begun_ns = time.perf_counter_ns()
        await client.ask(request)
        walls.append(time.perf_counter_ns() - begun_ns)
    return Cost(
        python_us=(cpu_ns(variant.server.pid) - python_ns) / BLOCK_REQUESTS / 1_000,
        postgres_us=(backends.cpu_ns() - postgres_ns) / BLOCK_REQUESTS / 1_000,
        wall_us=median(walls) / 1_000,
    )


def compare(
    title: str, costs: Mapping[str, list[Cost]], *, floor: str, required: Mapping[str, float | None]
) -> Comparison:
    """Set variants in relation to a floor, which was also measured as ``{floor} again``."""
    first, second = _least_disturbed(costs[floor]), _least_disturbed(costs[f"{floor} again"])
    both = _least_disturbed([*costs[floor], *costs[f"{floor} again"]])
    return Comparison(
        title=title,
        floor=floor,
        noise=abs(first.cpu_us / second.cpu_us - 1),
        lines=[
            _line(name, _least_disturbed(costs[name]), both, required[name]) for name in required
        ],
    )


def _least_disturbed(costs: list[Cost]) -> Cost:
    """Return the lower quartile of each figure: what else the machine does only ever adds to it."""
    return Cost(
        python_us=_quartile([cost.python_us for cost in costs]),
        postgres_us=_quartile([cost.postgres_us for cost in costs]),
        wall_us=_quartile([cost.wall_us for cost in costs]),
    )


def _quartile(values: list[float]) -> float:
    return sorted(values)[len(values) // 4]


def _line(name: str, cost: Cost, floor: Cost, ratio_max: float | None) -> Line:
    return Line(
        name=name,
        python_us=cost.python_us,
        postgres_us=cost.postgres_us,
        wall_us=cost.wall_us,
        cpu_ratio=cost.cpu_us / floor.cpu_us,
        python_ratio=cost.python_us / floor.python_us,
        wall_ratio=cost.wall_us / floor.wall_us,
        ratio_max=ratio_max,
    )
