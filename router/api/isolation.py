"""The doctor's last report, for operators."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from router.api.errand import Errand
from router.catalog import checkups, looks
from router.catalog.canaries import Canaries
from router.catalog.checkups import CheckupFinding
from router.catalog.looks import Look, LookKind

if TYPE_CHECKING:
    from router.connect import Connection


class CanariesShown(msgspec.Struct, frozen=True, kw_only=True):
    """The canaries of one database: two drawn tenants that tried to reach each other's rows.

    `found` is what they did `at` a moment, null until they did; `error` is why they couldn't since.
    """

    where: str
    at: datetime | None
    found: Canaries | None
    error: str | None

    @classmethod
    def of(cls, look: Look[Canaries]) -> CanariesShown:
        """Show a look."""
        return cls(where=look.about, at=look.ended_at, found=look.found, error=look.error)


class IsolationShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor found when it looked last; `looked_at` is null until it did.

    `is_due`: a worker will look, or is looking, and there will be a newer report.
    """

    looked_at: datetime | None
    is_due: bool
    rules: int
    grave: int
    findings: list[CheckupFinding]
    canaries: list[CanariesShown]


@get("/isolation", tags=["operators"], summary="What the doctor found")
async def show_isolation(errand: NamedDependency[Errand]) -> IsolationShown:
    """Every rule of isolation and configuration, against the live databases; the grave first."""
    async with errand.parts.catalog.connection() as connection:
        return await _shown(connection)


@post("/isolation", status_code=202, tags=["operators"], summary="Have the doctor look now")
async def look_now(errand: NamedDependency[Errand]) -> IsolationShown:
    """A worker looks within seconds; ask again until `looked_at` is later than this call."""
    connection = await errand.connection()
    await checkups.want(connection)
    await errand.note("isolation.look", "doctor", tenant_id=None)
    return await _shown(connection)


async def _shown(connection: Connection) -> IsolationShown:
    last = await checkups.last(connection)
    seen = await looks.last(connection, LookKind.CANARIES, Canaries)
    canaries = [CanariesShown.of(each) for each in seen]
    if last is None:
        return IsolationShown(
            looked_at=None, is_due=True, rules=0, grave=0, findings=[], canaries=canaries
        )
    return IsolationShown(
        looked_at=last.ended_at,
        is_due=last.is_due,
        rules=last.rules,
        grave=sum(each.grave for each in last.findings),
        findings=sorted(last.findings, key=lambda each: (not each.grave, each.rule, each.where)),
        canaries=canaries,
    )
