"""Money, periods and forms, on their own."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.stand_in.forms import parse
from deploy.stand_in.money import multiplied, prorated
from deploy.stand_in.periods import INTERVALS, end_of_period, later
from deploy.stand_in.problems import Refused
from deploy.stand_in.store import Store

AMOUNTS = st.integers(min_value=-10_000_000, max_value=10_000_000)
SECONDS = st.integers(min_value=1, max_value=40_000_000)
MOMENTS = st.integers(min_value=0, max_value=4_000_000_000)


def _at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


@given(amount=AMOUNTS, whole_s=SECONDS, left_s=SECONDS)
def test_a_part_is_never_more_than_the_whole(amount: int, whole_s: int, left_s: int) -> None:
    part = prorated(amount, left_s=left_s, whole_s=whole_s)
    assert abs(part) <= abs(amount)
    assert part == -prorated(-amount, left_s=left_s, whole_s=whole_s)
    if left_s <= whole_s:
        exact = Decimal(amount) * left_s / whole_s
        assert abs(Decimal(part) - exact) <= Decimal("0.5000001")


def test_nothing_is_left_of_a_period_that_is_over() -> None:
    assert prorated(9_900, left_s=0, whole_s=100) == 0
    assert prorated(9_900, left_s=-5, whole_s=100) == 0
    assert prorated(9_900, left_s=100, whole_s=100) == 9_900


def test_half_a_cent_rounds_away_from_zero() -> None:
    assert (prorated(1, left_s=1, whole_s=2), prorated(-1, left_s=1, whole_s=2)) == (1, -1)
    assert multiplied(Decimal("0.5"), 3) == 2


@pytest.mark.parametrize(
    ("anchor", "count", "expected"),
    [
        (_at(2024, 1, 31), 1, _at(2024, 2, 29)),
        (_at(2024, 1, 31), 2, _at(2024, 3, 31)),
        (_at(2023, 1, 31), 1, _at(2023, 2, 28)),
        (_at(2023, 11, 30), 3, _at(2024, 2, 29)),
        (_at(2023, 12, 15), 1, _at(2024, 1, 15)),
    ],
)
def test_a_month_ends_on_the_anchors_day_or_the_last(
    anchor: int, count: int, expected: int
) -> None:
    assert later(anchor, "month", count) == expected


def test_a_leap_days_year_ends_on_the_28th() -> None:
    assert later(_at(2024, 2, 29), "year", 1) == _at(2025, 2, 28)
    assert later(_at(2024, 2, 29), "year", 4) == _at(2028, 2, 29)


@given(
    anchor=MOMENTS,
    after_s=st.integers(min_value=0, max_value=30_000_000),
    interval=st.sampled_from(INTERVALS),
    count=st.integers(min_value=1, max_value=12),
)
def test_a_period_ends_after_it_began_and_at_most_one_interval_later(
    anchor: int, after_s: int, interval: str, count: int
) -> None:
    start = anchor + after_s
    end = end_of_period(anchor, start, interval=interval, count=count)
    assert end > start
    assert end <= later(start, interval, count) + 3 * 86_400, "a month is short by three days"


def test_the_same_seed_makes_the_same_ids(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name, seed=seed) for name, seed in (("a", "1"), ("b", "1"))]
    other = Store(tmp_path / "c")
    made = [[store.fresh_id("cus_") for _ in range(100)] for store in (*stores, other)]
    assert made[0] == made[1]
    assert len({*made[0], *made[2]}) == 200, "a file without a seed has ids of its own"
    again = Store(tmp_path / "a")
    assert again.fresh_id("cus_") not in made[0]
    for store in (*stores, other, again):
        store.close()


# Forms ------------------------------------------------------------------------------------------


def test_nested_fields_are_read_as_they_were_sent() -> None:
    form = parse(
        b"customer=cus_1&items[0][price]=p&items[0][quantity]=2&items[1][price]=q&"
        b"metadata[a+b]=c+d&expand[]=x&expand[]=y.z&cancel_at_period_end=true&empty="
    )
    assert form.wanted("customer") == "cus_1"
    items = form.each("items")
    assert [one.text("price") for one in items] == ["p", "q"]
    assert [one.number("quantity") for one in items] == [2, None]
    assert form.texts("expand") == ("x", "y.z")
    assert form.flag("cancel_at_period_end") is True
    assert (form.text("empty"), form.is_cleared("empty")) == (None, True)
    assert list(form.unread()) == ["metadata"]


def test_metadata_is_merged_and_an_empty_value_takes_its_key_away() -> None:
    form = parse(b"metadata[a]=1&metadata[b]=")
    assert form.pairs("metadata", {"b": "2", "c": "3"}) == {"a": "1", "c": "3"}
    assert parse(b"metadata=").pairs("metadata", {"b": "2"}) == {}


def test_a_field_that_nobody_read_is_named_in_full() -> None:
    form = parse(b"a[b]=1&a[c]=2&d=3")
    assert form.within("a").text("b") == "1"
    assert sorted(form.unread()) == ["a[c]", "d"]


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    with contextlib.suppress(Refused):
        form = parse(body)
        assert len(list(form.unread())) == len(form.names())
