"""What a move does about what operators said of its pace: pure, so every case can be tested."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from router.errors import PlatformError

if TYPE_CHECKING:
    from datetime import timedelta

    from router.catalog.moving import Wishes


class Cancelled(Exception):
    """Somebody asked to turn back."""


class Paused(Exception):
    """Somebody wants the move to stand still."""


class Held(Exception):
    """All is done but the switch, and somebody is to say the word for that."""


class PausedTooLong(PlatformError):
    """What changed meanwhile fills the source's disk, and migrations wait for the move's end."""

    code = "paused_too_long"
    title = "The move stood still for too long"


class Course(Enum):
    """What a mover does next, at a place where it may leave off."""

    GO_ON = auto()
    STAND_STILL = auto()
    TURN_BACK = auto()
    GIVE_UP = auto()


def what_next(wishes: Wishes, *, paused_max: timedelta) -> Course:
    """Say what to do: a cancel goes before a pause, and a pause before everything else."""
    if wishes.cancel_requested_at is not None:
        return Course.TURN_BACK
    if wishes.paused_at is None:
        return Course.GO_ON
    is_too_long = wishes.heard_at - wishes.paused_at > paused_max
    return Course.GIVE_UP if is_too_long else Course.STAND_STILL


def may_cut(wishes: Wishes) -> bool:
    """Whether the switch may be tried."""
    against = (wishes.cancel_requested_at, wishes.paused_at, wishes.held_at)
    return all(said is None for said in against)


def heed(wishes: Wishes, *, paused_max: timedelta) -> None:
    """Raise what ends the work here, if anything does."""
    match what_next(wishes, paused_max=paused_max):
        case Course.GO_ON:
            return
        case Course.STAND_STILL:
            raise Paused
        case Course.TURN_BACK:
            raise Cancelled
        case Course.GIVE_UP:
            hours = paused_max.total_seconds() / 3_600
            raise PausedTooLong(
                f"{wishes.paused_by or 'somebody'} paused the move more than {hours:g} hours ago "
                "(STEPWELL_MOVE_PAUSE_H_MAX), so it was turned back and the tenant stays where it "
                "is; begin the move again when it may go on"
            )
