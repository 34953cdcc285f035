"""Ending tasks: also those that lose a cancellation."""

from __future__ import annotations

import asyncio
import time

import pytest

from router import tasks
from router.tasks import end


async def test_a_task_that_lost_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_PATIENCE_S", 0.05)
    lost: list[str] = []

    async def deaf_once() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            lost.append("once")
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    begun_s = time.monotonic()
    async with asyncio.timeout(30):
        await end(task)
    assert task.cancelled()
    assert lost == ["once"]
    assert time.monotonic() - begun_s < 5


async def test_a_task_may_put_things_away_first() -> None:
    done: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            done.append("tidied")

    task = asyncio.create_task(tidy())
    await asyncio.sleep(0)
    await end(task)
    assert done == ["tidied"]


async def test_what_a_task_failed_of_is_nobodys_error_here() -> None:
    async def fail() -> None:
        raise RuntimeError("it failed")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await end(task)
    await end()
    assert task.done()
