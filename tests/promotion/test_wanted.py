from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest

from promotion.wanted import (
    Decision,
    MoveTo,
    Nothing,
    SettleFirst,
    Subject,
    TurnBack,
    Undo,
    decide,
    wanted_of,
)
from router.catalog.move_words import Move, Receipt, Stage, Standing, Wanted
from router.catalog.operations import OperationState
from router.words import Placement, TenantStatus, Tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTERS = ("one", "two")
PLACES = tuple(itertools.product(Tier, CLUSTERS))
WISHES = tuple(Wanted(tier=t, cluster=c) for t, c in itertools.product(Tier, (None, *CLUSTERS)))


def place(tier: Tier, cluster: str = "one", epoch: int = 1) -> Placement:
    return Placement(tier=tier, cluster=cluster, database="d", schema="s", login="l", epoch=epoch)


def subject(wish: Wanted, at: Placement | None) -> Subject:
    """A tenant whose plan wants the opposite of its pin, so that the pin must be heeded."""
    other = Tier.ROWS if wish.tier is not Tier.ROWS else Tier.DATABASE
    return Subject(
        status=TenantStatus.ACTIVE,
        placement=at,
        plan_tier=other,
        pinned_tier=wish.tier,
        pinned_cluster=wish.cluster,
    )


def standing(state: OperationState, *, has_begun: bool = True) -> Standing:
    return Standing(
        id=uuid4(),
        state=state,
        step=None,
        attempts=1,
        error=None,
        not_before=NOW,
        started_at=NOW if has_begun else None,
        finished_at=NOW if state.is_ended else None,
    )


def move(source: Placement, target: Placement, stage: Stage = Stage.MOVING) -> Move:
    is_decided = stage in {Stage.DECIDED, Stage.UNDOING, Stage.SETTLING}
    state = OperationState.DONE if is_decided else OperationState.RUNNING
    settling = standing(OperationState.WAITING, has_begun=stage is Stage.SETTLING)
    made = Move(
        id=uuid4(),
        tenant_id=uuid4(),
        slug="shop",
        source=source,
        target=target,
        requested_by="worker",
        requested_at=NOW,
        reason="its plan",
        rows_total=None,
        rows_copied=0,
        lag_rows=0,
        cancel_requested_at=NOW if stage is Stage.TURNING_BACK else None,
        decided_at=NOW if is_decided else None,
        receipt=Receipt(pause_ms=1, proof=()) if is_decided else None,
        settle_after=NOW if is_decided else None,
        settled_at=None,
        undo_receipt=None,
        undone_at=None,
        ended_at=None,
        operation=standing(state),
        settle=settling if is_decided else None,
        undo=standing(OperationState.RUNNING) if stage is Stage.UNDOING else None,
    )
    assert made.stage is stage
    return made


def every_move(stage: Stage) -> Iterator[Move]:
    for source, target in itertools.permutations(PLACES, 2):
        yield move(place(*source), place(*target, epoch=2), stage)


def kind_of(decision: Decision) -> str:
    """By `match`, so that a new kind of decision fails the type checker here."""
    match decision:
        case Nothing():
            return "nothing"
        case MoveTo():
            return "move"
        case Undo():
            return "undo"
        case SettleFirst():
            return "settle first"
        case TurnBack():
            return "turn back"


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("pinned", [None, *Tier])
def test_a_pin_goes_before_the_plan(tier: Tier, pinned: Tier | None) -> None:
    tenant = Subject(status=TenantStatus.ACTIVE, placement=None, plan_tier=tier, pinned_tier=pinned)
    assert wanted_of(tenant) == Wanted(tier=pinned or tier)


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_without_a_move_a_tenant_is_moved_to_where_it_is_not(wish: Wanted) -> None:
    for tier, cluster in PLACES:
        is_there = tier is wish.tier and wish.cluster in {None, cluster}
        expected = Nothing() if is_there else MoveTo(wish.tier, wish.cluster)
        tenant = subject(wish, place(tier, cluster))
        assert decide(tenant, None) == expected
        held = msgspec.structs.replace(tenant, is_held_off=True)
        assert decide(held, None) == Nothing()


@pytest.mark.parametrize("status", [s for s in TenantStatus if s is not TenantStatus.ACTIVE])
def test_a_tenant_that_is_not_served_is_left_alone(status: TenantStatus) -> None:
    wish = Wanted(tier=Tier.DATABASE)
    tenant = msgspec.structs.replace(subject(wish, place(Tier.ROWS)), status=status)
    opened = (None, *(move(place(Tier.ROWS), place(Tier.SCHEMA, epoch=2), s) for s in OPEN))
    assert {decide(tenant, each) for each in opened} == {Nothing()}
    assert decide(subject(wish, None), None) == Nothing()


OPEN = [stage for stage in Stage if stage is not Stage.ENDED]


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_an_undecided_move_goes_on_only_while_its_target_is_wanted(wish: Wanted) -> None:
    for going in every_move(Stage.MOVING):
        is_wanted = wish.is_met_by(going.target)
        expected = Nothing() if is_wanted else TurnBack(going.id)
        assert decide(subject(wish, going.source), going) == expected


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_after_the_decision_it_stays_goes_back_or_settles(wish: Wanted) -> None:
    seen = set[str]()
    for going in every_move(Stage.DECIDED):
        expected: Decision = SettleFirst(going.id)
        if wish.is_met_by(going.target):
            expected = Nothing()
        elif wish.is_met_by(going.source):
            expected = Undo(going.id)
        tenant = subject(wish, going.target)
        assert decide(tenant, going) == expected
        seen.add(kind_of(expected))
        held = msgspec.structs.replace(tenant, is_held_off=True)
        assert decide(held, going) == expected, "a hold is about moves that ended"
        busy = msgspec.structs.replace(going, operation=standing(OperationState.RUNNING))
        assert decide(tenant, busy) == Nothing(), "its own operation isn't done yet"
    assert seen == {"nothing", "undo", "settle first"}


@pytest.mark.parametrize("stage", [Stage.TURNING_BACK, Stage.UNDOING, Stage.SETTLING])
@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_what_is_on_its_way_somewhere_is_let_go(stage: Stage, wish: Wanted) -> None:
    for going in every_move(stage):
        assert decide(subject(wish, going.source), going) == Nothing()
        assert decide(subject(wish, going.target), going) == Nothing()


def test_an_undoing_that_was_given_up_is_not_begun_again_by_itself() -> None:
    going = move(place(Tier.ROWS), place(Tier.SCHEMA, epoch=2), Stage.DECIDED)
    given_up = msgspec.structs.replace(going, undo=standing(OperationState.CANCELLED))
    assert given_up.stage is Stage.DECIDED
    assert decide(subject(Wanted(tier=Tier.ROWS), going.target), given_up) == Nothing()
    third = subject(Wanted(tier=Tier.DATABASE), going.target)
    assert decide(third, given_up) == SettleFirst(going.id)


def test_a_failed_undoing_is_neither_settled_nor_repeated() -> None:
    going = move(place(Tier.ROWS), place(Tier.SCHEMA, epoch=2), Stage.DECIDED)
    failed = msgspec.structs.replace(going, undo=standing(OperationState.FAILED))
    for wish in WISHES:
        assert decide(subject(wish, going.target), failed) == Nothing()


@pytest.mark.parametrize(("at", "wish"), list(itertools.product(PLACES, WISHES)), ids=str)
def test_decisions_that_come_true_end_where_the_tenant_is_wanted(
    at: tuple[Tier, str], wish: Wanted
) -> None:
    """Whatever move was open: heed the decision, let it come true, ask again."""
    for source in PLACES:
        if source == at:
            continue
        here, going = place(*at, epoch=2), move(place(*source), place(*at, epoch=2), Stage.DECIDED)
        assert _follow(wish, here, going) <= 2
        back = place(*source)
        assert _follow(wish, back, move(back, here)) <= 3


def _follow(wish: Wanted, here: Placement, going: Move | None) -> int:
    """Return how many decisions it took."""
    for count in range(10):
        decision = decide(subject(wish, here), going)
        match decision:
            case Nothing() if going is not None and going.stage is Stage.MOVING:
                here, going = going.target, None
            case Nothing():
                assert wish.is_met_by(here)
                return count
            case MoveTo(tier, cluster):
                here = place(tier, cluster or here.cluster, here.epoch + 1)
            case Undo(move_id):
                here, going = _source(going, move_id), None
            case SettleFirst() | TurnBack():
                going = None
    raise AssertionError("it never ends")


def _source(going: Move | None, move_id: UUID) -> Placement:
    assert going is not None
    assert going.id == move_id
    return going.source
