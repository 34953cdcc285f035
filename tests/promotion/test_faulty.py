"""What is planted in the way of a move turns it back: the tenant goes on, and can move again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import pytest
import pytest_asyncio

from promotion.move import landing_schema
from router.catalog.operations import OperationState
from router.names import quote
from router.words import Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.trips import hub_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.catalog.operations import Operation
    from router.words import Digest
    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

To: TypeAlias = tuple[Tier, str | None]
SCHEMA, DATABASE, ELSEWHERE = (Tier.SCHEMA, None), (Tier.DATABASE, None), (Tier.ROWS, "shared-2")
BESIDE = (Tier.ROWS, "shared-1")
CELL = "UPDATE {schema}.artist SET name = 'X' WHERE tenant_id = {tenant} AND artist_id = 17"
MISSING = "DELETE FROM {schema}.album WHERE tenant_id = {tenant} AND album_id = 17"
SURPLUS = (
    "INSERT INTO {schema}.artist (tenant_id, artist_id, name) OVERRIDING SYSTEM VALUE"
    " VALUES ({tenant}, 999, 'surplus')"
)
ORPHANS = "DELETE FROM {schema}.artist WHERE tenant_id = {tenant} AND artist_id = 3"
TWINS = (
    "INSERT INTO {schema}.genre (tenant_id, genre_id, name) OVERRIDING SYSTEM VALUE"
    " VALUES ({tenant}, 7, 'Rock'), ({tenant}, 8, 'Rock')"
)
#: A trigger fires for the mover's rows too, as if the disk were full at that moment.
FULL_DISK = """
    CREATE FUNCTION {schema}.is_full() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END $$;
"""
ALTER = "ALTER TABLE {schema}.artist ADD COLUMN surprise text DEFAULT 'new'"
ALTER_BACK = "ALTER TABLE {schema}.artist DROP COLUMN surprise"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


def full_for(table: str) -> str:
    return (
        f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
        " WHEN (NEW.tenant_id = {tenant}) EXECUTE FUNCTION {schema}.is_full()"
    )


async def assert_goes_on(trip: Trip, before: list[Digest] | None) -> None:
    """See that the tenant has what it had, can write, and carries nothing of the move."""
    if before is not None:
        assert await trip.digests() == before
    await trip.write("still here")
    assert "still here" in await trip.names()
    await assert_nothing_left(trip)


async def assert_failed(trip: Trip, operation: Operation, to: To, told: str) -> None:
    """See that the move failed with a reason, once, and that a second one comes through."""
    assert operation.state is OperationState.FAILED
    assert operation.error is not None
    assert told in operation.error
    await trip.go(*to)
    assert "still here" in await trip.names()


@pytest.mark.parametrize(
    ("to", "plant", "told"),
    [
        (SCHEMA, CELL, "1 are not the same"),
        (DATABASE, CELL, "1 are not the same"),
        (ELSEWHERE, CELL, "1 are not the same"),
        (SCHEMA, MISSING, "1 rows are missing in the target"),
        (ELSEWHERE, SURPLUS, "1 are too many"),
    ],
)
async def test_a_planted_difference_stops_the_move_and_is_named(
    hub: Hub, to: To, plant: str, told: str
) -> None:
    trip = await hub.trip()
    before = await trip.digests()
    operation_id = await trip.record(*to)
    target = trip.seen[-1].target
    trip.faults.at("verify.before", lambda: trip.plant(target, plant))
    operation = await trip.run(operation_id)
    await assert_goes_on(trip, before)
    assert operation.error is not None
    table = "album" if "album" in plant else "artist"
    assert f"table {table}: " in operation.error
    assert f"between the beginning and the end; tables that differ: {table}" in operation.error
    assert operation.attempts == 1
    await assert_failed(trip, operation, to, told)


async def test_a_difference_among_many_rows_is_named_by_its_stretch_of_keys(hub: Hub) -> None:
    trip = await hub.trip(rows=1_000)
    operation_id = await trip.record(Tier.SCHEMA)
    target = trip.seen[-1].target
    trip.faults.at("verify.before", lambda: trip.plant(target, CELL.replace("17", "500")))
    operation = await trip.run(operation_id)
    assert operation.error is not None
    assert "1 are not the same, between key ('437',) and key ('500',)" in operation.error
    await assert_nothing_left(trip)


@pytest.mark.parametrize(
    ("to", "plant", "told"),
    [
        (SCHEMA, ORPHANS, "ForeignKeyViolationError"),
        (DATABASE, TWINS, "UniqueViolationError"),
        (ELSEWHERE, ORPHANS, "ForeignKeyViolationError"),
        (ELSEWHERE, TWINS, "UniqueViolationError"),
    ],
)
async def test_rows_that_break_a_rule_of_the_target_turn_the_move_back(
    hub: Hub, to: To, plant: str, told: str
) -> None:
    trip = await hub.trip()
    before = await trip.digests()
    operation_id = await trip.record(*to)
    move = trip.seen[-1]
    if to is ELSEWHERE:
        landed = trip.landing(move.target, landing_schema(move))
        trip.faults.at("merge.before", lambda: trip.plant(landed, plant))
    else:
        trip.faults.at("index.before", lambda: trip.plant(move.target, plant))
    operation = await trip.run(operation_id)
    await assert_goes_on(trip, before)
    await assert_failed(trip, operation, to, told)


@pytest.mark.parametrize("to", [SCHEMA, ELSEWHERE])
async def test_a_disk_that_fills_during_the_copy_turns_the_move_back(hub: Hub, to: To) -> None:
    trip = await hub.trip()
    before = await trip.digests()
    operation_id = await trip.record(*to)
    move = trip.seen[-1]
    into = trip.landing(move.target, landing_schema(move)) if to is ELSEWHERE else move.target
    trip.faults.at(
        "copy.before",
        lambda: trip.plant(into, FULL_DISK, full_for("{schema}.artist")),
    )
    operation = await trip.run(operation_id)
    await assert_goes_on(trip, before)
    await assert_failed(trip, operation, to, "No space left on device")


async def test_a_disk_that_fills_before_the_fence_turns_the_move_back(hub: Hub) -> None:
    trip = await hub.trip()
    before = await trip.digests()
    operation_id = await trip.record(*DATABASE)
    target = trip.seen[-1].target
    trip.faults.at(
        "fence.locked",
        lambda: trip.plant(target, FULL_DISK, full_for("gate.home")),
    )
    operation = await trip.run(operation_id)
    await assert_goes_on(trip, before)
    await assert_failed(trip, operation, DATABASE, "No space left on device")


async def test_truncate_is_refused_while_the_tenant_moves(hub: Hub) -> None:
    trip = await hub.trip()
    await trip.settle((await trip.go(Tier.SCHEMA)).id)
    operation_id = await trip.record(*DATABASE)
    source = trip.seen[-1].source
    refused: list[str] = []

    def truncate() -> None:
        with pytest.raises(asyncpg.PostgresError, match="can't be truncated while") as caught:
            trip.plant(source, "TRUNCATE {schema}.artist CASCADE")
        refused.append(caught.value.sqlstate)

    before = await trip.digests()
    for moment in ("capture.after", "copy.after", "verify.after"):
        trip.faults.at(moment, truncate)
    assert (await trip.run(operation_id)).state is OperationState.DONE
    assert refused == ["SW004"] * 3
    assert await trip.digests() == before


@pytest.mark.parametrize(
    ("to", "moment"),
    [
        (DATABASE, "copy.before"),
        (BESIDE, "index.before"),
        (BESIDE, "verify.before"),
        (DATABASE, "verify.after"),
        (DATABASE, "fence.locked"),
        (BESIDE, "the last round"),
    ],
)
async def test_tables_that_are_altered_during_a_move_turn_it_back(
    hub: Hub, to: To, moment: str
) -> None:
    trip = await hub.trip()
    await trip.settle((await trip.go(Tier.SCHEMA)).id)
    operation_id = await trip.record(*to)
    source = trip.seen[-1].source
    if moment == "the last round":
        # Between the last round and the fence.
        trip.faults.at(
            "fence.before",
            lambda: trip.faults.at("follow.round", lambda: trip.plant(source, ALTER)),
        )
    else:
        trip.faults.at(moment, lambda: trip.plant(source, ALTER))
    operation = await trip.run(operation_id)
    await assert_goes_on(trip, None)
    async with trip.admin(source) as connection:
        kept = await connection.fetch(f"SELECT surprise FROM {quote(source.schema)}.artist")  # noqa: S608 - quoted
    assert {row["surprise"] for row in kept} == {"new"}
    trip.plant(source, ALTER_BACK)
    await assert_failed(trip, operation, to, "artist")
