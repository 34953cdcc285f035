"""How much of what can be repeated is repeated: once in `make test`, more in `make soak`."""

from __future__ import annotations

import os


def scaled(amount: int) -> int:
    """Multiply by STEPWELL_TEST_SCALE, which is 1 where nobody set it."""
    return max(1, round(amount * float(os.environ.get("STEPWELL_TEST_SCALE", "1"))))


def seed() -> int:
    """Answer the seed of this run: STEPWELL_TEST_SEED repeats a failure, which printed it."""
    given = os.environ.get("STEPWELL_TEST_SEED")
    return int(given) if given else int.from_bytes(os.urandom(4), "big")
