"""What a process makes sure of before it works: the catalog's revision, and the doctor's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from deploy.doctor import Patient, examine, examine_catalog, in_order
from deploy.places import list_places
from migrations.apply import catalog_revision
from router.catalog import clusters
from router.errors import GraveFinding, Misconfigured

if TYPE_CHECKING:
    from deploy.doctor import Finding
    from deploy.platform import Platform

#: A server that is down keeps its own tenants waiting, and nobody else's gateway from starting.
_OUTAGE = "unreachable"
_log = structlog.get_logger("stepwell.checks")


async def check_revision(platform: Platform) -> None:
    """Raise Misconfigured when the catalog isn't at this code's revision."""
    revision = await catalog_revision(platform.catalog.address)
    if not revision.is_current:
        raise Misconfigured(
            f"the catalog is at revision {revision.current or 'none'} and this version needs "
            f"{revision.wanted}: run `stepwell migrate catalog`"
        )


async def check_isolation(platform: Platform) -> None:
    """Raise GraveFinding when a live database has a hole; log what is only a warning."""
    grave: list[Finding] = []
    for finding in await find_all(platform):
        if finding.grave and finding.rule != _OUTAGE:
            grave.append(finding)
        else:
            _log.warning(finding.rule, object=finding.object, where=finding.where)
    if grave:
        raise GraveFinding(
            f"{len(grave)} grave findings keep this process from serving, the first one: "
            f"{grave[0]} `stepwell doctor` lists them all"
        )


async def find_all(platform: Platform) -> list[Finding]:
    """Have the doctor look at the catalog, every cluster, and every database that holds tenants."""
    async with platform.catalog.connection() as connection:
        records = await clusters.list_all(connection)
        databases = await list_places(connection)
        of_catalog = await examine_catalog(connection)
    patient = Patient(
        clusters=[record.cluster.name for record in records],
        databases=databases,
        tenants={record.cluster.name: record.tenants for record in records},
    )
    return in_order([*await examine(platform.fleet, patient), *of_catalog])
