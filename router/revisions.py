"""At which revision of the product each place is, as the catalog's news told last.

The place itself is the truth; this is for telling callers what they met, and for keeping statements
that were prepared for other tables apart. What is late here costs a request nothing but a repeat.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from router.catalog import waves
from router.words import PlaceRevision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from router.catalog import Catalog
    from router.words import Placement

UNKNOWN = PlaceRevision()


class Revisions:
    """Revisions by place. ``order`` are those of this process's product, first to head."""

    def __init__(self, catalog: Catalog, order: Sequence[str] = ()) -> None:
        self._catalog = catalog
        self._order = tuple(order)
        self._known: dict[tuple[str, str, str], PlaceRevision] = {}
        self._doubts = 0
        self._read_until: datetime | None = None

    def of(self, placement: Placement) -> PlaceRevision:
        """Return what is known of a place, from memory."""
        return self._known.get((placement.cluster, placement.database, placement.schema), UNKNOWN)

    def doubt(self, placement: Placement) -> None:
        """Believe PostgreSQL, which says that a place's tables have changed before the news did."""
        self._doubts += 1
        known = self.of(placement)
        self._known[placement.cluster, placement.database, placement.schema] = PlaceRevision(
            revision=known.revision,
            differs_how=known.differs_how,
            mark=_mark(f"{known.revision} {self._doubts}"),
        )

    async def read_changed(self) -> None:
        """Read what changed since the last time."""
        async with self._catalog.connection() as connection:
            found = await waves.known_places(connection, since=self._read_until)
        for place, revision, changed_at in found:
            known = self._known.get(place.key)
            if known is None or known.revision != revision:
                self._known[place.key] = self._judge(revision)
            if self._read_until is None or changed_at > self._read_until:
                self._read_until = changed_at

    async def read_all(self) -> None:
        """Read everything again, and forget places that are gone."""
        async with self._catalog.connection() as connection:
            found = await waves.known_places(connection)
        known = {place.key: (revision, self._known.get(place.key)) for place, revision, _ in found}
        self._known = {
            key: old if old is not None and old.revision == revision else self._judge(revision)
            for key, (revision, old) in known.items()
        }
        self._read_until = max((changed_at for _, _, changed_at in found), default=None)

    def _judge(self, revision: str) -> PlaceRevision:
        head = self._order[-1] if self._order else revision
        if revision == head:
            return PlaceRevision(revision=revision)
        how = (
            f"are at revision {revision}, and this version of the product needs {head}: a "
            "migration brings them there"
            if revision in self._order
            else f"are at revision {revision}, which this process, of {head}, doesn't know yet"
        )
        return PlaceRevision(revision=revision, differs_how=how, mark=_mark(revision))


def _mark(text: str) -> str:
    # A comment that nothing can end: a revision's name is whatever its author chose.
    return f" /* {zlib.crc32(text.encode()):08x} */"
