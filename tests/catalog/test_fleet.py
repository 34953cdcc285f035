from __future__ import annotations

import asyncio
from uuid import uuid4

import msgspec
import pytest

from router.catalog import Catalog, clusters, operations, placements, reference_tables, tenants
from router.catalog.clusters import ClusterState
from router.catalog.operations import NewOperation
from router.errors import Conflict, NotFound, Unavailable, Unprocessable
from router.sealing import Sealer
from router.words import ClusterRole, Tier
from tests.catalog.worlds import SEALER, add_cluster, place

DEDICATED = ClusterRole.DEDICATED


async def provision(catalog: Catalog, *, region: str, is_placed: bool = False) -> str:
    """Take room as provisioning does; returns the name of the cluster that gave it."""
    async with catalog.transaction() as connection:
        slug = f"p-{uuid4().hex[:12]}"
        made = await tenants.create(connection, slug=slug, name=slug, plan="enterprise")
        chosen = await clusters.choose(connection, DEDICATED, region=region)
        wanted = NewOperation(kind="provision", tenant_id=made.id, cluster=chosen.name)
        await operations.begin(connection, wanted)
        if is_placed:
            await placements.record(
                connection, made.id, place(tier=Tier.DATABASE, cluster=chosen.name)
            )
    return chosen.name


async def test_fifty_at_once_never_take_more_room_than_there_is(catalog: Catalog) -> None:
    await add_cluster(catalog, "race-1", role=DEDICATED, capacity=7, region="race")
    await add_cluster(catalog, "race-2", role=DEDICATED, capacity=5, region="race")
    taken = await asyncio.gather(
        *(provision(catalog, region="race", is_placed=number % 2 == 0) for number in range(50)),
        return_exceptions=True,
    )
    assert taken.count("race-1") == 7
    assert taken.count("race-2") == 5
    refused = [answer for answer in taken if isinstance(answer, Unavailable)]
    assert len(refused) == 38
    assert "region 'race' is full: an operator must add" in refused[0].detail


async def test_the_cluster_with_the_most_room_is_chosen(catalog: Catalog) -> None:
    await add_cluster(catalog, "room-1", role=DEDICATED, capacity=2, region="room")
    await add_cluster(catalog, "room-2", role=DEDICATED, capacity=3, region="room")
    chosen = [await provision(catalog, region="room") for _ in range(4)]
    assert chosen == ["room-2", "room-1", "room-2", "room-1"]


async def test_a_draining_cluster_takes_nobody(catalog: Catalog) -> None:
    await add_cluster(catalog, "drain-1", role=DEDICATED, region="drain")
    async with catalog.transaction() as connection:
        await clusters.set_state(connection, "drain-1", ClusterState.DRAINING)
        with pytest.raises(Unavailable, match="'drain-1' accepts tenants now"):
            await clusters.choose(connection, DEDICATED, cluster="drain-1")
        with pytest.raises(NotFound):
            await clusters.set_state(connection, "unknown", ClusterState.DRAINING)


async def test_a_wish_that_can_never_come_true_is_told_apart(catalog: Catalog) -> None:
    async with catalog.transaction() as connection:
        for cluster, region in (("unknown", None), (None, "atlantis"), ("shared-1", None)):
            with pytest.raises(Unprocessable, match="there is no dedicated cluster"):
                await clusters.choose(connection, DEDICATED, cluster=cluster, region=region)


async def test_a_cluster_keeps_its_administrators_address_sealed(catalog: Catalog) -> None:
    made = await add_cluster(catalog, "sealed-1")
    admin = msgspec.structs.replace(catalog.address, password="administrator's secret")
    async with catalog.transaction() as connection:
        with pytest.raises(Conflict, match="'sealed-1' already"):
            await clusters.add(connection, made, admin, SEALER)
        pooled = msgspec.structs.replace(made, pooler=("127.0.0.1", 6432), capacity=5)
        await clusters.change(connection, pooled, admin, SEALER)
        found = await clusters.find_access(connection, "sealed-1", SEALER)
        assert found is not None
        assert (found.cluster, found.admin) == (pooled, admin)
        stored = await connection.fetchval(
            "SELECT c::text FROM catalog.cluster AS c WHERE name = 'sealed-1'"
        )
        assert "secret" not in bytes.fromhex(stored.split("\\\\x")[1].split('"')[0]).decode(
            "latin-1"
        )
        listed = {one.cluster.name: one for one in await clusters.list_all(connection)}
        assert listed["sealed-1"].state is ClusterState.ACCEPTING
        rotated = Sealer([b"n" * 32, b"s" * 32])
        assert await clusters.find_access(connection, "sealed-1", rotated) == found


async def test_a_reference_tables_version_grows_with_each_change(catalog: Catalog) -> None:
    async with catalog.transaction() as connection:
        assert await reference_tables.changed(connection, "country") == 1
        assert await reference_tables.changed(connection, "country") == 2
        assert await reference_tables.versions(connection) == {"country": 2}
