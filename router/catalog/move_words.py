"""A move as the catalog knows it, and as operators are shown it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from router.catalog.operations import OperationState
from router.words import Placement, TenantId, Tier

#: The kinds of operation that a move is made of.
MOVE, KEEP, UNDO, SETTLE = "move", "keep", "undo", "settle"
#: The step before the decision: both ends are equal (promotion's Step; a test compares them).
PROVED = "verified"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tenant ought to be: any cluster that has places of the tier, unless one is named."""

    tier: Tier
    cluster: str | None = None

    def is_met_by(self, place: Placement) -> bool:
        """Whether a tenant that lives there is where it ought to be."""
        return place.tier is self.tier and self.cluster in {None, place.cluster}


class TableProof(msgspec.Struct, frozen=True, kw_only=True):
    """What one table had on both sides, at the moment of the comparison."""

    table: str
    rows: int
    source_digest: str
    target_digest: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision rests on, kept for ever. ``durations_ms`` are by step."""

    pause_ms: float
    proof: tuple[TableProof, ...]
    durations_ms: dict[str, float] = {}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one operation of a move stands."""

    id: UUID
    state: OperationState
    step: str | None
    attempts: int
    error: str | None
    not_before: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """What operators said of a move's pace before its decision.

    Paused, it stands still; held, it does all but the switch; hurried, it waits for no proof less
    and for nobody's comfort any more. ``log_bytes`` is what a pause saw last.
    """

    paused_at: datetime | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    held_at: datetime | None = None
    held_by: str | None = None
    held_reason: str | None = None
    hurried_at: datetime | None = None
    log_bytes: int | None = None


class Stage(StrEnum):
    """How far a move is, as far as it matters to what may be asked of it.

    An undo that failed is still UNDOING: it may have been decided where the rows are, so nobody may
    settle the move before that is known.
    """

    MOVING = "moving"
    TURNING_BACK = "turning back"
    DECIDED = "decided"
    UNDOING = "undoing"
    SETTLING = "settling"
    ENDED = "ended"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One move with the operations that it is made of, as it was when it was read."""

    id: UUID
    tenant_id: TenantId
    slug: str
    source: Placement
    target: Placement
    requested_by: str
    requested_at: datetime
    reason: str
    rows_total: int | None
    rows_copied: int
    lag_rows: int
    cancel_requested_at: datetime | None
    decided_at: datetime | None
    receipt: Receipt | None
    settle_after: datetime | None
    settled_at: datetime | None
    undo_receipt: Receipt | None
    undone_at: datetime | None
    ended_at: datetime | None
    operation: Standing
    settle: Standing | None
    undo: Standing | None
    keep: Standing | None = None
    hold: Hold = Hold()

    @property
    def stage(self) -> Stage:
        """How far it is."""
        if self.ended_at is not None:
            return Stage.ENDED
        if self.undo is not None and self.undo.state is not OperationState.CANCELLED:
            return Stage.UNDOING
        if self.settle is not None:
            return Stage.DECIDED if self.settle.started_at is None else Stage.SETTLING
        return Stage.MOVING if self.cancel_requested_at is None else Stage.TURNING_BACK

    @property
    def awaits_word(self) -> bool:
        """Whether all is done but the switch, which somebody wants to say the word for."""
        return (
            self.stage is Stage.MOVING
            and self.operation.step == PROVED
            and self.hold.held_at is not None
            and self.hold.paused_at is None
        )

    def told(self) -> str:
        """Say in few words which move it is."""
        return f"{self.id} from {place_told(self.source)} to {place_told(self.target)}"


class MovePlace(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a move; its login is the platform's own."""

    tier: Tier
    cluster: str
    database: str
    schema: str
    epoch: int


class TableSize(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant has in one table; ``bytes`` are those of its rows, without their indexes."""

    table: str
    rows: int
    bytes: int


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done. ``duration_s`` and ``pause_ms`` are expected from ``experience`` moves.

    ``does`` is move, undo, "settle, then move", or nothing; an undo copies nothing.
    """

    tenant: UUID
    does: str
    source: MovePlace
    tier: Tier | None
    cluster: str | None
    steps: tuple[str, ...]
    tables: tuple[TableSize, ...]
    rows: int
    bytes: int
    duration_s: float
    pause_ms: float
    experience: int


class MoveState(StrEnum):
    """How a move stands, for whoever waits for it."""

    RUNNING = "running"
    DONE = "done"
    UNDONE = "undone"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_ended(self) -> bool:
        """Whether nobody works on it now."""
        return self is not MoveState.RUNNING


class MoveDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A move as operators see it.

    ``pause_ms`` and ``proof`` are there once it is decided. Until ``undo_until`` it can be undone
    without copying; null when that is over, or not yet possible. ``paused_at`` and what goes with
    it is there while the move stands still, ``held_at`` while it is to stop before its switch, and
    ``awaits_cut_over`` once it has; ``log_bytes`` is what changes written down meanwhile take.
    """

    id: UUID
    tenant: UUID
    source: MovePlace
    target: MovePlace
    state: MoveState
    step: str | None
    rows_copied: int
    rows_total: int | None
    lag_rows: int
    pause_ms: float | None
    proof: tuple[TableProof, ...]
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    settled_at: datetime | None
    undo_until: datetime | None
    error: str | None
    paused_at: datetime | None
    paused_by: str | None
    paused_reason: str | None
    held_at: datetime | None
    held_by: str | None
    held_reason: str | None
    hurried_at: datetime | None
    awaits_cut_over: bool
    log_bytes: int | None

    @classmethod
    def of(cls, move: Move) -> MoveDocument:
        """Show a move by the operation that works on it now, or did last."""
        shown = move.operation
        hold = move.hold if move.stage is Stage.MOVING else Hold()
        if move.undo is not None and move.undo.state is not OperationState.CANCELLED:
            shown = move.undo
        receipt = move.receipt
        return cls(
            id=move.id,
            tenant=move.tenant_id,
            source=msgspec.convert(move.source, MovePlace, from_attributes=True),
            target=msgspec.convert(move.target, MovePlace, from_attributes=True),
            state=_state(move, shown),
            step=shown.step,
            rows_copied=move.rows_copied,
            rows_total=move.rows_total,
            lag_rows=move.lag_rows,
            pause_ms=None if receipt is None else receipt.pause_ms,
            proof=() if receipt is None else receipt.proof,
            attempts=shown.attempts,
            started_at=move.operation.started_at,
            finished_at=shown.finished_at,
            settled_at=move.settled_at,
            undo_until=move.settle_after if move.stage is Stage.DECIDED else None,
            error=shown.error or (move.settle.error if move.settle else None),
            awaits_cut_over=move.awaits_word,
            paused_at=hold.paused_at,
            paused_by=hold.paused_by,
            paused_reason=hold.paused_reason,
            held_at=hold.held_at,
            held_by=hold.held_by,
            held_reason=hold.held_reason,
            hurried_at=hold.hurried_at,
            log_bytes=hold.log_bytes,
        )


def place_told(placement: Placement) -> str:
    """Say in few words which place it is."""
    return f"{placement.tier.value} on {placement.cluster}"


def _state(move: Move, shown: Standing) -> MoveState:
    match shown.state:
        case OperationState.WAITING | OperationState.RUNNING:
            return MoveState.RUNNING
        case OperationState.DONE:
            return MoveState.DONE if move.undone_at is None else MoveState.UNDONE
        case OperationState.CANCELLED:
            return MoveState.CANCELLED
        case OperationState.FAILED:
            return MoveState.FAILED
