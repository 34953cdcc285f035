"""The overview: each figure follows what happened, and clusters are told with their age."""

from __future__ import annotations

import asyncio
import socket
import uuid
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from deploy.servers import Servers, measure_due
from router.catalog import clusters, letters, operations
from router.catalog.letters import Letter
from router.catalog.operations import Claim, NewOperation
from router.errors import DatabaseUnreachable
from router.fleet import ClusterAccess, Fleet
from tests.gateways import HEARD_S_MAX, GatewayWorld, expect, ops, sign_up

AT_ONCE = timedelta(seconds=-1)
KIND = "overview"


async def overview(made: GatewayWorld) -> dict[str, Any]:
    return expect(await made.client.get("/api/ops/overview", headers=ops(None)), 200)


async def test_tenants_are_counted_by_tier_and_status(made: GatewayWorld) -> None:
    def active(told: dict[str, Any]) -> int:
        alike = {"tier": "rows", "status": "active"}
        return sum(each["tenants"] for each in told["tenants"] if alike.items() <= each.items())

    before = await overview(made)
    shop = await sign_up(made.client)
    told = await overview(made)
    assert active(told) == active(before) + 1
    path = f"/api/ops/tenants/{shop.slug}/plan"
    expect(await made.client.post(path, json={"plan": "pro"}, headers=ops()), 200)
    wanted_elsewhere = (await overview(made))["figures"]["tenants_elsewhere"]
    assert wanted_elsewhere == told["figures"]["tenants_elsewhere"] + 1


async def test_what_failed_and_what_is_tried_again_are_counted_apart(made: GatewayWorld) -> None:
    before = (await overview(made))["figures"]
    claim = Claim(owner="a test", lease=timedelta(minutes=1))
    async with made.platform.catalog.transaction() as connection:
        for retry_after in (None, timedelta(hours=1)):
            recorded = await operations.begin(connection, NewOperation(kind=KIND))
            claimed = await operations.claim_this(connection, claim, recorded.id)
            assert claimed is not None
            await operations.fail(connection, claimed, error="it broke", retry_after=retry_after)
    told = (await overview(made))["figures"]
    assert told["operations_failed"] == before["operations_failed"] + 1
    assert told["operations_retrying"] == before["operations_retrying"] + 1
    assert told["moves_failed"] == before["moves_failed"]


async def test_letters_that_wait_after_a_failure_are_postponed(made: GatewayWorld) -> None:
    before = (await overview(made))["figures"]
    async with made.platform.catalog.transaction() as connection:
        letter = Letter(kind="test", recipient="somebody@shop.example")
        letter_id = await letters.put(connection, made.platform.sealer, letter)
        await letters.postpone(connection, letter_id, after=timedelta(hours=1), error="no answer")
    told = (await overview(made))["figures"]
    assert told["letters_postponed"] == before["letters_postponed"] + 1


async def test_places_and_the_doctor_are_told_before_anybody_looked(made: GatewayWorld) -> None:
    told = await overview(made)
    assert told["places"] > 0
    assert told["places_behind"] == 0
    assert told["migration"] is None
    assert (told["looked_at"], told["findings"]) == (None, 0)


async def test_a_worker_measures_what_the_overview_tells_of_clusters(made: GatewayWorld) -> None:
    await measure_due(made.platform, every=AT_ONCE)
    told = await overview(made)
    by_name = {each["name"]: each for each in told["clusters"]}
    assert set(by_name) == {"shared-1", "dedicated-1"}
    for each in by_name.values():
        figures = each["figures"]
        assert each["error"] is None
        assert each["measured_at"] is not None
        assert 0 <= figures["connections_used"] <= figures["connections_max"]
        assert figures["databases"] > 0
        assert figures["bytes"] > 0
    assert by_name["shared-1"]["figures"]["connections_used"] > 0
    again = by_name["shared-1"]["measured_at"]
    await measure_due(made.platform, every=timedelta(hours=1))
    told = await overview(made)
    assert next(e for e in told["clusters"] if e["name"] == "shared-1")["measured_at"] == again


async def test_a_cluster_that_does_not_answer_keeps_its_last_figures(made: GatewayWorld) -> None:
    gone = f"gone_{uuid.uuid4().hex[:8]}"
    await measure_due(made.platform, every=AT_ONCE)
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.cluster SET maintenance_database = $1 WHERE name = 'dedicated-1'", gone
        )
    try:
        await _known_as(made, gone)
        await measure_due(made.platform, every=AT_ONCE)
        told = await overview(made)
        each = next(each for each in told["clusters"] if each["name"] == "dedicated-1")
        assert "dedicated-1" in each["error"] or gone in each["error"]
        assert each["figures"]["connections_max"] > 0
    finally:
        async with made.platform.catalog.connection() as connection:
            await connection.execute(
                "UPDATE catalog.cluster SET maintenance_database = 'postgres' "
                "WHERE name = 'dedicated-1'"
            )
        await _known_as(made, "postgres")


async def _known_as(made: GatewayWorld, database: str) -> None:
    async with asyncio.timeout(HEARD_S_MAX):
        while made.platform.fleet.cluster("dedicated-1").maintenance_database != database:
            await asyncio.sleep(0.02)


async def test_the_comparison_is_null_until_there_was_one(made: GatewayWorld) -> None:
    told = expect(await made.client.get("/api/ops/comparison", headers=ops(None)), 200)
    assert told == {"at": None, "found": None}
    assert (await overview(made))["comparison"] is None


async def test_a_cluster_is_shown_with_its_server_as_it_is_now(made: GatewayWorld) -> None:
    shop = await sign_up(made.client)
    expect(await made.client.get("/artists", headers=shop.headers), 200)
    await measure_due(made.platform, every=AT_ONCE)
    path = "/api/ops/clusters/shared-1"
    told = expect(await made.client.get(path, headers=ops(None)), 200)
    assert (told["cluster"]["name"], told["error"]) == ("shared-1", None)
    server = told["server"]
    assert server["connections_used"] == sum(each["count"] for each in server["connections"])
    assert 0 < server["connections_reserved"] < server["connections_max"]
    shared = made.platform.fleet.cluster("shared-1").shared_database
    assert "stepwell_app" in {
        each["login"] for each in server["connections"] if each["database"] == shared
    }
    (held,) = (each for each in told["places"] if each["tier"] == "rows")
    assert (held["database"], held["schemas"]) == (shared, 1)
    assert held["tenants"] > 0
    assert told["places_all"] == len(told["places"])
    assert shared in {each["database"] for each in told["measured"]["largest"]}


async def test_a_cluster_that_is_not_there_is_not_found(made: GatewayWorld) -> None:
    expect(await made.client.get("/api/ops/clusters/nowhere", headers=ops(None)), 404)


async def test_a_server_that_hangs_keeps_nobody_waiting(made: GatewayWorld) -> None:
    # The kernel takes connections of a socket that listens, and nobody says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        async with made.platform.catalog.connection() as connection:
            access = await clusters.find_access(connection, "dedicated-1", made.platform.sealer)
        assert access is not None
        hung = msgspec.structs.replace(access.admin, host=host, port=port)
        fleet = Fleet(
            b"x" * 32,
            access=lambda _: ClusterAccess(cluster=access.cluster, admin=hung),
            key_id=lambda: 1,
        )
        with pytest.raises(DatabaseUnreachable, match="dedicated-1"):
            async with asyncio.timeout(HEARD_S_MAX):
                await Servers(fleet).look("dedicated-1")
