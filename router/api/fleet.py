"""The operators' calls about everything but tenants: clusters, operations, the whole audit."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from router.api.audit import AuditLine, VerdictShown, lines
from router.api.errand import Errand
from router.api.shapes import Cursor, Limit, List, OperationShown, read_cursor
from router.catalog import audit, audit_chain, clusters, operations, tenants
from router.catalog.clusters import ClusterRecord, ClusterState
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
