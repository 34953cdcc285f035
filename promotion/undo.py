"""Undo: the way back of a decided move. Nothing is copied, as what changed was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from promotion import homes, way_back
from promotion.cutting import Listener, WaitedTooLong, cut, pause_ms, shut_target
from promotion.erasing import calm, erase_place, patiently
from promotion.following import NotConverging, ProofDiffers, catch_up, verify
from promotion.leg import is_left, reaching
from promotion.move import told
from promotion.shape import ShapeDiffers
from promotion.side import Bounds
from promotion.turning_back import AlreadyDecided
from router.catalog import moves, moving
from router.catalog.move_words import Receipt, TableProof
from router.catalog.moves import AboutMove
from router.catalog.moving import Noted, Reached
from router.catalog.operations import Superseded
from router.catalog.runner import Postponed
from router.errors import RequestRefused

if TYPE_CHECKING:
    from promotion.changes import Brought
    from promotion.leg import Ends
    from promotion.terms import Terms
    from router.catalog.move_words import Move
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress

_FOLLOWING, _VERIFIED, _UNDONE = "following", "verified", "undone"
_BOUNDS = Bounds(statement_ms=10_000)
#: The fence tells its points under its own name.
_POINTS = {
    "fence.locked": "undo.locked",
    "fence.applied": "undo.applied",
    "fence.target_committed": "undo.target_committed",
    "fence.decided": "undo.decided",
}
_HOPELESS = (
    ProofDiffers,
    ShapeDiffers,
    NotConverging,
    WaitedTooLong,
    RequestRefused,
    asyncpg.DiskFullError,
    asyncpg.SyntaxOrAccessError,
)


class AboutUndo(AboutMove, frozen=True, kw_only=True):
    """What an undo remembers: its move, and the proof before its decision."""

    proof: tuple[TableProof, ...] = ()


class UndoHandler:
    """Does operations of kind ``undo``."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Bring the tenant back to where it came from, or say why not."""
        async with self._terms.catalog.connection() as connection:
            move = await moves.get(connection, moving.move_of(operation))
        job = UndoJob(self._terms, move, progress)
        try:
            await job.run()
        except (Superseded, Postponed):
            raise
        except Exception as error:
            is_hopeless = isinstance(error, _HOPELESS)
            if job.is_recorded or not (
                is_hopeless or operation.attempts >= self._terms.limits.attempts_max
            ):
                raise
            try:
                with patiently(job.leg.source):
                    await job.give_up()
            except AlreadyDecided:
                await job.run()
                return
            async with self._terms.catalog.transaction() as connection:
                await moving.give_up_undo(
                    connection,
                    progress,
                    told(error),
                    settle_after=self._terms.limits.settle_after,
                    keep_after=self._terms.limits.keep_after,
                )


class UndoJob:
    """One attempt at one undo."""

    def __init__(self, terms: Terms, move: Move, progress: Progress) -> None:
        self._terms = terms
        self._move = move
        self._progress = progress
        self._back = moving.way_back(move)
        self._delay_ms = 0
        self.leg = way_back.leg_back(terms, move, progress.operation)

    async def run(self) -> None:
        """Take every step that is left."""
        if not self.is_recorded:
            async with reaching(self.leg) as ends:
                await self._decide(ends)
        with patiently(self.leg.target):
            await self._erase()
        async with self._terms.catalog.transaction() as connection:
            await moving.finish_undo(connection, self._progress)
        self._terms.figures.ended("undone")

    @property
    def is_recorded(self) -> bool:
        """Whether the catalog knows of the decision."""
        return self._progress.operation.step == _UNDONE

    async def give_up(self) -> None:
        """Let the move stand: the tenant stays where it is, and its way back stays as it was.

        Raises AlreadyDecided when an older mover's decision came before this one took over.
        """
        leg = self.leg
        async with reaching(leg) as ends:
            await self._check_ours()
            if await is_left(leg, ends.source):
                raise AlreadyDecided
            # The move is kept on by another keeper, which the old one must never come after.
            await self._oust_keepers(ends)
            await shut_target(leg, ends)
            async with leg.source.transaction(ends.source, bounds=_BOUNDS):
                await leg.mover.hold(ends.source)
                await homes.delay(ends.source, self._move.tenant_id, 0)
                await homes.dismiss(ends.source, leg.mover)
            if not leg.is_one_database:
                await homes.dismiss(ends.target, leg.mover)

    async def _decide(self, ends: Ends) -> None:
        leg, limits = self.leg, self._terms.limits
        await self._check_ours()
        if not await is_left(leg, ends.source):
            await self._oust_keepers(ends)
            await way_back.begin(leg, ends, self._move)
            self._terms.faults.reach("undo.follow")
            if self._progress.operation.step != _VERIFIED:
                await catch_up(leg, ends, limits, after_round=self._after_round)
                proof = await verify(leg, ends)
                about = AboutUndo(move=self._move.id, proof=proof)
                await self._progress.advance(_VERIFIED, "both ends hold the same", data=about)
                self._terms.faults.reach("undo.verified")
            listener = Listener(after_round=self._after_round, reach=self._reach)
            made = await cut(leg, ends, limits, listener)
            self._terms.figures.decided(made.pause_ms, made.attempts - 1)
        held_ms = await pause_ms(leg, ends)
        self._terms.faults.reach("undo.flip")
        about = self._progress.operation.read(AboutUndo)
        async with self._terms.places.recording(self._back) as connection:
            await moving.undone(
                connection,
                self._progress,
                Receipt(pause_ms=held_ms, proof=about.proof),
                Reached(step=_UNDONE, note=f"writers were held for {held_ms:.1f} ms"),
            )
            await homes.own(ends.target, leg.target)

    async def _oust_keepers(self, ends: Ends) -> None:
        """Let no keeper write any more, wherever it stands: only now is how far it came certain."""
        for connection in (ends.target, ends.source):
            await homes.oust_others(connection, self.leg.mover, self._move.tenant_id)

    async def _erase(self) -> None:
        leg = self.leg
        self._terms.faults.reach("undo.erase")
        await erase_place(
            self._terms,
            leg.source,
            leg.mover,
            landing_schema=None,
            beside=leg.target,
            check_ours=self._check_ours,
        )
        self._terms.faults.reach("undo.erased")
        await calm(leg.target, leg.mover, self._check_ours)
        self._terms.faults.reach("undo.calm")

    async def _after_round(self, brought: Brought, delay_ms: int) -> None:
        await self._tell(Noted(lag_rows=brought.keys))
        if delay_ms > self._delay_ms:
            self._delay_ms = delay_ms
            step = self._progress.operation.step or _FOLLOWING
            await self._progress.advance(
                step, f"the tenant's writers wait {delay_ms} ms each, so that the undo catches up"
            )

    async def _tell(self, noted: Noted) -> None:
        async with self._terms.catalog.connection() as connection:
            await moving.note_progress(connection, self._progress.operation, noted)

    async def _check_ours(self) -> None:
        await self._tell(Noted())

    def _reach(self, point: str) -> None:
        if point in _POINTS:
            self._terms.faults.reach(_POINTS[point])
