"""Whole moves of what is hard to move, and of tenants with logins of their own."""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from migrations.product.write import write_revision
from router.catalog.operations import OperationState
from router.fleet import APP_LOGIN
from router.product import Product
from router.product.plug import accept
from router.words import Isolation, Mode, Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.odd import Base
from tests.promotion.scenes import fill
from tests.promotion.trips import hub_of
from tests.worlds import scratch_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

ROUTE = (
    (Tier.SCHEMA, None),
    (Tier.DATABASE, None),
    (Tier.ROWS, "shared-2"),
    (Tier.ROWS, "shared-1"),
    (Tier.SCHEMA, "shared-2"),
    (Tier.ROWS, "shared-2"),
)
ODD = {"word", "reading", "node", "part", "pointer"}
_MODULE = """
from router.product import Product
from tests.promotion.odd import Base

product = Product(name="odd", metadata=Base.metadata, routes=[], revisions={revisions!r})
"""
_LARGE = "INSERT INTO word (word, blob, document) VALUES ($1, $2, $3)"
_NODE = "INSERT INTO node (label) VALUES ($1) RETURNING node_id"
_CONTINUE = (
    "SELECT gate.continue_ids('node', 'node_id')",
    "SELECT gate.continue_ids('part', 'part_id')",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Hub]:
    """A platform whose product is that of odd.py."""
    folder = Path(tmp_path_factory.mktemp("odd"))
    revisions = str(folder / "revisions")
    product = Product(name="odd", metadata=Base.metadata, routes=[], revisions=revisions)
    loaded = accept(product, root=folder)
    async with scratch_database(clusters, loaded) as scratch:
        await write_revision(loaded, "everything odd", scratch=scratch)
    (folder / "odd_product_of_a_test.py").write_text(_MODULE.format(revisions=revisions))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        importlib.invalidate_caches()
        async with hub_of(clusters, "odd_product_of_a_test:product") as made:
            yield made
        sys.modules.pop("odd_product_of_a_test")


async def odd_trip(hub: Hub, *, rows: int = 60, isolation: Isolation = Isolation.SHARED) -> Trip:
    """Make a tenant with rows in every odd table, and a few large ones."""
    trip = await hub.trip(rows=0, isolation=isolation)
    await fill(trip.side(await trip.placement()), rows)
    async with trip.lease() as lease:
        for statement in _CONTINUE:
            await lease.fetch(statement)
        await lease.execute(_LARGE, "", b"", "{}")
        await lease.execute(_LARGE, "large", bytes(range(256)) * 8_000, None)
        await lease.execute(_LARGE, "ü" * 500, None, f'{{"text": "{"x" * 500_000}"}}')
    return trip


async def add_node(trip: Trip, label: str) -> int:
    """Let the tenant's tables give an id, and delete its row again in half of the cases."""
    async with trip.lease() as lease:
        rows = await lease.fetch(_NODE, label)
        node_id = int(rows[0]["node_id"])
        if node_id % 2:
            await lease.execute("DELETE FROM node WHERE node_id = $1", node_id)
    return node_id


async def test_odd_rows_go_everywhere_and_ids_go_on(hub: Hub) -> None:
    trip, neighbour = await odd_trip(hub), await odd_trip(hub, rows=90)
    given = [await add_node(trip, "at home")]
    untouched = await neighbour.digests()
    for at, (tier, cluster) in enumerate(ROUTE):
        before = await trip.digests()
        assert all(each.rows > 1 for each in before if each.table in ODD)
        move = await trip.go(tier, cluster)
        assert await trip.digests() == before
        given.append(await add_node(trip, f"after {at}"))
        if at % 2:
            assert (await trip.undo(move.id)).state is OperationState.DONE
            given.append(await add_node(trip, f"undone {at}"))
            before = await trip.digests()
            move = await trip.go(tier, cluster)
            assert await trip.digests() == before
        assert (await trip.settle(move.id)).error is None
        given.append(await add_node(trip, f"settled {at}"))
        await assert_nothing_left(trip)
    assert given == sorted(set(given))
    assert await neighbour.digests() == untouched


@pytest.mark.parametrize("ending", ["settled", "undone"])
async def test_a_strict_tenant_has_one_login_wherever_it_is(hub: Hub, ending: str) -> None:
    trip = await odd_trip(hub, rows=10, isolation=Isolation.STRICT)
    logins = {(await trip.placement()).login}
    for tier, cluster in ROUTE[:3]:
        move = await trip.go(tier, cluster)
        logins |= {move.source.login, move.target.login}
        if ending == "settled":
            await trip.settle(move.id)
        else:
            await trip.undo(move.id)
        await assert_nothing_left(trip)
        async with trip.lease(Mode.READ) as lease:
            user = (await lease.fetch("SELECT session_user AS name"))[0]["name"]
        assert user == (await trip.placement()).login
        if ending == "undone":
            await trip.settle((await trip.go(tier, cluster)).id)
            logins.add((await trip.placement()).login)
    assert APP_LOGIN not in logins
    assert len(logins) >= 4


class Readers:
    """Somebody who reads a reference table again and again, and how long that took at most."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.slowest_s = 0.0
        self._is_over = False

    async def read_on(self) -> None:
        while not self._is_over:
            began = time.perf_counter()
            async with self.trip.lease(Mode.READ) as lease:
                await lease.fetch("SELECT count(*) FROM country")
            self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        self._is_over = True


@pytest.mark.parametrize("ending", ["settled", "undone", "cancelled"])
async def test_who_reads_reference_tables_for_long_holds_up_nobody(hub: Hub, ending: str) -> None:
    trip, other, slow = [await odd_trip(hub, rows=5) for _ in range(3)]
    readers = Readers(other)
    move_id = await trip.record(Tier.SCHEMA)
    if ending == "cancelled":
        trip.faults.at("verify.before", lambda: trip.cancel_from_elsewhere(move_id))

    async def be_slow() -> None:
        async with slow.lease(Mode.READ) as lease:
            await lease.fetch("SELECT count(*) FROM country")
            await asyncio.sleep(2.0)

    async with asyncio.TaskGroup() as group:
        group.create_task(readers.read_on())
        holding = group.create_task(be_slow())
        await asyncio.sleep(0.1)
        await trip.run(move_id)
        if ending != "cancelled":
            # Now what it left is taken away, under the eyes of a slow reader again.
            await holding
            holding = group.create_task(be_slow())
            await asyncio.sleep(0.1)
            ended = await (trip.settle(move_id) if ending == "settled" else trip.undo(move_id))
            assert ended.state is OperationState.DONE
        readers.stop()
    # A lock that waits for 250 ms, and as much again for a busy machine.
    assert readers.slowest_s < 0.6
    await assert_nothing_left(trip)
