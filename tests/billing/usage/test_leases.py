"""The arithmetic of tokens, rates and hours, for every number that there may be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.usage.counters import Grant, Sight, Source, Wish
from billing.usage.leases import Account, lease_size
from router.words import Limits
from tests.billing.usage.worlds import Valkey, counter

LIMITS = st.integers(min_value=0, max_value=10**9)
FREE = st.integers(min_value=-(10**6), max_value=10**9)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
HOUR_S = 3_600.0


@given(free=FREE, limit=LIMITS, size_max=st.integers(min_value=1, max_value=10**6))
def test_a_lease_is_never_more_than_what_is_free(free: int, limit: int, size_max: int) -> None:
    size = lease_size(free, limit=limit, size_max=size_max)
    assert 0 <= size <= max(0, free)
    assert size <= size_max
    assert size <= max(1, limit // 100)
    assert (size > 0) == (free > 0)


@given(limit=st.integers(min_value=1, max_value=3_000), size_max=st.integers(1, 2_000))
def test_leases_add_up_to_the_limit(limit: int, size_max: int) -> None:
    granted = 0
    while size := lease_size(limit - granted, limit=limit, size_max=size_max):
        granted += size
    assert granted == limit


async def test_redis_grants_what_the_arithmetic_says(valkey: Valkey) -> None:
    async with counter(valkey.url) as made:
        generation = (await made.beat("me", 0)).generation
        source = Source(gateway="me", generation=generation)
        loop = asyncio.get_running_loop()

        async def ask(free: int, limit: int, size_max: int) -> Grant | None:
            wish = Wish(
                account=f"{uuid4()}:2026-11",
                holds=0,
                limit=limit,
                size_max=size_max,
                ends_at_ms=int((NOON + 86_400) * 1_000),
                total=limit - free,
            )
            await made.beat("me", 0)
            return await made.lease(source, wish, Sight.FRESH)

        @settings(
            max_examples=150,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(free=FREE, limit=LIMITS, size_max=st.integers(min_value=1, max_value=10**6))
        def agrees(free: int, limit: int, size_max: int) -> None:
            free = min(free, limit)
            asked = asyncio.run_coroutine_threadsafe(ask(free, limit, size_max), loop)
            grant = asked.result(timeout=10)
            assert grant is not None
            assert grant.tokens == lease_size(free, limit=limit, size_max=size_max)

        await asyncio.to_thread(agrees)


def account_of(limits: Limits, wall_s: float = NOON) -> Account:
    account = Account(uuid4())
    account.adopt(limits)
    account.enter(wall_s, 0.0)
    return account


@given(
    rate=st.integers(min_value=1, max_value=500),
    pauses=st.lists(st.floats(min_value=0, max_value=0.5), min_size=1, max_size=120),
)
def test_no_window_lets_in_more_than_its_rate_and_one_burst(rate: int, pauses: list[float]) -> None:
    account, now_s, taken = account_of(Limits(requests_per_second=rate)), 0.0, list[float]()
    for pause_s in pauses:
        now_s += pause_s
        if account.tat_s - now_s <= account.slack_s:
            account.take(now_s)
            taken.append(now_s)
    for first, begun_s in enumerate(taken):
        for last in range(first, len(taken)):
            window_s = taken[last] - begun_s
            assert last - first + 1 <= rate * (window_s + 1) + 1e-6 * len(taken)


@given(rate=st.integers(min_value=1, max_value=500))
def test_whoever_waits_may_ask_as_often_as_the_plan_says(rate: int) -> None:
    account = account_of(Limits(requests_per_second=rate))
    for now_s in (10.0, 11.0, 12.0):
        for _ in range(rate):
            assert account.tat_s - now_s <= account.slack_s
            account.take(now_s)
        assert account.tat_s - now_s > account.slack_s


@given(late_s=st.floats(min_value=0, max_value=10 * HOUR_S))
def test_calls_are_dated_in_the_hour_in_which_they_were_made(late_s: float) -> None:
    account = account_of(Limits())
    at = account.at(NOON + late_s)
    assert at.replace(minute=0, second=0, microsecond=0).timestamp() == NOON
    assert at.timestamp() <= NOON + late_s


def test_a_new_month_begins_with_nothing_used_and_no_token() -> None:
    last = datetime(2026, 11, 30, 23, 30, tzinfo=UTC).timestamp()
    account = account_of(Limits(api_calls_per_month=100), last)
    account.left, account.used = 7, 90
    assert account.ends_at_s == HOUR_S / 2
    assert account.resets_at == datetime(2026, 12, 1, tzinfo=UTC)
    account.enter(last + HOUR_S, HOUR_S)
    assert (account.left, account.used) == (0, 0)
    assert account.name.endswith(":2026-12")
    assert account.resets_at == datetime(2027, 1, 1, tzinfo=UTC)


def test_an_hour_within_a_month_keeps_its_tokens() -> None:
    account = account_of(Limits(api_calls_per_month=100))
    account.left, account.used = 7, 90
    account.enter(NOON + HOUR_S, HOUR_S)
    assert (account.left, account.used) == (7, 90)


def test_other_limits_make_tokens_void() -> None:
    account = account_of(Limits(api_calls_per_month=100))
    account.left, account.used, account.warned = 7, 90, 80
    account.adopt(Limits(api_calls_per_month=50))
    assert (account.left, account.used, account.warned) == (0, 90, 0)
