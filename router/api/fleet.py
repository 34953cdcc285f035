"""The operators' calls about everything but tenants: clusters, operations, the whole audit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, PathParameter, QueryParameter

from router.api.audit import AuditLine, VerdictShown, lines
from router.api.errand import Errand
from router.api.shapes import Cursor, Limit, List, OperationShown, read_cursor
from router.catalog import audit, audit_chain, cluster_whole, clusters, operations, tenants
from router.catalog.checkups import CheckupFinding
from router.catalog.cluster_whole import ClusterKnown, MoveAtEnd, PlacesHeld, RevisionHeld
from router.catalog.clusters import ClusterRecord, ClusterState
from router.catalog.servers import ClusterMeasured, ServerSeen
from router.errors import PlatformError
from router.words import ClusterRole


class ClusterShown(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with how many tenants it holds, and for how many it has room.

    One that `is_reserved` is a customer's own: nobody goes there who isn't sent there by name.
    """

    name: str
    role: ClusterRole
    region: str
    state: ClusterState
    capacity: int
    tenants: int
    host: str
    port: int
    is_reserved: bool


class ClusterWhole(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with its server as it is now, and with what was seen of it before.

    ``server`` is null where it can't be reached now, and ``error`` says why. ``measured`` is by a
    worker, ``findings`` are the doctor's of its look at ``looked_at``. Of many ``places`` those
    with the most tenants are told; ``places_all`` counts all of them.
    """

    cluster: ClusterShown
    server: ServerSeen | None
    error: str | None
    measured: ClusterMeasured | None
    measured_at: datetime | None
    measured_error: str | None
    places: tuple[PlacesHeld, ...]
    places_all: int
    revisions: tuple[RevisionHeld, ...]
    moves: tuple[MoveAtEnd, ...]
    looked_at: datetime | None
    findings: tuple[CheckupFinding, ...]

    @classmethod
    def of(cls, known: ClusterKnown, server: ServerSeen | None, error: str | None) -> ClusterWhole:
        """Show what is known beside what is so now."""
        return cls(
            cluster=_shown(known.record),
            server=server,
            error=error,
            measured=known.measured,
            measured_at=known.measured_at,
            measured_error=known.measured_error,
            places=known.places,
            places_all=known.groups,
            revisions=known.revisions,
            moves=known.moves,
            looked_at=known.looked_at,
            findings=known.findings,
        )


class OperationWhole(msgspec.Struct, frozen=True, kw_only=True):
    """An operation with what happened so far."""

    operation: OperationShown
    log: list[operations.LogLine]


@get("/clusters", tags=["operators"], summary="Clusters, and the room they have")
async def list_clusters(errand: NamedDependency[Errand]) -> List[ClusterShown]:
    """By name."""
    async with errand.parts.catalog.connection() as connection:
        found = await clusters.list_all(connection)
    return List(items=[_shown(record) for record in found])


@get("/clusters/{cluster:str}", tags=["operators"], summary="One cluster, with its server")
async def show_cluster(
    errand: NamedDependency[Errand],
    cluster: Annotated[str, PathParameter(description="The cluster's name.", max_length=200)],
) -> ClusterWhole:
    """Asks its server, for two seconds at most; the rest is there whether it answers or not."""
    async with errand.parts.catalog.connection() as connection:
        known = await cluster_whole.read(connection, cluster)
    try:
        return ClusterWhole.of(known, await errand.parts.servers.look(cluster), None)
    except PlatformError as error:
        return ClusterWhole.of(known, None, error.detail)


@get("/operations/{operation_id:uuid}", tags=["operators"], summary="One operation, with its log")
async def show_operation(
    errand: NamedDependency[Errand], operation_id: FromPath[UUID]
) -> OperationWhole:
    """Ask again until `state` is done, failed or cancelled."""
    async with errand.parts.catalog.connection() as connection:
        operation = await operations.get(connection, operation_id)
        log = await operations.read_log(connection, operation_id)
    return OperationWhole(operation=OperationShown.of(operation), log=log)


@get("/audit", tags=["operators"], summary="The audit of all tenants, or of one")
async def list_ops_audit(
    errand: NamedDependency[Errand],
    *,
    tenant: Annotated[
        str | None, QueryParameter(max_length=200, description="A slug or an id.")
    ] = None,
    limit: Limit = 50,
    after: Cursor = None,
) -> List[AuditLine]:
    """The newest first."""
    before = read_cursor(after)
    async with errand.parts.catalog.connection() as connection:
        tenant_id = None
        if tenant is not None:
            tenant_id = (await tenants.get(connection, tenant)).tenant.id
        page = await audit.list_page(
            connection, tenant_id=tenant_id, before=before, items_max=limit
        )
    return lines(page)


@get("/audit/verify", tags=["operators"], summary="Whether the audit is whole")
async def verify_audit(
    errand: NamedDependency[Errand],
    *,
    expect: Annotated[
        str | None,
        QueryParameter(pattern="^[0-9a-f]{64}$", description="A `head` that was noted earlier."),
    ] = None,
) -> VerdictShown:
    """Recomputes every entry. `breaks` says where the trail was altered, cut or rewritten."""
    parts = errand.parts
    return VerdictShown.of(
        await audit_chain.verify(parts.catalog, parts.audit_keys, expected=expect)
    )


def _shown(record: ClusterRecord) -> ClusterShown:
    cluster = record.cluster
    return ClusterShown(
        name=cluster.name,
        role=cluster.role,
        region=cluster.region,
        state=record.state,
        capacity=cluster.capacity,
        tenants=record.tenants,
        host=cluster.host,
        port=cluster.port,
        is_reserved=cluster.is_reserved,
    )
