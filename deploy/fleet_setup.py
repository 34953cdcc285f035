"""Bringing a cluster into the fleet, and a catalog to this code's revision and price list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from deploy import reference
from deploy.doctor import DatabaseName
from deploy.gates import recording
from migrations.apply import migrate_catalog
from router.catalog import clusters, gate_keys, plans, waves
from router.catalog.wave_words import Place
from router.connect import connect
from router.database import (
    SHARED_SCHEMA,
    make_database,
    make_schema,
    prepare_cluster,
    prepare_database,
)
from router.errors import CatalogUnreachable, Conflict
from router.fleet import APP_LOGIN, ClusterAccess
from router.words import Cluster, ClusterRole, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.platform import Platform
    from router.catalog import Catalog
    from router.connect import Address
    from router.words import Plan

#: The database of a shared cluster in which tenants of the tiers rows and schema live.
SHARED_DATABASE = "stepwell_shared"
#: How long the catalog's news of a cluster may take to this process itself.
KNOWN_S_MAX = 10.0
_LOOK_S = 0.02


async def bring_up_to_date(catalog: Catalog, price_list: Iterable[Plan]) -> list[str]:
    """Migrate the catalog and write the price list; returns the revisions that were applied."""
    applied = await migrate_catalog(catalog.address)
    async with catalog.transaction() as connection:
        known = {plan.name: plan for plan in await plans.list_all(connection)}
        for plan in price_list:
            if not _is_same(known.get(plan.name), plan):
                await plans.publish(connection, plan.name, tier=plan.tier, limits=plan.limits)
    return applied


def _is_same(known: Plan | None, listed: Plan) -> bool:
    return known is not None and (known.tier, known.limits) == (listed.tier, listed.limits)


async def ensure_cluster(platform: Platform, cluster: Cluster, admin: Address) -> None:
    """Add a cluster, or tell the catalog its new address; returns once this process knows it."""
    async with platform.catalog.connection() as connection:
        known = await clusters.find_access(connection, cluster.name, platform.sealer)
    if known is None:
        await add_cluster(platform, cluster, admin)
    elif known != ClusterAccess(cluster=cluster, admin=admin):
        async with platform.catalog.transaction() as connection:
            await clusters.change(connection, cluster, admin, platform.sealer)
    await _until_known(platform, cluster)


async def add_cluster(platform: Platform, cluster: Cluster, admin: Address) -> None:
    """Make a cluster ready for tenants and record it; safe to repeat until it is recorded."""
    async with platform.catalog.connection() as connection:
        if await clusters.find_access(connection, cluster.name, platform.sealer) is not None:
            raise Conflict(f"there is a cluster {cluster.name!r} already")
    # Secrets are derived from the cluster's name, so the fleet must know it before the catalog.
    fleet = platform.fleet
    connection = await connect(admin, purpose="cluster add")
    try:
        await prepare_cluster(connection, app_password=fleet.password(cluster.name, APP_LOGIN))
        if cluster.role is ClusterRole.SHARED:
            await make_database(connection, cluster.shared_database)
    finally:
        await connection.close(timeout=5)
    if cluster.role is ClusterRole.DEDICATED:
        async with platform.catalog.transaction() as connection:
            await clusters.add(connection, cluster, admin, platform.sealer)
        return
    shared = msgspec.structs.replace(admin, database=cluster.shared_database)
    await _prepare_shared(platform, cluster, shared)
    name = DatabaseName(cluster=cluster.name, database=cluster.shared_database)
    async with recording(platform, name, shared) as connection:
        await clusters.add(connection, cluster, admin, platform.sealer)
        await waves.saw(connection, {_shared_place(cluster): platform.blueprint.head})


async def _prepare_shared(platform: Platform, cluster: Cluster, shared: Address) -> None:
    async with platform.catalog.connection() as connection:
        key_id = (await gate_keys.read(connection)).current
    connection = await connect(shared, purpose="cluster add")
    try:
        await prepare_database(
            connection,
            login=APP_LOGIN,
            key=platform.fleet.key(cluster.name, shared.database, key_id),
            blueprint=platform.blueprint,
        )
        await make_schema(
            connection,
            SHARED_SCHEMA,
            tier=Tier.ROWS,
            grantee="stepwell_rows",
            blueprint=platform.blueprint,
        )
    finally:
        await connection.close(timeout=5)
    await reference.copy_to(platform, shared)


def _shared_place(cluster: Cluster) -> Place:
    return Place(
        cluster=cluster.name,
        database=cluster.shared_database,
        schema=SHARED_SCHEMA,
        tier=Tier.ROWS,
    )


async def _until_known(platform: Platform, cluster: Cluster) -> None:
    try:
        async with asyncio.timeout(KNOWN_S_MAX):
            while not _knows(platform, cluster):  # noqa: ASYNC110 - the directory tells nobody
                await asyncio.sleep(_LOOK_S)
    except TimeoutError as error:
        raise CatalogUnreachable(
            f"no news of cluster {cluster.name} came from the catalog in {KNOWN_S_MAX:.0f} s"
        ) from error


def _knows(platform: Platform, cluster: Cluster) -> bool:
    access = platform.directory.access(cluster.name)
    return access is not None and access.cluster == cluster
