"""Attempts: how often something may be tried within a window, over all gateways, without Redis.

A window begins with its first try and isn't prolonged by those that are refused: nobody is locked
out for longer than it lasts, however often somebody else tries.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.catalog import Catalog
    from router.connect import Connection

_SQL = load("router.catalog", "attempts.sql")


class AttemptRule(msgspec.Struct, frozen=True, kw_only=True):
    """So many tries within a window; ``kind`` names the rule in the catalog."""

    kind: str
    count_max: int
    window: timedelta


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try under one rule; ``subject`` is a keyed hash of whoever tries."""

    rule: AttemptRule
    subject: bytes


async def take(catalog: Catalog, attempts: Sequence[Attempt]) -> int | None:
    """Count a try, whatever becomes of it; return how many seconds to wait if it is one too many.

    Counted before the try is looked at, so that many at once are no more than one after the other.
    """
    by_kind = {attempt.rule.kind: attempt.rule for attempt in attempts}
    async with catalog.connection() as connection:
        rows = await connection.fetch(
            _SQL["take"],
            [attempt.rule.kind for attempt in attempts],
            [attempt.subject for attempt in attempts],
            [attempt.rule.window for attempt in attempts],
        )
    rests: list[timedelta] = [
        row["rest"] for row in rows if row["count"] > by_kind[row["kind"]].count_max
    ]
    return max(1, math.ceil(max(rests).total_seconds())) if rests else None


async def forgive(catalog: Catalog, attempts: Sequence[Attempt]) -> None:
    """Take a try back that succeeded: only failures are counted."""
    async with catalog.connection() as connection:
        await connection.execute(
            _SQL["forgive"],
            [attempt.rule.kind for attempt in attempts],
            [attempt.subject for attempt in attempts],
        )


async def forget_old(connection: Connection) -> None:
    """Delete windows that have ended."""
    await connection.execute(_SQL["forget_old"])
