"""Prints what the search finds: ``python -m tests.promotion.model``."""

from __future__ import annotations

import sys
import time

from tests.promotion.model.designs import AS_BUILT, VARIANTS
from tests.promotion.model.search import Found, search


def main() -> None:
    """Search the design and each broken variant, and tell the shortest stories."""
    began = time.perf_counter()
    _tell("The design", search(AS_BUILT), began)
    for variant in VARIANTS:
        began = time.perf_counter()
        _tell(f"{variant.name}, {variant.says}", search(variant.played, variant.breaks), began)


def _tell(title: str, found: Found, began: float) -> None:
    took_s = time.perf_counter() - began
    _say(f"{title}: {found.states:,} states, {found.moves:,} moves, {took_s:.1f} s")
    for broken, story in found.stories.items():
        _say(f"  {broken}, after {len(story)} moves:")
        for number, line in enumerate(story, start=1):
            _say(f"    {number:2}. {line}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
