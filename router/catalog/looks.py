"""What workers saw last of what takes too long to be asked for by a page, with its age."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.connect import Connection

ERROR_LENGTH_MAX = 500
_SQL = load("router.catalog", "looks.sql")
_FoundT = TypeVar("_FoundT")


class LookKind(StrEnum):
    """What was looked at."""

    CLUSTER = "cluster"
    CANARIES = "canaries"
    COMPARISON = "comparison"


class Look(msgspec.Struct, Generic[_FoundT], frozen=True, kw_only=True):
    """What was found at ``ended_at``; both are None while no look has come to its end.

    ``error`` is why the look that ``began_at`` found nothing: what was found before is kept.
    """

    about: str
    began_at: datetime
    ended_at: datetime | None
    found: _FoundT | None
    error: str | None


async def begin(connection: Connection, kind: LookKind, about: str, *, every: timedelta) -> bool:
    """Take the next look for this worker; False while it isn't due or another one has it."""
    return await connection.fetchval(_SQL["begin"], kind, about, every) is not None


async def end(connection: Connection, kind: LookKind, about: str, found: object) -> None:
    """Keep what was found."""
    await connection.execute(_SQL["end"], kind, about, msgspec.json.encode(found).decode())


async def fail(connection: Connection, kind: LookKind, about: str, *, error: str) -> None:
    """Keep why nothing was found this time; what was found before stays."""
    await connection.execute(_SQL["fail"], kind, about, error[:ERROR_LENGTH_MAX])


async def last(connection: Connection, kind: LookKind, found: type[_FoundT]) -> list[Look[_FoundT]]:
    """Return the last looks of a kind, by what they are about; ``found`` is what they find."""
    return [
        Look[_FoundT](
            about=row["about"],
            began_at=row["began_at"],
            ended_at=row["ended_at"],
            found=None if row["found"] is None else msgspec.json.decode(row["found"], type=found),
            error=row["error"],
        )
        for row in await connection.fetch(_SQL["last"], kind)
    ]


async def forget_others(connection: Connection, kind: LookKind, known: Collection[str]) -> None:
    """Forget looks at what isn't there any more."""
    await connection.execute(_SQL["forget_others"], kind, [*known])
