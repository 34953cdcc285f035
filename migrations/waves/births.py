"""At which revision a new place is made: that of its wave, as if it had been there all along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations.waves.plan import wave_of
from router.catalog import waves
from router.catalog.wave_words import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.catalog.wave_words import Migration, Place
    from router.connect import Connection


async def revision_at_birth(connection: Connection, place: Place, order: Sequence[str]) -> str:
    """Return the revision that a place made now has; ``order`` are those that this process knows.

    In the transaction that records the place, the answer holds until that ends.
    """
    await waves.take_turns(connection)
    going = await waves.find_open(connection)
    latest = await waves.latest_done(connection) if going is None else None
    return decide(place, order, going=going, latest=latest)


def decide(
    place: Place, order: Sequence[str], *, going: Migration | None, latest: Migration | None
) -> str:
    """Decide it: the migration that is open says where its waves are, else the latest one may.

    Who was taken back stays there until somebody goes forward again, whatever version runs.
    """
    wanted = order[-1]
    if going is not None:
        has_begun = wave_of(place, going.rules) <= going.wave
        is_down = going.direction is Direction.DOWN
        wanted = going.target if has_begun or is_down else going.source
    elif latest is not None and latest.direction is Direction.DOWN:
        wanted = latest.target
    return wanted if wanted in order else order[-1]
