"""What operators see first: how everything stands, in one document that asks the catalog alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import checkups, clusters, looks, wave_matrix, waves
from router.catalog.clusters import ClusterState
from router.catalog.looks import LookKind
from router.catalog.servers import ClusterFigures
from router.catalog.wave_words import MigrationState
from router.sql import load
from router.words import ClusterRole, TenantStatus, Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.connect import Connection

#: What failed longer ago isn't counted: whoever wanted to see to it has done so.
LATELY = timedelta(days=7)
_SQL = load("router.catalog", "overview.sql")


class TenantCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many tenants are alike; ``tier`` is null for those without a place."""

    tier: Tier | None
    status: TenantStatus
    tenants: int


class MigrationShort(msgspec.Struct, frozen=True, kw_only=True):
    """The migration that is open; ``done`` of its ``places`` need nothing more."""

    id: UUID
    target: str
    state: MigrationState
    wave: int
    waves: int
    places: int
    done: int
    failed: int


class ClusterShort(msgspec.Struct, frozen=True, kw_only=True):
    """How full a cluster is; ``figures`` were measured at ``measured_at``, null until they are.

    ``error`` is why it couldn't be measured since.
    """

    name: str
    role: ClusterRole
    state: ClusterState
    tenants: int
    capacity: int
    figures: ClusterFigures | None
    measured_at: datetime | None
    error: str | None


class ComparisonShort(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest comparison with the payment provider found."""

    at: datetime
    is_complete: bool
    accounts: int
    differences: int
    failures: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Counts. What failed for good is counted for a week.

    ``tenants_elsewhere`` aren't where they ought to be, ``moves_held`` do all but the switch,
    ``events_kept`` are nobody's; ``letters_postponed`` and ``operations_retrying`` failed before
    and are tried again.
    """

    tenants_elsewhere: int
    moves_running: int
    moves_paused: int
    moves_held: int
    moves_failed: int
    operations_failed: int
    operations_retrying: int
    events_waiting: int
    events_kept: int
    events_oldest_s: float
    accounts_in_trouble: int
    letters_waiting: int
    letters_postponed: int
    letters_given_up: int
    accesses_active: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How everything stands ``at`` a moment.

    ``places_behind`` lack the product's newest revision; at ``places_unseen`` nobody has looked.
    ``findings`` are the doctor's, of its look at ``looked_at``, ``findings_grave`` of them grave.
    """

    at: datetime
    tenants: tuple[TenantCount, ...]
    figures: Figures
    migration: MigrationShort | None
    places: int
    places_behind: int
    places_unseen: int
    comparison: ComparisonShort | None
    looked_at: datetime | None
    findings: int
    findings_grave: int
    clusters: tuple[ClusterShort, ...]


class _Compared(msgspec.Struct, frozen=True, kw_only=True):
    """As much of what a comparison keeps as is told here."""

    is_complete: bool
    accounts_looked: int
    differences: int
    failures: int


async def read(connection: Connection, revisions: Sequence[str]) -> Overview:
    """Read it; ``revisions`` are the product's, the oldest first."""
    row = await connection.fetchrow(_SQL["figures"], LATELY)
    assert row is not None, "counts are one row"
    counted = await connection.fetch(_SQL["tenants"])
    matrix = await wave_matrix.cells(connection, revisions)
    newest = [cell for cell in matrix if cell.revision == revisions[-1]]
    checkup = await checkups.last(connection)
    findings = () if checkup is None else checkup.findings
    return Overview(
        at=row["at"],
        tenants=tuple(msgspec.convert(dict(each), TenantCount) for each in counted),
        figures=msgspec.convert(dict(row), Figures),
        migration=await _migration(connection),
        places=sum(cell.places for cell in newest),
        places_behind=sum(cell.pending + cell.running + cell.failed for cell in newest),
        places_unseen=sum(cell.unseen for cell in newest),
        comparison=await _comparison(connection),
        looked_at=None if checkup is None else checkup.ended_at,
        findings=len(findings),
        findings_grave=sum(each.grave for each in findings),
        clusters=tuple(await _clusters(connection)),
    )


async def _migration(connection: Connection) -> MigrationShort | None:
    going = await waves.find_open(connection)
    if going is None:
        return None
    document = await waves.document(connection, going)
    return MigrationShort(
        id=document.id,
        target=document.target,
        state=document.state,
        wave=document.wave,
        waves=len(document.waves),
        places=document.places,
        done=document.done,
        failed=sum(each.failed for each in document.waves),
    )


async def _comparison(connection: Connection) -> ComparisonShort | None:
    for look in await looks.last(connection, LookKind.COMPARISON, _Compared):
        if look.found is not None and look.ended_at is not None:
            return ComparisonShort(
                at=look.ended_at,
                is_complete=look.found.is_complete,
                accounts=look.found.accounts_looked,
                differences=look.found.differences,
                failures=look.found.failures,
            )
    return None


async def _clusters(connection: Connection) -> list[ClusterShort]:
    seen = {
        each.about: each for each in await looks.last(connection, LookKind.CLUSTER, ClusterFigures)
    }
    found: list[ClusterShort] = []
    for record in await clusters.list_all(connection):
        cluster, look = record.cluster, seen.get(record.cluster.name)
        found.append(
            ClusterShort(
                name=cluster.name,
                role=cluster.role,
                state=record.state,
                tenants=record.tenants,
                capacity=cluster.capacity,
                figures=look.found if look else None,
                measured_at=look.ended_at if look else None,
                error=look.error if look else None,
            )
        )
    return found
