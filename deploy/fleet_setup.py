"""Bringing a cluster into the fleet, and a catalog to this code's revision and price list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from migrations.apply import migrate_catalog
from router.catalog import clusters, gate_keys, plans
from router.connect import connect
from router.database import (
    SHARED_SCHEMA,
    make_database,
    make_schema,
    prepare_cluster,
    prepare_database,
)
from router.fleet import APP_LOGIN
from router.words import Cluster, ClusterRole, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.platform import Platform
    from router.catalog import Catalog
    from router.connect import Address
    from router.words import Plan

#: The database of a shared cluster in which tenants of the tiers rows and schema live.
SHARED_DATABASE = "stepwell_shared"


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


async def add_cluster(platform: Platform, cluster: Cluster, admin: Address) -> None:
    """Make a cluster ready for tenants and record it; safe to repeat until it is recorded."""
    # Secrets are derived from the cluster's name, so the fleet must know it before the catalog.
    fleet = platform.fleet
    connection = await connect(admin, purpose="cluster add")
    try:
        await prepare_cluster(connection, app_password=fleet.password(cluster.name, APP_LOGIN))
        if cluster.role is ClusterRole.SHARED:
            await make_database(connection, cluster.shared_database)
    finally:
        await connection.close(timeout=5)
    if cluster.role is ClusterRole.SHARED:
        await _prepare_shared(platform, cluster, admin)
    async with platform.catalog.transaction() as connection:
        await clusters.add(connection, cluster, admin, platform.sealer)


async def _prepare_shared(platform: Platform, cluster: Cluster, admin: Address) -> None:
    async with platform.catalog.connection() as connection:
        key_id = (await gate_keys.read(connection)).current
    database = cluster.shared_database
    shared = msgspec.structs.replace(admin, database=database)
    connection = await connect(shared, purpose="cluster add")
    try:
        await prepare_database(
            connection,
            login=APP_LOGIN,
            key=platform.fleet.key(cluster.name, database, key_id),
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
