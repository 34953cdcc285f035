"""What a migration works with, given to it by the top floor."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import msgspec

from migrations.waves.inside import Bounds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from migrations.product.render import RenderedProduct
    from migrations.waves.figures import WaveFigures
    from migrations.waves.inside import Fill
    from router.catalog import Catalog
    from router.catalog.wave_words import Place
    from router.fleet import Fleet


class WaveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a migration is.

    A place whose tables somebody holds is tried ``lock_attempts_max`` times, after longer and
    longer pauses, while the others go on.
    """

    bounds: Bounds = Bounds()
    lock_attempts_max: int = 60
    pause_s_min: float = 0.1
    pause_s_max: float = 5.0
    look_at_once_max: int = 8
    hold_after: timedelta = timedelta(seconds=5)
    #: Who resumes a paused one wakes it; this is for a word that was lost.
    paused_after: timedelta = timedelta(seconds=60)

    def pause_s(self, attempts: int) -> float:
        """Return how long a place is left alone after so many attempts."""
        return min(self.pause_s_min * 2.0 ** min(attempts - 1, 16), self.pause_s_max)


class Examine(Protocol):
    """Looks at what a wave did."""

    async def __call__(self, places: Sequence[Place]) -> Sequence[str]:
        """Return what is wrong at these places; nothing when the next wave may begin."""
        ...


class Turns(Protocol):
    """Says when a piece of work may be done, as the customers of its server feel it."""

    def working(self, place: Place) -> AbstractAsyncContextManager[None]:
        """Do a piece of work at a place inside: entered when it is its turn, left when rested."""
        ...


class Spare(Protocol):
    """Begins to watch the customers' servers."""

    def __call__(self) -> AbstractAsyncContextManager[Turns]:
        """Watch as long as the block lasts."""
        ...


def reach_nothing(_: str) -> None:
    """Pass a point at which a test would let the process die."""


class Reach(Protocol):
    """Is told the points that a migration passes."""

    def __call__(self, point: str, /) -> None:
        """Return, or don't."""
        ...


class WaveTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Where a migration works, how, and who looks at it."""

    catalog: Catalog
    fleet: Fleet
    rendered: RenderedProduct
    limits: WaveLimits
    figures: WaveFigures
    fill: Fill
    examine: Examine
    spare: Spare
    reach: Reach = reach_nothing
