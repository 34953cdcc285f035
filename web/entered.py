"""What a browser keeps of staff's access that was entered in it: a cookie that no script reads."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from router.catalog.access_words import Entered
from router.catalog.tokens import is_access
from router.names import is_slug

ACCESS_COOKIE = "__Host-stepwell-access"
_PARTS = 4


class EnteredHere(msgspec.Struct, frozen=True, kw_only=True):
    """Which access, to whose rows, until when, and what opens them."""

    id: UUID
    slug: str
    ends_at: datetime
    token: str

    @property
    def is_over(self) -> bool:
        """Whether its time is over; whoever ended it by hand, only the API knows."""
        return self.ends_at <= datetime.now(UTC)


def spell_entered(entered: Entered) -> str:
    """Spell the cookie."""
    known = entered.access
    assert known.ends_at is not None, "what was entered has an end"
    return f"{known.id}.{known.slug}.{int(known.ends_at.timestamp())}.{entered.token}"


def read_entered(cookie: str | None) -> EnteredHere | None:
    """Read the cookie; whatever isn't one of ours is none."""
    parts = (cookie or "").split(".")
    if len(parts) != _PARTS or not is_slug(parts[1]) or not is_access(parts[3]):
        return None
    try:
        access_id, ends_at = UUID(parts[0]), datetime.fromtimestamp(int(parts[2]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    found = EnteredHere(id=access_id, slug=parts[1], ends_at=ends_at, token=parts[3])
    return None if found.is_over else found
