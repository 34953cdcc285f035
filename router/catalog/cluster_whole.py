"""One cluster with everything that the catalog knows of it: who lives there, what was seen last."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import checkups, clusters, looks
from router.catalog.checkups import CheckupFinding
from router.catalog.clusters import ClusterRecord
from router.catalog.looks import LookKind
from router.catalog.servers import GROUPS_MAX, ClusterMeasured
from router.errors import NotFound
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from router.connect import Connection

MOVES_MAX = 50
_SQL = load("router.catalog", "cluster_whole.sql")


class PlacesHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Tenants of one tier in one database; ``schemas`` are those that hold them."""

    database: str
    tier: Tier
    tenants: int
    schemas: int


class MoveAtEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A move that leaves or reaches the cluster; ``is_decided``: it waits to be settled."""

    id: UUID
    slug: str
    source_tier: Tier
    source_cluster: str
    target_tier: Tier
    target_cluster: str
    is_decided: bool
    requested_at: datetime


class RevisionHeld(msgspec.Struct, frozen=True, kw_only=True):
    """At how many of its places a revision of the product was seen last."""

    revision: str
    places: int


class ClusterKnown(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog knows. ``groups`` counts databases by tier, of which the largest are told.

    ``measured_error`` is why the newest measurement found nothing; ``findings`` are the doctor's.
    """

    record: ClusterRecord
    groups: int
    places: tuple[PlacesHeld, ...]
    moves: tuple[MoveAtEnd, ...]
    revisions: tuple[RevisionHeld, ...]
    measured: ClusterMeasured | None
    measured_at: datetime | None
    measured_error: str | None
    looked_at: datetime | None
    findings: tuple[CheckupFinding, ...]


async def read(connection: Connection, name: str) -> ClusterKnown:
    """Read one, or raise NotFound."""
    record = next(
        (each for each in await clusters.list_all(connection) if each.cluster.name == name), None
    )
    if record is None:
        raise NotFound(f"there is no cluster {name[:40]!r}")
    places = await connection.fetch(_SQL["places"], name, GROUPS_MAX)
    moves = await connection.fetch(_SQL["moves"], name, MOVES_MAX)
    revisions = await connection.fetch(_SQL["revisions"], name, GROUPS_MAX)
    seen = await looks.last(connection, LookKind.CLUSTER, ClusterMeasured)
    look = next((each for each in seen if each.about == name), None)
    checkup = await checkups.last(connection)
    return ClusterKnown(
        record=record,
        groups=places[0]["groups"] if places else 0,
        places=tuple(msgspec.convert(dict(each), PlacesHeld) for each in places),
        moves=tuple(msgspec.convert(dict(each), MoveAtEnd) for each in moves),
        revisions=tuple(msgspec.convert(dict(each), RevisionHeld) for each in revisions),
        measured=look.found if look else None,
        measured_at=look.ended_at if look else None,
        measured_error=look.error if look else None,
        looked_at=checkup.ended_at if checkup else None,
        findings=tuple(
            each
            for each in (checkup.findings if checkup else ())
            if each.where.partition("/")[0] == name
        ),
    )
