"""The steps of a move, each case of them."""

from __future__ import annotations

import itertools
from uuid import uuid4

import pytest

from promotion.steps import Step, lands_first, next_step, steps_to
from router.words import Placement, Tier

TIERS = pytest.mark.parametrize("tier", list(Tier))
IN_ORDER = [
    Step.PREPARED,
    Step.CAPTURED,
    Step.COPIED,
    Step.INDEXED,
    Step.FOLLOWED,
    Step.MERGED,
    Step.VERIFIED,
    Step.DECIDED,
]


def place(tier: Tier) -> Placement:
    return Placement(
        tier=tier,
        cluster="shared-1",
        database="shared",
        schema=f"s_{uuid4().hex}",
        login="stepwell_app",
        epoch=2,
    )


def expected(reached: Step | None, tier: Tier, *, is_decided: bool) -> Step | None:
    """Say the same as next_step, from a list of pairs."""
    if reached is Step.DECIDED:
        return None
    if is_decided:
        return Step.DECIDED
    way = [step for step in IN_ORDER if step is not Step.MERGED or tier is Tier.ROWS]
    return dict(zip([None, *way[:-1]], way, strict=True))[reached]


CASES = [
    (reached, tier, is_decided)
    for reached, tier, is_decided in itertools.product([None, *Step], Tier, [False, True])
    # A move merges where it lands first, and nowhere else.
    if reached is not Step.MERGED or tier is Tier.ROWS
    if reached is not Step.TURNING_BACK or is_decided
]


@pytest.mark.parametrize(("reached", "tier", "is_decided"), CASES)
def test_the_step_to_take_follows_the_one_that_is_reached(
    reached: Step | None, tier: Tier, *, is_decided: bool
) -> None:
    found = next_step(reached, target=place(tier), is_decided=is_decided)
    assert found is expected(reached, tier, is_decided=is_decided)


@TIERS
def test_from_the_beginning_every_step_is_taken_once(tier: Tier) -> None:
    taken: list[Step] = []
    while (
        step := next_step(taken[-1] if taken else None, target=place(tier), is_decided=False)
    ) is not None:
        assert step not in taken
        taken.append(step)
    assert tuple(taken) == steps_to(place(tier))
    assert taken == [step for step in IN_ORDER if step is not Step.MERGED or tier is Tier.ROWS]


@TIERS
def test_a_decision_that_was_not_recorded_is_what_is_left_to_do(tier: Tier) -> None:
    """A mover may have died between the source's commit and the catalog's."""
    for reached in (None, *steps_to(place(tier))[:-1]):
        assert next_step(reached, target=place(tier), is_decided=True) is Step.DECIDED


@TIERS
def test_a_move_that_turns_back_takes_no_more_steps(tier: Tier) -> None:
    with pytest.raises(AssertionError, match="turns back"):
        next_step(Step.TURNING_BACK, target=place(tier), is_decided=False)


def test_every_step_has_its_place_or_turns_back() -> None:
    """A new step can't be left out of the order, nor of these tests."""
    assert {*IN_ORDER, Step.TURNING_BACK} == {*Step}
    assert len({step.value for step in Step}) == len(Step)


@TIERS
def test_only_shared_tables_are_merged_into(tier: Tier) -> None:
    assert lands_first(place(tier)) is (tier is Tier.ROWS)
    assert (Step.MERGED in steps_to(place(tier))) is lands_first(place(tier))
