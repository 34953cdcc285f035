"""The calendar of a subscription: periods counted from their anchor, so that no month drifts."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

DAY_S = 86_400
INTERVALS = ("day", "week", "month", "year")
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
_MONTHS_OF_A_YEAR = 12


def later(anchor: int, interval: str, count: int) -> int:
    """Return the moment so many intervals after the anchor.

    A month that lacks the anchor's day ends on its last: 31 January, 28 February, 31 March.
    """
    began = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((began + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = began.year * _MONTHS_OF_A_YEAR + began.month - 1 + _MONTHS[interval] * count
    year, month = divmod(months, _MONTHS_OF_A_YEAR)
    month += 1
    day = min(began.day, calendar.monthrange(year, month)[1])
    return int(began.replace(year=year, month=month, day=day).timestamp())


def end_of_period(anchor: int, start: int, *, interval: str, count: int) -> int:
    """Return the end of the period that begins at ``start``: the first turn after it."""
    turn = 1
    while (end := later(anchor, interval, turn * count)) <= start:
        turn += 1
    return end
