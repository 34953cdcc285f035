"""What each tenant's requests took of the databases, counted in memory until somebody takes it."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING
from uuid import UUID

from router.catalog.loads import Load

if TYPE_CHECKING:
    from router.words import TenantId

_MS_NS = 1_000_000
_MEASURES = 3
#: So many tenants are told of by each measure; the rest is what no neighbour feels.
TOLD_MAX = 200


class Loads:
    """One gateway's counts since they were taken last. Nobody waits in here."""

    def __init__(self) -> None:
        #: By the numbers of tenants' ids: a UUID would be hashed by code in Python each time.
        self._counts: dict[int, list[int]] = {}

    def note(self, tenant_id: TenantId, busy_ns: int, waiting_ns: int) -> None:
        """Count one request."""
        counts = self._counts.get(tenant_id.int)
        if counts is None:
            self._counts[tenant_id.int] = [1, busy_ns, waiting_ns]
            return
        counts[0] += 1
        counts[1] += busy_ns
        counts[2] += waiting_ns

    def take(self, told_max: int = TOLD_MAX) -> list[Load]:
        """Begin anew, and return those tenants that are first by any measure, by their ids."""
        counts, self._counts = self._counts, {}
        chosen = set(counts)
        if len(counts) > told_max:
            chosen = {
                each
                for measure in range(_MEASURES)
                for each in _first(counts, measure, items_max=told_max)
            }
        return [
            Load(
                tenant_id=UUID(int=each),
                requests=counts[each][0],
                busy_ms=round(counts[each][1] / _MS_NS),
                waiting_ms=round(counts[each][2] / _MS_NS),
            )
            for each in sorted(chosen)
        ]


def _first(counts: dict[int, list[int]], measure: int, *, items_max: int) -> list[int]:
    return heapq.nlargest(items_max, counts, key=lambda each: counts[each][measure])
