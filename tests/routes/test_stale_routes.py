"""A gateway that missed a move writes nothing to the old place, and its request succeeds."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from sqlalchemy import select

import router.lease
from examples.store.models import Artist
from router.capability import sign
from router.connect import connect
from router.database import drop_database, drop_login
from router.errors import PlacementStale
from router.words import Consistency, Mode, Tier
from tests.proxy import proxied
from tests.routes.moving import names_in
from tests.routes.stops import STOPS, TRIALS, among_writers, outcome, write

if TYPE_CHECKING:
    from tests.routes.stops import Roads

LEVELS = pytest.mark.parametrize("consistency", list(Consistency))
TARGETS = pytest.mark.parametrize("tier", list(Tier))


@pytest.mark.parametrize("stop", list(STOPS))
@LEVELS
@TARGETS
async def test_a_stopped_request_ends_at_the_new_place(
    roads: Roads, stop: str, consistency: Consistency, tier: Tier
) -> None:
    ended = await STOPS[stop](roads, consistency, tier)
    assert ended.lost == set()
    assert ended.acknowledged <= ended.new
    # The old place has exactly what was there when the move began to copy.
    assert ended.old == ({"in time"} if stop == "after opening" else set())
    assert ended.mover_waited is (stop == "after opening")


@LEVELS
@pytest.mark.parametrize("trial", range(TRIALS))
async def test_no_acknowledged_write_is_lost_among_writers(
    roads: Roads, consistency: Consistency, trial: int
) -> None:
    tier = Tier.DATABASE if trial == 0 else Tier.SCHEMA if trial % 4 == 1 else Tier.ROWS
    ended = await among_writers(roads, consistency, tier)
    assert ended.lost == set()
    assert ended.acknowledged == ended.new


@LEVELS
async def test_an_opening_that_was_stopped_on_its_way_is_refused_and_followed(
    roads: Roads, consistency: Consistency
) -> None:
    tenant = await roads.mover.tenant(Tier.ROWS)
    cluster = roads.mover.fleet.cluster("shared-1")
    async with proxied(cluster.host, cluster.port) as proxy:
        gateway = roads.mover.twin()
        gateway.through("shared-1", proxy.address, keeps_statements=True)
        mover = await roads.mover_of(tenant, Tier.ROWS)
        held = proxy.hold(b"gate.enter")

        async def request() -> None:
            lease = await gateway.dispatch.open(tenant, Mode.WRITE, consistency)
            await write(lease, "held back")
            await lease.commit()

        requesting = asyncio.create_task(request())
        await held.reached.wait()
        await mover.move()
        held.released.set()
        await requesting
        await gateway.sources.close()
    ended = await outcome(mover, ["held back"])
    assert (ended.lost, ended.old) == (set(), set())


@LEVELS
@TARGETS
async def test_a_product_s_own_commit_stays_and_what_follows_is_refused(
    roads: Roads, consistency: Consistency, tier: Tier
) -> None:
    tenant = await roads.mover.tenant(Tier.ROWS)
    mover = await roads.mover_of(tenant, tier)
    lease = await roads.stale.dispatch.open(tenant, Mode.WRITE, consistency)
    session = await lease.session()
    session.add(Artist(name="before"))
    await session.commit()
    await mover.move()
    with pytest.raises(PlacementStale, match="moved between two transactions"):
        await session.scalars(select(Artist))
    await lease.rollback()
    assert await names_in(roads.mover, mover.target, tenant.id) == ["before"]
    # The caller is told to try again, and that succeeds.
    again = await roads.stale.dispatch.open(tenant, Mode.WRITE, consistency)
    await write(again, "again")
    await again.commit()
    ended = await outcome(mover, ["before", "again"])
    assert (ended.lost, ended.old) == (set(), {"before"})


@TARGETS
async def test_a_gateway_that_slept_for_an_hour_signs_anew(
    roads: Roads, tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await roads.mover.tenant(Tier.ROWS)
    mover = await roads.mover_of(tenant, tier)
    await mover.move()
    clock = Clock()
    monkeypatch.setattr(router.lease, "time", clock)
    lease = await roads.stale.dispatch.open(tenant, Mode.WRITE)
    monkeypatch.undo()
    await write(lease, "awake")
    await lease.commit()
    assert clock.asked == 3  # the signature of an hour ago, the refusal of the place, the new place
    ended = await outcome(mover, ["awake"])
    assert (ended.lost, ended.old) == (set(), set())


@pytest.mark.parametrize("what", ["database", "login"])
async def test_a_place_that_was_erased_meanwhile_is_left_for_the_new_one(
    roads: Roads, what: str
) -> None:
    tenant = await roads.mover.tenant(Tier.DATABASE)
    mover = await roads.mover_of(tenant, Tier.ROWS)
    # The catalog knows, as it does before anything is erased; the gateway's route is the old one.
    roads.stale.directory.tenants[tenant.id] = await mover.move()
    old = mover.source
    maintenance = roads.mover.fleet.cluster(old.cluster).maintenance_database
    async with roads.mover.fleet.admin(old.cluster, maintenance) as connection:
        await drop_database(connection, old.database)
        if what == "login":
            await drop_login(connection, old.login)
    lease = await roads.stale.dispatch.open(tenant, Mode.WRITE)
    await write(lease, "after")
    await lease.commit()
    assert await names_in(roads.mover, mover.target, tenant.id) == ["after"]


class Clock:
    """An hour late when it is asked for the first time, as before a long stop."""

    def __init__(self) -> None:
        self.asked = 0

    def time_ns(self) -> int:
        self.asked += 1
        return time.time_ns() - (3_600 * 10**9 if self.asked == 1 else 0)


@pytest.mark.parametrize(
    ("late_ms", "epoch", "sqlstate"), [(3_600_000, 1, "SW002"), (0, 2, "SW001"), (0, 0, "SW001")]
)
async def test_the_gate_refuses_an_old_signature_and_another_epoch(
    roads: Roads, late_ms: int, epoch: int, sqlstate: str
) -> None:
    tenant = await roads.mover.tenant(Tier.ROWS)
    assert tenant.placement is not None
    key = roads.mover.fleet.key("shared-1", tenant.placement.database)
    seen = msgspec.structs.replace(tenant.placement, epoch=epoch)
    now_ms = time.time_ns() // 1_000_000 - late_ms
    capability = sign(tenant.id, seen, Mode.WRITE, key=key, now_ms=now_ms)
    address = roads.mover.fleet.login_address(tenant.placement)
    connection = await connect(address, purpose="test")
    try:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute(f"BEGIN; SELECT gate.enter('{capability}')")
        assert refused.value.sqlstate == sqlstate
    finally:
        await connection.close()
