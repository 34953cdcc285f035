"""Plots as pictures in the page: drawn here, so that they need no script and no other host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from web.rendering import number

SERIES_MAX: Final = 5
#: More values than these are drawn by the largest of each few.
POINTS_MAX: Final = 180
WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 12, 26
_GRID_PARTS = 4


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the grid, and what stands beside it."""

    at: float
    said: str


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """Lines over one span of time, the largest value at the top; each line is an SVG path."""

    width: int
    height: int
    left: int
    right: int
    marks: tuple[Mark, ...]
    paths: tuple[str, ...]


def draw(series: Sequence[Sequence[int]]) -> Plot:
    """Draw at most five lines of values at equal distances; many are drawn by their largest."""
    shown = [_thinned(each) for each in series[:SERIES_MAX]]
    top = max((max(each, default=0) for each in shown), default=0)
    scale = _round_up(top)
    room = HEIGHT - _TOP - _BOTTOM

    def height_of(value: float) -> float:
        return round(_TOP + room * (1 - value / scale), 1)

    marks = tuple(
        Mark(at=height_of(value), said=_said(value))
        for value in (scale * part / _GRID_PARTS for part in range(_GRID_PARTS + 1))
    )
    return Plot(
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        marks=marks,
        paths=tuple(_path([height_of(value) for value in each]) for each in shown),
    )


def _said(value: float) -> str:
    return number(int(value)) if value.is_integer() else f"{value:g}"


def _path(heights: Sequence[float]) -> str:
    room = WIDTH - _LEFT - _RIGHT
    step = room / max(len(heights) - 1, 1)
    # A single value is a line too.
    drawn = heights if len(heights) != 1 else [*heights, *heights]
    step = step if len(heights) != 1 else room
    points = (f"{_LEFT + step * at:.1f} {height:g}" for at, height in enumerate(drawn))
    return "M" + " L".join(points) if drawn else ""


def _thinned(values: Sequence[int]) -> list[int]:
    """Take the largest of each few, so that a peak of one minute is seen in a day."""
    few = -(-len(values) // POINTS_MAX) if values else 1
    return [max(values[at : at + few]) for at in range(0, len(values), few)]


def _round_up(value: int) -> int:
    """Return the next number that people like on a scale: 1, 2 or 5 with zeros, at least one."""
    unit = 1
    while True:
        for each in (1, 2, 5):
            if unit * each >= value:
                return unit * each
        unit *= 10
