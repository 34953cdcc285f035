"""Whoever lost its token writes nothing more, from whatever point of its work on.

Its sessions live and its process notices nothing: only what stands in the databases can stop it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import pytest_asyncio

from promotion.faults import MOVE_POINTS, SETTLE_POINTS, TURN_BACK_POINTS, UNDO_POINTS
from router.catalog import moves
from router.catalog.operations import OperationState
from router.connect import connect
from router.names import quote
from router.sql import load
from router.words import Tier
from tests.promotion.trips import BY, LIMITS, elsewhere, hub_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from router.connect import Address, Connection
    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

_SQL = load("tests.promotion", "superseded.sql")
#: Here a transaction that holds the move is open, and nobody takes over before it ends.
_HELD: Final = {"fence.locked", "fence.applied", "undo.locked", "undo.applied"}
_LIMITS = msgspec.structs.replace(LIMITS, erase_rows_a_batch=5, erase_rest_s=0.001)
_ONE_DATABASE: Final = (Tier.SCHEMA, "shared-1")
_OTHER_CLUSTER: Final = (Tier.ROWS, "shared-2")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


class Overtaking:
    """A younger mover that takes over when the older one reaches a point."""

    def __init__(self, trip: Trip, point: str) -> None:
        self._trip = trip
        self._fleet = trip.hub.platform.fleet
        self.seen: list[tuple[object, ...]] | None = None
        self._operation_id: UUID | None = None
        trip.faults.at(point, self._take_over)

    async def stop_older(self, operation_id: UUID) -> None:
        """Let the older one work until the point, and see that it does nothing after it."""
        self._operation_id = operation_id
        operation = await self._trip.runner.run_one(operation_id)
        assert self.seen is not None, "the point was never reached"
        assert operation.lease_owner == "younger" or operation.state.is_ended
        assert await self._look() == self.seen

    def _take_over(self) -> None:
        elsewhere(self._claim)
        self.seen = elsewhere(self._look)

    async def _claim(self) -> None:
        for address, statement in (
            (self._trip.hub.platform.catalog.address, "claim"),
            *((each, "take_over") for each in self._addresses()),
        ):
            connection = await connect(address, purpose="test")
            # Everything stands still meanwhile, so who waits here would wait for ever.
            await connection.execute("SET lock_timeout = '2s'")
            await connection.execute(_SQL[statement], self._operation_id)
            await connection.close()

    def _addresses(self) -> list[Address]:
        names = ("shared-1", "shared-2")
        databases = [(name, self._fleet.cluster(name).shared_database) for name in names]
        return [self._fleet.admin_address(name, str(database)) for name, database in databases]

    async def _look(self) -> list[tuple[object, ...]]:
        """Read all that there is of the tenant, in the catalog and in the clusters."""
        found: list[tuple[object, ...]] = []
        tenant_id = self._trip.tenant.id
        connection = await connect(self._trip.hub.platform.catalog.address, purpose="test")
        for name in ("catalog", "moves", "placement"):
            found += [tuple(row) for row in await connection.fetch(_SQL[name], tenant_id)]
        await connection.close()
        for address in self._addresses():
            connection = await connect(address, purpose="test")
            for name in ("homes", "progress", "changes", "counters"):
                rows = await connection.fetch(_SQL[name], tenant_id)
                found += [(name, *row) for row in rows]
            found += await self._tables(connection)
            await connection.close()
        return found

    async def _tables(self, connection: Connection) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for row in await connection.fetch(_SQL["tables"]):
            schema, table = row
            count = await connection.fetchval(
                f"SELECT count(*) FROM {quote(schema)}.{quote(table)} WHERE tenant_id = $1",  # noqa: S608 - quoted names
                self._trip.tenant.id,
            )
            found.append((schema, table, count))
        return found


def points(*groups: tuple[str, ...]) -> list[str]:
    return [point for group in groups for point in group if point not in _HELD]


async def finish(trip: Trip, operation_id: UUID, state: OperationState) -> None:
    """See that a successor ends what the older one couldn't."""
    ended = await trip.run(operation_id)
    assert ended.state is state, ended.error


@pytest.mark.parametrize("point", points(MOVE_POINTS))
@pytest.mark.parametrize("to", [_ONE_DATABASE, _OTHER_CLUSTER], ids=["schema", "rows"])
async def test_a_superseded_mover_writes_nothing(
    hub: Hub, to: tuple[Tier, str], point: str
) -> None:
    if point.startswith("merge.") and to == _ONE_DATABASE:
        pytest.skip("only shared tables are merged into")
    trip = await hub.trip(limits=_LIMITS)
    overtaking = Overtaking(trip, point)
    operation_id = await trip.record(*to)
    await overtaking.stop_older(operation_id)
    await finish(trip, operation_id, OperationState.DONE)


@pytest.mark.parametrize("point", points(UNDO_POINTS))
async def test_a_superseded_undo_writes_nothing(hub: Hub, point: str) -> None:
    trip = await hub.trip(limits=_LIMITS)
    move = await trip.go(*_OTHER_CLUSTER)
    overtaking = Overtaking(trip, point)
    async with hub.platform.catalog.transaction() as connection:
        operation = await moves.record_undo(connection, move.id, BY)
    await overtaking.stop_older(operation.id)
    await finish(trip, operation.id, OperationState.DONE)


@pytest.mark.parametrize("point", points(SETTLE_POINTS))
async def test_a_superseded_settling_erases_nothing(hub: Hub, point: str) -> None:
    trip = await hub.trip(limits=_LIMITS)
    move = await trip.go(*_ONE_DATABASE)
    overtaking = Overtaking(trip, point)
    async with hub.platform.catalog.transaction() as connection:
        operation = await moves.settle_now(connection, move.id, BY)
    await overtaking.stop_older(operation.id)
    await finish(trip, operation.id, OperationState.DONE)


@pytest.mark.parametrize("point", points(TURN_BACK_POINTS))
async def test_a_superseded_turning_back_takes_nothing_away(hub: Hub, point: str) -> None:
    trip = await hub.trip(limits=_LIMITS)
    overtaking = Overtaking(trip, point)
    operation_id = await trip.record(*_OTHER_CLUSTER)
    trip.faults.at("copy.after", lambda: trip.cancel_from_elsewhere(operation_id))
    await overtaking.stop_older(operation_id)
    await finish(trip, operation_id, OperationState.CANCELLED)
