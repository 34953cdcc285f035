"""What every mover of a process is given: where to write, what to bear, when to give up."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

from promotion.indexes import Effort
from promotion.pace import PaceLimits

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from promotion.faults import Faults
    from promotion.figures import Figures
    from promotion.shape import Shape
    from router.catalog import Catalog
    from router.connect import Connection
    from router.database import Blueprint
    from router.fleet import Fleet
    from router.words import Placement, TenantId


class HolderPolicy(StrEnum):
    """What becomes of a tenant's transactions that don't end while its move waits for them."""

    TURN_BACK = "turn-back"
    END = "end"


class MoveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a move.

    It has caught up when a round brought at most ``settled_keys`` in ``settled_ms``. After
    ``rounds_max`` rounds that didn't, each of the tenant's writing transactions waits at the gate,
    a little longer each round, up to ``delay_ms_max``. ``wait_s_max`` is how long the tenant's own
    transactions may keep the capture or the fence waiting before ``holders`` says what happens.
    After a move, its way back is kept short every ``keep_after``, until ``settle_after``.
    A paused move is looked at every ``paused_look_after`` and turns back after ``pause_max``; one
    that is held before its switch follows every ``held_round_after``. No switch rests on a proof
    that is older than ``proof_age_max``.
    """

    at_once_on_a_cluster: int = 2
    settled_keys: int = 300
    settled_ms: float = 100.0
    rounds_max: int = 12
    rounds_end: int = 60
    delay_ms_max: int = 64
    wait_s_max: float = 60.0
    holders: HolderPolicy = HolderPolicy.TURN_BACK
    attempts_max: int = 8
    settle_after: timedelta = timedelta(days=1)
    keep_after: timedelta = timedelta(minutes=1)
    pause_max: timedelta = timedelta(hours=24)
    paused_look_after: timedelta = timedelta(seconds=10)
    held_round_after: timedelta = timedelta(seconds=5)
    proof_age_max: timedelta = timedelta(hours=1)
    erase_rows_a_batch: int = 1_000
    erase_rest_s: float = 0.02
    pace: PaceLimits = PaceLimits()
    effort: Effort = Effort()


class Places(Protocol):
    """What promotion needs of those who make places: it knows no tier's store itself."""

    async def make(self, tenant_id: TenantId, placement: Placement) -> None:
        """Make a place whole, and let nobody in. Repeat it after any failure."""
        ...

    def recording(self, placement: Placement) -> AbstractAsyncContextManager[Connection]:
        """Lend the catalog's transaction that records a tenant at this place."""
        ...


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is the same for each move of one process."""

    catalog: Catalog
    fleet: Fleet
    places: Places
    shape: Shape
    blueprint: Blueprint
    limits: MoveLimits
    figures: Figures
    faults: Faults
