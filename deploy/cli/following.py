"""How a command waits for a move: a bar on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from deploy.cli.shell import Failed, say
from router.catalog.move_news import MoveNews, follow_move
from router.catalog.move_words import MoveDocument, MoveState

if TYPE_CHECKING:
    from uuid import UUID

    from rich.progress import Task, TaskID

    from router.catalog import Catalog

_FOR_EVER_S = float("inf")
_PATIENCE_S = 10.0


async def follow(catalog: Catalog, move_id: UUID, *, until_held: bool = False) -> MoveDocument:
    """Show how a move goes on until its operation has ended; fails if it did.

    ``until_held``: or until it waits before its switch for somebody to say the word.
    """
    news = MoveNews(catalog)
    following = follow_move(news, catalog, move_id, s_max=_FOR_EVER_S)
    last: MoveDocument | None = None
    begun_s, is_patient = time.monotonic(), True
    try:
        with _Bar() as bar:
            async with contextlib.aclosing(following):
                async for document in following:
                    last = document or last
                    if last is not None:
                        bar.show(last)
                    if until_held and last is not None and last.awaits_cut_over:
                        return last
                    is_idle = last is not None and last.started_at is None
                    if is_patient and is_idle and time.monotonic() - begun_s > _PATIENCE_S:
                        is_patient = False
                        say("nobody has begun it yet: does a worker run?")
    finally:
        await news.close()
    assert last is not None, "a move is shown before anything else"
    if last.state in {MoveState.FAILED, MoveState.CANCELLED}:
        raise Failed(f"the move {last.id} {_ended(last)}: {last.error or 'nobody said why'}")
    return last


class _Bar:
    """One move on one line."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._is_shown = console.is_terminal
        self._step: str | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            _Rows(),
            _Rate(),
            TextColumn("{task.fields[lag]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._is_shown,
            transient=True,
        )
        self._task: TaskID = self._progress.add_task("waiting", total=None, lag="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, document: MoveDocument) -> None:
        """Show where it is now."""
        step = document.step or ("waiting" if document.started_at is None else "begun")
        if document.paused_at is not None:
            step = "paused"
        elif document.awaits_cut_over:
            step = "held"
        self._progress.update(
            self._task,
            description=step,
            total=document.rows_total,
            completed=document.rows_copied,
            lag=f"{document.lag_rows:,} behind" if document.lag_rows else "",
        )
        if not self._is_shown and step != self._step:
            say(step)
        self._step = step


class _Rows(ProgressColumn):
    def render(self, task: Task) -> Text:
        of = "" if task.total is None else f" of {int(task.total):,}"
        return Text(f"{int(task.completed):,}{of} rows")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{int(task.speed):,} rows/s")


def _ended(document: MoveDocument) -> str:
    return "was cancelled" if document.state is MoveState.CANCELLED else "failed"
