"""What a first plan costs, reckoned by the price list alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from billing.foreseeing import after, first_cost
from billing.price_list import ListedPlan, ListedPrice
from billing.seen import Charge, Interval
from router.words import Limits, Tier

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def plan(*prices: ListedPrice, trial_days: int | None = None) -> ListedPlan:
    return ListedPlan(
        name="team",
        title="Team",
        version=1,
        tier=Tier.SCHEMA,
        limits=Limits(),
        trial_days=trial_days,
        price=prices,
    )


def price(amount: int, charge: Charge, interval: Interval = Interval.MONTH) -> ListedPrice:
    key = f"team_{charge.value}_{interval.value}"
    return ListedPrice(
        lookup_key=key, charge=charge, currency="eur", amount=amount, interval=interval
    )


TEAM = (
    price(2_000, Charge.PLAN),
    price(700, Charge.SEAT),
    price(3, Charge.USAGE),
    price(20_000, Charge.PLAN, Interval.YEAR),
)


def test_seats_are_reckoned_and_usage_comes_later() -> None:
    cost = first_cost(plan(*TEAM), Interval.MONTH, seats=3, now=NOW)
    assert (cost.due_now, cost.next_invoice, cost.currency) == (4_100, 4_100, "eur")
    assert [(line.said, line.amount) for line in cost.lines] == [
        ("Team, a month", 2_000),
        ("3 seats of Team, a month", 2_100),
    ]


def test_the_other_interval_has_prices_of_its_own() -> None:
    cost = first_cost(plan(*TEAM), Interval.YEAR, seats=3, now=NOW)
    assert cost.due_now == 20_000
    assert cost.next_invoice_at == NOW.replace(year=2027)


def test_a_trial_costs_nothing_until_it_ends() -> None:
    cost = first_cost(plan(*TEAM, trial_days=9), Interval.MONTH, seats=1, now=NOW)
    assert (cost.due_now, cost.next_invoice) == (0, 2_700)
    assert cost.next_invoice_at == NOW.replace(day=30)


@pytest.mark.parametrize(
    ("start", "end", "interval"),
    [
        ((2026, 1, 31), (2026, 2, 28), Interval.MONTH),
        ((2027, 12, 15), (2028, 1, 15), Interval.MONTH),
        ((2028, 2, 29), (2029, 2, 28), Interval.YEAR),
    ],
)
def test_a_period_ends_on_the_same_day_or_on_the_last_one(
    start: tuple[int, int, int], end: tuple[int, int, int], interval: Interval
) -> None:
    begun = datetime(*start, tzinfo=UTC)
    assert after(begun, interval) == datetime(*end, tzinfo=UTC)
