"""How fast a copy may go, whatever its neighbours feel: properties, not examples."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from promotion.pace import Felt, PaceLimits, Probe, feel, next_share, rest_s

LIMITS = st.builds(
    PaceLimits,
    slowdown_max=st.floats(1.0, 5.0),
    share_min=st.floats(0.01, 0.5),
    rest_s_max=st.floats(0.0, 60.0),
)
SHARES = st.floats(0.01, 1.0)
FELT = st.sampled_from(Felt)
#: As any clock of ours tells them.
TOOK_MS = st.floats(0.01, 1_000.0).map(lambda took_ms: round(took_ms, 4))
PROBES = st.lists(TOOK_MS, min_size=2, max_size=40)


def probes(took_ms: list[float]) -> list[Probe]:
    return [Probe(took_ms=each, others=1) for each in took_ms]


@given(LIMITS, st.lists(FELT, max_size=100))
def test_a_share_stays_within_its_bounds(limits: PaceLimits, felt: list[Felt]) -> None:
    share = 1.0
    for each in felt:
        share = next_share(share, each, limits)
        assert limits.share_min <= share <= 1.0


@given(LIMITS, SHARES, FELT)
def test_a_move_that_is_felt_shrinks_at_once_and_one_that_is_not_grows_slowly(
    limits: PaceLimits, share: float, felt: Felt
) -> None:
    share = max(share, limits.share_min)
    found = next_share(share, felt, limits)
    if felt is Felt.SLOWER:
        assert math.isclose(found, max(share * 0.6, limits.share_min))
    else:
        assert share <= found <= share * 1.2 + 1e-9


@given(LIMITS, SHARES, SHARES, FELT, FELT)
def test_who_is_felt_more_never_gets_more(
    limits: PaceLimits, less: float, more: float, one: Felt, other: Felt
) -> None:
    less, more = sorted([max(less, limits.share_min), max(more, limits.share_min)])
    calm, slow = sorted([one, other])
    assert next_share(less, calm, limits) <= next_share(more, calm, limits)
    assert next_share(more, slow, limits) <= next_share(more, calm, limits)


@given(LIMITS, st.floats(0.3, 1.0))
def test_felt_every_time_it_is_soon_at_its_least_and_unfelt_at_full_speed(
    limits: PaceLimits, share: float
) -> None:
    shrunk = grown = share
    for _ in range(15):
        shrunk = next_share(shrunk, Felt.SLOWER, limits)
    assert math.isclose(shrunk, limits.share_min)
    for _ in range(40):
        grown = next_share(grown, Felt.NOTHING, limits)
    assert grown == 1.0


@given(LIMITS, PROBES, PROBES, st.floats(1.0, 100.0))
def test_probes_that_take_longer_are_never_felt_less(
    limits: PaceLimits, working: list[float], still: list[float], longer_ms: float
) -> None:
    before = feel(probes(working), probes(still), limits)
    slower = [took_ms + longer_ms for took_ms in working]
    assert feel(probes(slower), probes(still), limits) >= before


@given(LIMITS, PROBES)
def test_probes_that_are_alike_are_never_felt(limits: PaceLimits, took_ms: list[float]) -> None:
    assert feel(probes(took_ms), probes(took_ms), limits) is not Felt.SLOWER


@given(LIMITS, st.floats(0.0, 600.0), SHARES)
def test_a_rest_makes_work_its_share_of_the_time_or_is_as_long_as_it_may(
    limits: PaceLimits, worked_s: float, share: float
) -> None:
    rested_s = rest_s(worked_s, share, limits)
    assert 0.0 <= rested_s <= limits.rest_s_max
    if 0.0 < rested_s < limits.rest_s_max:
        assert math.isclose(worked_s / (worked_s + rested_s), share, rel_tol=1e-6, abs_tol=1e-6)


@given(LIMITS, st.floats(0.0, 600.0), SHARES, SHARES)
def test_a_smaller_share_never_rests_less(
    limits: PaceLimits, worked_s: float, one: float, other: float
) -> None:
    less, more = sorted([one, other])
    assert rest_s(worked_s, less, limits) >= rest_s(worked_s, more, limits)
    assert rest_s(worked_s, 1.0, limits) == 0.0
