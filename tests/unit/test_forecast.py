"""The day on which a limit is reached, from the hours of a month."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from router.catalog.forecast import HourUsed, reaches_limit_on
from router.months import month_of

NOW = datetime(2026, 11, 11, 12, 30, tzinfo=UTC)
NOVEMBER = month_of(NOW)


def hours(*used: tuple[int, int]) -> list[HourUsed]:
    """Hours by how many of them ago they were, with what they used."""
    return [
        HourUsed(hour=NOW.replace(minute=0) - timedelta(hours=ago), quantity=quantity)
        for ago, quantity in used
    ]


def reached(told: list[HourUsed], *, used: int, limit: int | None) -> date | None:
    return reaches_limit_on(told, used=used, limit=limit, month=NOVEMBER, now=NOW)


def test_an_even_use_goes_on() -> None:
    # A hundred a day for four days, and three hundred left.
    told = hours(*[(24 * days, 100) for days in range(1, 5)])
    assert reached(told, used=700, limit=1_000) == date(2026, 11, 14)


def test_what_is_reached_is_reached_today() -> None:
    assert reached([], used=1_000, limit=1_000) == date(2026, 11, 11)


@pytest.mark.parametrize(
    ("told", "used", "limit"),
    [
        (hours((1, 100)), 100, None),
        (hours(), 0, 1_000),
        (hours((30, 0)), 0, 1_000),
        # The month ends before.
        (hours(*[(24 * days, 10) for days in range(1, 5)]), 40, 1_000),
        # It was long ago.
        (hours((24 * 8, 900)), 900, 1_000),
    ],
)
def test_no_day_is_told_where_none_comes(
    told: list[HourUsed], used: int, limit: int | None
) -> None:
    assert reached(told, used=used, limit=limit) is None


def test_one_busy_hour_counts_as_a_day() -> None:
    assert reached(hours((0, 100)), used=100, limit=1_000) == date(2026, 11, 20)


def test_the_last_day_of_the_month_is_still_told() -> None:
    late = datetime(2026, 11, 30, 20, tzinfo=UTC)
    told = [HourUsed(hour=late - timedelta(hours=20), quantity=900)]
    day = reaches_limit_on(told, used=900, limit=1_000, month=NOVEMBER, now=late)
    assert day == date(2026, 11, 30)
