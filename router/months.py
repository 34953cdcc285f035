"""Calendar months in UTC: what is counted by the month is counted by these."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from router.errors import Unprocessable

_MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")
_DECEMBER = 12


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """One month: from its beginning until the next one's, which isn't in it."""

    begins_at: datetime
    ends_at: datetime

    @property
    def name(self) -> str:
        """Spell the month, as 2026-11."""
        return f"{self.begins_at:%Y-%m}"


def month_of(at: datetime) -> Month:
    """Return the month in which a moment lies."""
    at = at.astimezone(UTC)
    return _month(at.year, at.month)


def read_month(text: str) -> Month:
    """Read a month that is spelled as 2026-11; raises Unprocessable for anything else."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise Unprocessable(f"{text[:40]!r} is no month: write it as 2026-11")
    return _month(int(found[1]), int(found[2]))


def _month(year: int, month: int) -> Month:
    following = (year + 1, 1) if month == _DECEMBER else (year, month + 1)
    return Month(
        begins_at=datetime(year, month, 1, tzinfo=UTC), ends_at=datetime(*following, 1, tzinfo=UTC)
    )
