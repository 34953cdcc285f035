"""The steps of a move, and which one is next: pure, so that every case can be tested."""

from __future__ import annotations

from enum import StrEnum

from router.words import Placement, Tier


class Step(StrEnum):
    """What is reached and durable. A mover that takes over begins behind the last one recorded."""

    PREPARED = "prepared"
    CAPTURED = "captured"
    COPIED = "copied"
    INDEXED = "indexed"
    FOLLOWED = "followed"
    MERGED = "merged"
    VERIFIED = "verified"
    DECIDED = "decided"
    #: Somebody began to take the move's traces away: there is no way forward from here any more.
    TURNING_BACK = "turning back"


_WHOLE = (
    Step.PREPARED,
    Step.CAPTURED,
    Step.COPIED,
    Step.INDEXED,
    Step.FOLLOWED,
    Step.MERGED,
    Step.VERIFIED,
    Step.DECIDED,
)


def lands_first(target: Placement) -> bool:
    """Whether rows come to private tables first: into shared ones they go in one transaction.

    COPY can't write through row-level security, and a half of a tenant that refers to its other
    half has no place among live foreign keys.
    """
    return target.tier is Tier.ROWS


def steps_to(target: Placement) -> tuple[Step, ...]:
    """Return all steps of a move to a place, in order."""
    if lands_first(target):
        return _WHOLE
    return tuple(step for step in _WHOLE if step is not Step.MERGED)


def next_step(reached: Step | None, *, target: Placement, is_decided: bool) -> Step | None:
    """Return the step to take; None when the last one is reached.

    ``is_decided`` is what the source's gate says, and it wins: a mover may have died between the
    decision and its record.
    """
    if reached is Step.DECIDED:
        return None
    if is_decided:
        return Step.DECIDED
    assert reached is not Step.TURNING_BACK, "a move that turns back takes no more steps"
    ordered = steps_to(target)
    return ordered[0] if reached is None else ordered[ordered.index(reached) + 1]
