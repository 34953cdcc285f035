"""Fault points: the moments at which a mover may die, each with a name, so that tests can kill it.

A process whose setting names a point ends there at once, by SIGKILL, or stands still there, by
SIGSTOP. Nothing else happens at a fault point, and a process without the setting only compares two
strings.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

from router.errors import SettingsWrong

#: In the order in which a move passes them. ``before`` is before anything of the step is done,
#: ``after`` when its effect is durable and the catalog doesn't know yet.
MOVE_POINTS = (
    "prepare.before",
    "prepare.made",
    "take_over.after",
    "prepare.after",
    "capture.before",
    "capture.after",
    "copy.before",
    "copy.chunk",
    "copy.after",
    "index.before",
    "index.keys",
    "index.followed",
    "index.after",
    "follow.before",
    "follow.round",
    "follow.after",
    "merge.before",
    "merge.merged",
    "merge.after",
    "verify.before",
    "verify.after",
    "fence.before",
    "fence.locked",
    "fence.applied",
    "fence.target_committed",
    "fence.decided",
    "flip.before",
    "flip.after",
)
#: After the keeper has taken over, and after each round that it brought.
KEEP_POINTS = ("keep.before", "keep.round")
UNDO_POINTS = (
    "undo.follow",
    "undo.verified",
    "undo.locked",
    "undo.applied",
    "undo.target_committed",
    "undo.decided",
    "undo.flip",
    "undo.erase",
    "undo.erased",
    "undo.calm",
)
SETTLE_POINTS = (
    "settle.before",
    "settle.batch",
    "settle.dropped",
    "settle.erased",
    "settle.calm",
    "settle.after",
)
TURN_BACK_POINTS = (
    "turn_back.before",
    "turn_back.asleep",
    "turn_back.closed",
    "turn_back.erased",
    "turn_back.after",
)
#: Of archives: taken, restored, and of tenants that are erased, which pass some of settling too.
EXPORT_POINTS = ("export.piece", "export.written", "export.renamed")
RESTORE_POINTS = (
    "restore.before",
    "restore.made",
    "restore.landed",
    "restore.table",
    "restore.loaded",
    "restore.index",
    "restore.merged",
    "restore.built",
    "restore.verified",
    "restore.admitted",
    "restore.taking_away",
    "restore.taken_away",
)
ERASE_POINTS = ("erase.before", "erase.closed", "erase.summed", "erase.gone", "erase.looked")
#: Of migrations: places are marked in the ledger, a transaction is about to be committed, they are
#: changed and the ledger doesn't know, a step of several is done, some rows are filled.
WAVE_POINTS = (
    "migrate.marked",
    "migrate.changed",
    "migrate.applied",
    "migrate.step",
    "migrate.batch",
)
POINTS = (
    *MOVE_POINTS,
    *KEEP_POINTS,
    *UNDO_POINTS,
    *SETTLE_POINTS,
    *TURN_BACK_POINTS,
    *EXPORT_POINTS,
    *RESTORE_POINTS,
    *ERASE_POINTS,
    *WAVE_POINTS,
)


class FaultSignal(StrEnum):
    """What a process does to itself at its fault point."""

    KILL = "kill"
    STOP = "stop"

    @property
    def number(self) -> signal.Signals:
        """The signal as the system knows it."""
        return signal.SIGKILL if self is FaultSignal.KILL else signal.SIGSTOP


class Faults:
    """Where this process is to die or to stand still, if anywhere."""

    def __init__(
        self, point: str | None = None, fault_signal: FaultSignal = FaultSignal.KILL
    ) -> None:
        if point is not None and point not in POINTS:
            raise SettingsWrong(
                f"STEPWELL_FAULT_POINT: nothing is called {point}; "
                "`stepwell move faultpoints` lists the names"
            )
        self._point = point
        self._signal = fault_signal

    def reach(self, point: str) -> None:
        """Die or stand still here, if this is the point."""
        assert point in POINTS, f"{point} is no fault point"
        if point == self._point:
            os.kill(os.getpid(), self._signal.number)
