"""When a limit will be reached, if what was used lately goes on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.months import Month

#: What was used longer ago says little of what will be.
LOOKED_AT: Final = timedelta(days=7)
#: One busy hour isn't taken for a busy week.
SPREAD_MIN: Final = timedelta(days=1)


class HourUsed(msgspec.Struct, frozen=True, kw_only=True):
    """What one hour used."""

    hour: datetime
    quantity: int


def reaches_limit_on(
    hours: Sequence[HourUsed], *, used: int, limit: int | None, month: Month, now: datetime
) -> date | None:
    """Return the day on which a month's limit is used up; None when that lies beyond the month.

    ``hours`` are the month's own; a limit that is reached already is reached today.
    """
    now = now.astimezone(UTC)
    if limit is None:
        return None
    if used >= limit:
        return now.date()
    since = max(month.begins_at, now - LOOKED_AT)
    lately = [each for each in hours if each.hour >= since and each.quantity > 0]
    if not lately:
        return None
    spread = max(now - min(each.hour for each in lately), SPREAD_MIN)
    left_s = (limit - used) / sum(each.quantity for each in lately) * spread.total_seconds()
    if left_s >= (month.ends_at - now).total_seconds():
        return None
    return (now + timedelta(seconds=left_s)).date()
