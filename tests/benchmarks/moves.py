"""What moves cost those who write, those who don't move, and those who never will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmarks.copies import copies
from tests.benchmarks.gates import gates
from tests.benchmarks.moving import moving_world
from tests.benchmarks.neighbours import neighbours
from tests.benchmarks.pauses import pauses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tests.benchmarks.figures import Figure
    from tests.benchmarks.moving import Measure, MovingWorld

MOVES: Final[Mapping[str, Callable[[MovingWorld, Measure], Awaitable[list[Figure]]]]] = {
    "pauses": pauses,
    "copies": copies,
    "neighbours": neighbours,
    "gates": gates,
}


async def measure_moves(parts: Sequence[str], measure: Measure) -> list[Figure]:
    """Measure what is wished for, each part in a world of its own."""
    found: list[Figure] = []
    for part in parts:
        async with moving_world() as world:
            found += await MOVES[part](world, measure)
    return found
