"""The design, as switches, and the broken variants: each leaves one thing out."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from tests.promotion.model.world import WRITES_EACH


class Property(StrEnum):
    """What must hold in every state: properties.py says how each is asked."""

    NOTHING_LOST = "P1 nothing acknowledged is lost"
    ONE_HOME = "P2 one place accepts writes"
    NO_STRAYS = "P3 no write is committed at a place that isn't home"
    SERVED = "P4 served again without any mover"
    UNDO = "P5 reverse changes suffice for undo"


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """How a move works, where the defaults are right; ``writes_each`` is how much is played."""

    writes_each: int = WRITES_EACH

    #: The decision's transaction holds the tenant's advisory lock exclusively.
    is_fenced: bool = True
    #: The gate takes the shared lock first and reads its row second.
    is_lock_first: bool = True
    #: At REPEATABLE READ the gate reads its row FOR SHARE.
    is_row_locked: bool = True
    #: The gate refuses another epoch than its row's.
    is_epoch_asked: bool = True
    #: Copying begins when the transactions that were in before capture awoke are gone.
    are_holders_awaited: bool = True
    #: A mover's transactions at the target, at the source, lock ``gate.move`` by their token.
    is_token_asked_at_target: bool = True
    is_token_asked_at_source: bool = True
    #: The decision's transaction keeps that lock until it commits.
    is_token_kept: bool = True
    #: The target's row has capture awake when it becomes active.
    is_reverse_ready: bool = True
    #: The target's row becomes active before the decision, with the final round.
    is_target_open: bool = True
    #: Until the decision, the target's row gives the source as the tenant's place.
    is_target_discreet: bool = True
    #: The catalog learns after the decision.
    is_flip_last: bool = True
    #: Who takes over finds out how far the move is when both databases have its token.
    is_look_last: bool = True
    #: The log is pruned when the round that read it is committed.
    is_pruned_last: bool = True
    #: Who missed its decision shuts the target again by its token only.
    is_token_asked_to_shut: bool = True
    #: Putting capture to sleep leaves a mark in ``gate.move`` that the move was given up.
    is_turning_marked: bool = True


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A design that is wrong, and what it must be found to break."""

    name: str
    says: str
    design: Design
    breaks: tuple[Property, ...]

    @property
    def played(self) -> Design:
        """The design with one write for each router: enough to break it, and quicker."""
        return msgspec.structs.replace(self.design, writes_each=1)


AS_BUILT: Final = Design()

VARIANTS: Final = (
    Variant(
        name="V1",
        says="no fence: the mover decides without the exclusive lock",
        design=Design(is_fenced=False),
        breaks=(Property.ONE_HOME, Property.NOTHING_LOST, Property.NO_STRAYS),
    ),
    Variant(
        name="V2",
        says="the gate reads its row before it has the lock",
        design=Design(is_lock_first=False),
        breaks=(Property.ONE_HOME, Property.NOTHING_LOST, Property.NO_STRAYS),
    ),
    Variant(
        name="V3",
        says="the advisory lock alone at REPEATABLE READ, no FOR SHARE",
        design=Design(is_row_locked=False),
        breaks=(Property.ONE_HOME, Property.NOTHING_LOST, Property.NO_STRAYS),
    ),
    Variant(
        name="V4",
        says="capture is woken without waiting for older holders",
        design=Design(are_holders_awaited=False),
        breaks=(Property.NOTHING_LOST,),
    ),
    Variant(
        name="V5",
        says="nobody asks for the mover's token",
        design=Design(is_token_asked_at_target=False, is_token_asked_at_source=False),
        breaks=(Property.NOTHING_LOST,),
    ),
    Variant(
        name="V5a",
        says="the token is asked for at the source only",
        design=Design(is_token_asked_at_target=False),
        breaks=(Property.NOTHING_LOST,),
    ),
    Variant(
        name="V5b",
        says="the token is asked for at the target only",
        design=Design(is_token_asked_at_source=False),
        breaks=(Property.NOTHING_LOST, Property.SERVED),
    ),
    Variant(
        name="V5c",
        says="the decision reads the token without keeping its row locked",
        design=Design(is_token_kept=False),
        breaks=(Property.NOTHING_LOST, Property.SERVED),
    ),
    Variant(
        name="V6",
        says="reverse capture is switched on after the flip",
        design=Design(is_reverse_ready=False),
        breaks=(Property.UNDO,),
    ),
    Variant(
        name="V7",
        says="the catalog is flipped before the decision, and the gate asks for no epoch",
        design=Design(is_flip_last=False, is_epoch_asked=False),
        breaks=(Property.ONE_HOME, Property.NOTHING_LOST),
    ),
    Variant(
        name="V7a",
        says="the catalog is flipped before the decision, whatever the gate asks for",
        design=Design(is_flip_last=False),
        breaks=(Property.ONE_HOME, Property.NOTHING_LOST),
    ),
    Variant(
        name="V7b",
        says="the gate asks for no epoch",
        design=Design(is_epoch_asked=False),
        breaks=(Property.ONE_HOME, Property.NOTHING_LOST),
    ),
    Variant(
        name="V8",
        says="the target's row becomes active after the decision",
        design=Design(is_target_open=False),
        breaks=(Property.SERVED,),
    ),
    Variant(
        name="V9",
        says="before the decision, the target's row names the target as the place",
        design=Design(is_target_discreet=False),
        breaks=(Property.SERVED, Property.ONE_HOME, Property.NOTHING_LOST),
    ),
    Variant(
        name="V10",
        says="a move is given up without a mark beside the sleeping capture",
        design=Design(is_turning_marked=False),
        breaks=(Property.NOTHING_LOST,),
    ),
    Variant(
        name="V11",
        says="who takes over looks how far the move is before its token stands",
        design=Design(is_look_last=False),
        breaks=(Property.NOTHING_LOST,),
    ),
    Variant(
        name="V12",
        says="the log is pruned before the round that read it is committed",
        design=Design(is_pruned_last=False),
        breaks=(Property.NOTHING_LOST,),
    ),
    Variant(
        name="V13",
        says="a missed attempt shuts the target again without asking for the token",
        design=Design(is_token_asked_to_shut=False),
        breaks=(Property.SERVED,),
    ),
)
