"""Switches that make the stand-in as bad as the real world: they hold until they are set anew."""

from __future__ import annotations

import random
from typing import Annotated

import msgspec
from msgspec import Meta

from deploy.stand_in.store import Store

#: How far apart two events may arrive that happened at once, when they are reordered.
REORDER_SPREAD_S = 0.5

Fraction = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[int, Meta(ge=0, le=600_000)]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong; nothing by default. The same seed makes the same things go wrong."""

    #: Further copies of each delivery.
    duplicates: Annotated[int, Meta(ge=0, le=100)] = 0
    reorder: bool = False
    delay_ms: Milliseconds = 0
    #: The fraction of events that nobody is ever told of.
    lose: Fraction = 0.0
    seed: int = 0
    #: The fraction of calls that fail, half of them after having been done.
    fail_api: Fraction = 0.0
    api_delay_ms: Milliseconds = 0
    rate_limit: Fraction = 0.0
    #: The fraction of calls that are answered with what is no JSON.
    nonsense: Fraction = 0.0


def read(store: Store) -> Faults:
    """Read the switches as they stand."""
    text = store.setting("faults")
    return Faults() if text is None else msgspec.json.decode(text, type=Faults)


def write(store: Store, faults: Faults) -> None:
    """Set all switches."""
    store.set("faults", msgspec.json.encode(faults).decode())


def deliveries(faults: Faults, event: str) -> tuple[float, ...]:
    """Say after how many seconds each copy of an event goes out; none when it is lost."""
    chance = random.Random(f"{faults.seed}:{event}")  # noqa: S311 - repeatable, not secret
    if chance.random() < faults.lose:
        return ()
    spread = REORDER_SPREAD_S if faults.reorder else 0.0
    return tuple(
        faults.delay_ms / 1000 + chance.random() * spread for _ in range(1 + faults.duplicates)
    )
