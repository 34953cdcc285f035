"""Ending tasks."""

from __future__ import annotations

import asyncio
from typing import Any

#: A task that was cancelled may have something to put away first.
_PATIENCE_S = 5.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait until they have ended, however they do; raises nothing of theirs.

    One cancellation may be lost, as asyncio.wait_for of Python 3.11 keeps one that meets its
    result, and whoever waits for that task then waits for ever: so it is cancelled again.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_PATIENCE_S)
    await asyncio.gather(*tasks, return_exceptions=True)
