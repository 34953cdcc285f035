"""The doctor's last look at everything: kept, so that nobody has to wait for one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.connect import Connection

_SQL = load("router.catalog", "checkups.sql")


class CheckupFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One object that breaks a rule; ``where`` is its cluster, or cluster/database."""

    rule: str
    object: str
    where: str
    detail: str
    danger: str
    remedy: str
    grave: bool


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at ``ended_at``; ``is_due``: a newer look was asked for, or is being taken."""

    ended_at: datetime
    is_due: bool
    rules: int
    findings: tuple[CheckupFinding, ...]


async def begin(connection: Connection, *, every: timedelta) -> bool:
    """Take the next look for this worker; False while it isn't due or another one has it."""
    return await connection.fetchval(_SQL["begin"], every) is not None


async def end(connection: Connection, *, rules: int, findings: Sequence[object]) -> None:
    """Keep what was found: anything that has the fields of a finding."""
    await connection.execute(_SQL["end"], rules, msgspec.json.encode(findings).decode())


async def want(connection: Connection) -> None:
    """Have a worker look as soon as it can."""
    await connection.execute(_SQL["want"])


async def last(connection: Connection) -> Checkup | None:
    """Return the last look that came to its end."""
    row = await connection.fetchrow(_SQL["last"])
    if row is None:
        return None
    return Checkup(
        ended_at=row["ended_at"],
        is_due=row["is_wanted"] or row["began_at"] > row["ended_at"],
        rules=row["rules"],
        findings=msgspec.json.decode(row["findings"], type=tuple[CheckupFinding, ...]),
    )
