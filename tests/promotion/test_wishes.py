"""What a move does about each word that was said of it, alone and together with the others."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from promotion.wishes import Cancelled, Course, Paused, PausedTooLong, heed, may_cut, what_next
from router.catalog.moving import Wishes

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MAX = timedelta(hours=24)
LATELY, LONG_AGO = NOW - timedelta(hours=1), NOW - timedelta(hours=25)
EVERY = [
    Wishes(
        heard_at=NOW,
        cancel_requested_at=cancelled,
        paused_at=paused,
        paused_by=None if paused is None else "ann",
        held_at=held,
        hurried_at=hurried,
    )
    for cancelled, paused, held, hurried in itertools.product(
        (None, LATELY), (None, LATELY, LONG_AGO), (None, LATELY), (None, LATELY)
    )
]


@pytest.mark.parametrize("wishes", EVERY)
def test_a_cancel_goes_before_a_pause_and_a_pause_before_everything_else(wishes: Wishes) -> None:
    course = what_next(wishes, paused_max=MAX)
    assert (course is Course.TURN_BACK) == (wishes.cancel_requested_at is not None)
    if wishes.cancel_requested_at is None:
        assert (course is Course.STAND_STILL) == (wishes.paused_at == LATELY)
        assert (course is Course.GIVE_UP) == (wishes.paused_at == LONG_AGO)
        assert (course is Course.GO_ON) == (wishes.paused_at is None)


@pytest.mark.parametrize("wishes", EVERY)
def test_the_switch_is_tried_where_nothing_speaks_against_it(wishes: Wishes) -> None:
    against = {wishes.cancel_requested_at, wishes.paused_at, wishes.held_at} - {None}
    assert may_cut(wishes) == (not against)


@pytest.mark.parametrize("wishes", EVERY)
def test_a_hold_stops_no_step_before_the_switch(wishes: Wishes) -> None:
    alone = Wishes(heard_at=NOW, held_at=wishes.held_at, hurried_at=wishes.hurried_at)
    assert what_next(alone, paused_max=MAX) is Course.GO_ON


def test_a_pause_is_too_long_when_it_lasts_longer_than_its_limit() -> None:
    paused = Wishes(heard_at=NOW, paused_at=NOW - MAX)
    assert what_next(paused, paused_max=MAX) is Course.STAND_STILL
    assert what_next(paused, paused_max=MAX - timedelta(seconds=1)) is Course.GIVE_UP


def test_what_ends_the_work_is_raised_and_tells_the_setting() -> None:
    heed(Wishes(heard_at=NOW, held_at=LATELY), paused_max=MAX)
    with pytest.raises(Cancelled):
        heed(Wishes(heard_at=NOW, cancel_requested_at=NOW), paused_max=MAX)
    with pytest.raises(Paused):
        heed(Wishes(heard_at=NOW, paused_at=LATELY), paused_max=MAX)
    told = "ann paused the move more than 24 hours ago .STEPWELL_MOVE_PAUSE_H_MAX."
    with pytest.raises(PausedTooLong, match=told):
        heed(Wishes(heard_at=NOW, paused_at=LONG_AGO, paused_by="ann"), paused_max=MAX)
