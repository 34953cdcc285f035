"""Which revision of the product a place is at, asked of the place itself and remembered briefly."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import asyncpg

from router.errors import PlatformError

if TYPE_CHECKING:
    from router.fleet import Fleet
    from router.words import Placement

KNOWN_S_MAX = 15.0
PLACES_MAX = 10_000
_REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"


class PlaceRevisions:
    """Revisions by place; shared tables are one place for all of their tenants."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._known: OrderedDict[tuple[str, str, str], tuple[float, str | None]] = OrderedDict()

    async def revision_of(self, placement: Placement) -> str | None:
        """Return the revision of a place; None when the place can't be asked now."""
        place = (placement.cluster, placement.database, placement.schema)
        known = self._known.get(place)
        if known is not None and time.monotonic() - known[0] < KNOWN_S_MAX:
            return known[1]
        try:
            async with self._fleet.admin(placement.cluster, placement.database) as connection:
                revision = await connection.fetchval(_REVISION, placement.schema)
        except (PlatformError, OSError, TimeoutError, asyncpg.PostgresError):
            return None
        self._known[place] = (time.monotonic(), revision)
        self._known.move_to_end(place)
        if len(self._known) > PLACES_MAX:
            self._known.popitem(last=False)
        return None if revision is None else str(revision)
