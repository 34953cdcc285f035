"""What a tenant's plan and pins want, held against where it is: which one thing is to be done.

Pure: the reconcile and the operators' commands ask the same function, and differ in what they do
with a refusal.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from router.catalog.move_words import Move, Stage, Wanted
from router.words import Placement, TenantStatus, Tier


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as far as it matters here.

    ``is_held_off``: the last move to the wanted place was taken back by an operator, or has just
    failed, and nobody has wished anything since. What people took back isn't begun again by itself.
    """

    status: TenantStatus
    placement: Placement | None
    plan_tier: Tier
    pinned_tier: Tier | None = None
    pinned_cluster: str | None = None
    is_held_off: bool = False


class Nothing(msgspec.Struct, frozen=True):
    """All is well, or on its way, or somebody else's to decide."""


class MoveTo(msgspec.Struct, frozen=True):
    """Record a move."""

    tier: Tier
    cluster: str | None


class Undo(msgspec.Struct, frozen=True):
    """The tenant is wanted where it came from, and its rows are still there: nothing is copied."""

    move: UUID


class SettleFirst(msgspec.Struct, frozen=True):
    """The tenant is wanted at a third place: erase the first one, which can't be gone back to."""

    move: UUID


class TurnBack(msgspec.Struct, frozen=True):
    """A move is under way to where the tenant isn't wanted any more, and not decided yet."""

    move: UUID


Decision: TypeAlias = Nothing | MoveTo | Undo | SettleFirst | TurnBack


def wanted_of(subject: Subject) -> Wanted:
    """Return where a tenant ought to be: a pin goes before the plan."""
    return Wanted(tier=subject.pinned_tier or subject.plan_tier, cluster=subject.pinned_cluster)


def decide(subject: Subject, open_move: Move | None) -> Decision:
    """Return the one thing that brings a tenant nearer to where it ought to be."""
    if subject.status is not TenantStatus.ACTIVE or subject.placement is None:
        return Nothing()
    wanted = wanted_of(subject)
    if open_move is None:
        if subject.is_held_off or wanted.is_met_by(subject.placement):
            return Nothing()
        return MoveTo(wanted.tier, wanted.cluster)
    return _during(open_move, wanted)


def _during(move: Move, wanted: Wanted) -> Decision:
    match move.stage:
        case Stage.MOVING:
            return Nothing() if wanted.is_met_by(move.target) else TurnBack(move.id)
        case Stage.DECIDED:
            return _after(move, wanted)
        case Stage.TURNING_BACK | Stage.UNDOING | Stage.SETTLING | Stage.ENDED:
            return Nothing()
    assert_never(move.stage)


def _after(move: Move, wanted: Wanted) -> Decision:
    """Decide between the decision of a move and its settling."""
    if wanted.is_met_by(move.target) or not move.operation.state.is_ended:
        return Nothing()
    if not wanted.is_met_by(move.source):
        return SettleFirst(move.id)
    # An undoing that was given up is an operator's to try again; settled, the move is followed by
    # another one that copies.
    return Nothing() if move.undo is not None else Undo(move.id)
