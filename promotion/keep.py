"""Keep: until a move is settled, what changes at the tenant's new place is brought to the old one.

So the log of changes stays short, and an undo finds little left to bring. Nobody may enter the old
place meanwhile; its rows are as old as the last keeping.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from promotion import homes, way_back
from promotion.following import follow
from promotion.leg import reaching
from promotion.move import told
from router.catalog import moves, moving
from router.catalog.move_words import Stage
from router.catalog.moves import AboutMove
from router.catalog.operations import Superseded
from router.catalog.runner import Postponed

if TYPE_CHECKING:
    from promotion.leg import Ends
    from promotion.terms import Terms
    from router.catalog.move_words import Move
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress

#: Of what one process does at the same time, so that keepers leave room for those that people
#: wait for, also where a server doesn't answer and each of them waits for it.
_AT_ONCE_MAX = 2
_TURN = timedelta(seconds=2)
_PAUSE_MAX = timedelta(hours=1)
_FAILING, _KEPT = "failing", "kept"
_log = structlog.get_logger(__name__)


class AboutKeep(AboutMove, frozen=True, kw_only=True):
    """What a keeping remembers: its move, and since when it fails."""

    failing_since: datetime | None = None


class KeepHandler:
    """Does operations of kind ``keep``: a little at each turn, until the move ends."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._at_work = 0

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Bring back what changed since the last turn, and wait for the next one."""
        if self._at_work >= _AT_ONCE_MAX:
            raise Postponed("others are kept just now", after=_TURN)
        self._at_work += 1
        try:
            await self._take_turn(operation, progress)
        finally:
            self._at_work -= 1

    async def _take_turn(self, operation: Operation, progress: Progress) -> None:
        async with self._terms.catalog.connection() as connection:
            move = await moves.get(connection, moving.move_of(operation))
        if move.stage is not Stage.DECIDED:
            return
        try:
            await KeepJob(self._terms, move, operation).run()
        except Superseded:
            raise
        except Exception as error:
            raise await self._failed(progress, error) from error
        about = operation.read(AboutKeep)
        if about.failing_since is not None:
            await progress.advance(_KEPT, "it works again", data=AboutKeep(move=about.move))
        raise Postponed("kept", after=self._terms.limits.keep_after, is_well=True)

    async def _failed(self, progress: Progress, error: Exception) -> Postponed:
        """Say once that it fails; it is tried again after as long as that goes on already."""
        about = progress.operation.read(AboutKeep)
        since = about.failing_since
        if since is None:
            since = datetime.now(UTC)
            about = AboutKeep(move=about.move, failing_since=since)
            await progress.advance(_FAILING, told(error), data=about)
            _log.warning("keep_fails", operation=str(progress.operation.id), reason=told(error))
        after = max(self._terms.limits.keep_after, min(datetime.now(UTC) - since, _PAUSE_MAX))
        return Postponed(told(error), after=after, is_well=True)


class KeepJob:
    """One turn of one keeping."""

    def __init__(self, terms: Terms, move: Move, operation: Operation) -> None:
        self._terms = terms
        self._move = move
        self._operation = operation
        self.leg = way_back.leg_back(terms, move, operation)

    async def run(self) -> None:
        """Make rounds until little is left, or for a while where the tenant is faster."""
        leg, limits, reach = self.leg, self._terms.limits, self._terms.faults.reach
        # An operation that was stopped has nothing to say in any database, if only for a moment.
        await self._check_ours()
        async with reaching(leg) as ends:
            await self._check_still_ours(ends)
            reach("keep.before")
            await way_back.begin(leg, ends, self._move)
            for _ in range(limits.rounds_max):
                brought = await follow(leg, ends)
                reach("keep.round")
                await self._check_ours()
                if brought.keys <= limits.settled_keys:
                    break

    async def _check_ours(self) -> None:
        async with self._terms.catalog.connection() as connection:
            await moving.assert_held(connection, self._operation)

    async def _check_still_ours(self, ends: Ends) -> None:
        """Ask again, now that nobody older has a say; and leave nothing behind where it is over."""
        try:
            await self._check_ours()
        except Superseded:
            for connection in (ends.source, ends.target):
                await homes.withdraw(connection, self.leg.mover)
            raise
