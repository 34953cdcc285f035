"""Whoever comes by an old route is refused, at each moment of a move and of its undoing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from router.capability import sign
from router.catalog.operations import OperationState
from router.connect import connect
from router.words import Consistency, Mode, Placement, Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.trips import beside, elsewhere, hub_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from router.connect import Connection
    from router.dispatch import Dispatch
    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

LEVELS = pytest.mark.parametrize("consistency", list(Consistency))
#: The gate is the same in all tiers: each is tried, and each level, in an own database and beside.
WAYS = pytest.mark.parametrize(
    ("tier", "cluster", "consistency"),
    [
        (Tier.SCHEMA, None, Consistency.READ_COMMITTED),
        (Tier.SCHEMA, None, Consistency.REPEATABLE_READ),
        (Tier.ROWS, "shared-2", Consistency.READ_COMMITTED),
        (Tier.DATABASE, None, Consistency.REPEATABLE_READ),
        (Tier.ROWS, "shared-2", Consistency.SERIALIZABLE),
    ],
)
WROTE, MOVED, KNOCKED = "wrote", "SW001", "by knocking"
#: Insert, update, delete, select without the gate: no tenant, no rows.
TRESPASSED = ["42501", "UPDATE 0", "DELETE 0", "SELECT 0"]
_ids = itertools.count(1_000)
_LOCK = r"pg_advisory_xact_lock_shared\([^;]*?::bigint\)"
_SHARE = r"FOR SHARE OF h;"
_PLACE = r"h\.state = 'active'\s+AND h\.epoch = [^;]*?::bigint\s+AND"
_WAITS = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
_SOURCE = "SELECT pg_get_functiondef('gate.enter(text)'::regprocedure)"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters) -> AsyncGenerator[Hub]:
    async with hub_of(clusters) as made:
        yield made


class Knock(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate answered: ``wrote``, or an SQLSTATE and the epoch that it told."""

    answer: str
    epoch: int | None = None


def opening(trip: Trip, place: Placement, consistency: Consistency) -> str:
    """Spell the message that opens a place at its epoch, which nobody may have given out."""
    key = trip.hub.platform.fleet.key(place.cluster, place.database)
    now_ms = time.time_ns() // 1_000_000
    capability = sign(trip.tenant.id, place, Mode.WRITE, key=key, now_ms=now_ms)
    return (
        f"BEGIN ISOLATION LEVEL {consistency.value};"
        f"SELECT set_config('search_path', '\"{place.schema}\"', true), gate.enter('{capability}')"
    )


async def knock(
    trip: Trip, place: Placement, epoch: int, consistency: Consistency, name: str = KNOCKED
) -> Knock:
    """Write a row with a capability for a place and an epoch that nobody may have given out."""
    seen = msgspec.structs.replace(place, epoch=epoch)
    connection = await connect(trip.hub.platform.fleet.login_address(place), purpose="test")
    try:
        await connection.execute(opening(trip, seen, consistency))
        await connection.execute(
            "INSERT INTO artist (artist_id, name) OVERRIDING SYSTEM VALUE VALUES ($1, $2)",
            next(_ids),
            name,
        )
        await connection.execute("COMMIT")
    except asyncpg.PostgresError as error:
        told = re.search(r'"epoch": (\d+)', getattr(error, "detail", None) or "")
        return Knock(answer=error.sqlstate or "", epoch=int(told[1]) if told else None)
    finally:
        await connection.close()
    return Knock(answer=WROTE)


async def trespass(trip: Trip, place: Placement) -> list[str]:
    """Write and read without asking the gate at all; returns what was refused, and how."""
    fleet, found = trip.hub.platform.fleet, list[str]()
    connection = await connect(fleet.login_address(place), purpose="test")
    artist, tenant_id = f'"{place.schema}".artist', trip.tenant.id
    try:
        for statement in (
            f"INSERT INTO {artist} (tenant_id, artist_id, name) VALUES ('{tenant_id}', 99, 'x')",  # noqa: S608 - schema and id of this test
            f"UPDATE {artist} SET name = 'x'",  # noqa: S608 - schema and id of this test
            f"DELETE FROM {artist}",  # noqa: S608 - schema and id of this test
            f"SELECT FROM {artist}",
        ):
            try:
                found.append(await connection.execute(statement))
            except asyncpg.PostgresError as error:
                found.append(error.sqlstate or "")
    finally:
        await connection.close()
    return found


class Answers:
    """Knocks at both ends with every epoch, at each moment of a move."""

    def __init__(self, trip: Trip, consistency: Consistency) -> None:
        move = trip.seen[-1]
        self.trip = trip
        self.consistency = consistency
        self.places = {"source": move.source, "target": move.target}
        self.epochs = {
            "older": move.source.epoch - 1,
            "old": move.source.epoch,
            "new": move.target.epoch,
            "next": move.target.epoch + 1,
        }
        self.at: dict[str, dict[str, Knock]] = {}
        #: Two schemas of one database have one gate, and which of them a capability is for stands
        #: in no capability: it is the router that sets the search path by the same placement.
        self.senseless: set[str] = set()
        if move.source.database == move.target.database:
            self.senseless = {"target old", "source new"}

    async def ask(self, ends: tuple[str, ...] = ("source", "target")) -> dict[str, Knock]:
        """Ask for every combination."""
        return {
            f"{end} {age}": await knock(self.trip, self.places[end], epoch, self.consistency)
            for end in ends
            for age, epoch in self.epochs.items()
            if f"{end} {age}" not in self.senseless
        }

    def note(self, moment: str) -> None:
        """Ask while nothing else goes on in this process."""
        self.at[moment] = elsewhere(self.ask)

    def assert_only(self, moment: str, accepted: str, *, tells: set[int]) -> None:
        """See that one way led in, and that nobody was told of other epochs than these."""
        answers = self.at[moment]
        wrote = [name for name, each in answers.items() if each.answer == WROTE]
        assert wrote == [accepted], (moment, answers)
        assert {each.answer for each in answers.values()} == {WROTE, MOVED}, (moment, answers)
        assert {each.epoch for each in answers.values()} <= {None, *tells}, (moment, answers)


@WAYS
async def test_at_each_moment_one_place_and_one_epoch_lead_in(
    hub: Hub, tier: Tier, cluster: str | None, consistency: Consistency
) -> None:
    trip = await hub.trip(rows=5)
    move_id = await trip.record(tier, cluster)
    move, answers = trip.seen[-1], Answers(trip, consistency)
    before, after = ("prepare.after", "copy.after", "verify.after"), ("fence.decided", "flip.after")
    for point in (*before, *after):
        trip.faults.at(point, partial(answers.note, point))
    assert (await trip.run(move_id)).state is OperationState.DONE
    for point in before:
        answers.assert_only(point, "source old", tells={move.source.epoch})
    # The target knows of the decision a little later; until then it sends to the source, and that
    # one sends everybody on.
    both = {move.source.epoch, move.target.epoch}
    answers.assert_only("fence.decided", "target new", tells=both)
    answers.assert_only("flip.after", "target new", tells={move.target.epoch})
    for place in (move.source, move.target):
        assert await trespass(trip, place) == TRESPASSED
    assert (await trip.undo(move_id)).state is OperationState.DONE
    answers.at["undone"] = await answers.ask(("source",))
    answers.assert_only("undone", "source next", tells={move.target.epoch + 1})
    assert len([name for name in await trip.names() if name == KNOCKED]) == 6
    await assert_nothing_left(trip)


async def test_between_the_target_s_commit_and_the_decision_no_router_learns_the_way(
    hub: Hub,
) -> None:
    trip = await hub.trip(rows=5)
    move_id = await trip.record(Tier.ROWS, "shared-2")
    answers = Answers(trip, Consistency.READ_COMMITTED)
    del answers.epochs["new"]

    def look() -> None:
        answers.at["window"] = elsewhere(lambda: answers.ask(("target",)))

    trip.faults.at("fence.target_committed", look)
    assert (await trip.run(move_id)).state is OperationState.DONE
    told = set(answers.at["window"].values())
    assert told == {Knock(answer=MOVED, epoch=trip.seen[-1].source.epoch)}


async def test_what_comes_in_by_a_forged_epoch_before_the_decision_stays_where_the_tenant_will_be(
    hub: Hub,
) -> None:
    """Whoever has the platform's own key can sign anything; still nothing is lost or doubled."""
    trip = await hub.trip(rows=5)
    move_id = await trip.record(Tier.ROWS, "shared-2")
    move, level = trip.seen[-1], Consistency.READ_COMMITTED
    forged: list[Knock] = []

    def forge() -> None:
        come = partial(knock, trip, move.target, move.target.epoch, level, "forged")
        forged.append(elsewhere(come))

    trip.faults.at("fence.target_committed", forge)
    assert (await trip.run(move_id)).state is OperationState.DONE
    assert forged == [Knock(answer=WROTE)]
    assert (await trip.names()).count("forged") == 1
    assert (await trip.undo(move_id)).state is OperationState.DONE
    assert (await trip.names()).count("forged") == 1
    await assert_nothing_left(trip)


class Stop(msgspec.Struct, kw_only=True):
    """A request by a router that hears of nothing, and how it ended."""

    opened: asyncio.Event
    go_on: asyncio.Event
    wrote: bool = False

    async def run(self, trip: Trip, dispatch: Dispatch, consistency: Consistency) -> None:
        lease = await dispatch.open(trip.tenant, Mode.WRITE, consistency)
        self.opened.set()
        try:
            await self.go_on.wait()
            await lease.execute("INSERT INTO genre (name) VALUES ('late')")
        except BaseException:
            await lease.rollback()
            raise
        await lease.commit()
        self.wrote = True


async def stopped(trip: Trip, where: str, consistency: Consistency, tier: Tier) -> list[str]:
    """Move a tenant past a request that is stopped somewhere; returns what the tenant has then.

    The request succeeds in any case: whoever is too late is led to where the tenant is now.
    """
    stop = Stop(opened=asyncio.Event(), go_on=asyncio.Event())
    dispatch = trip.hub.stale(trip.tenant)
    requests: list[asyncio.Task[None]] = []

    def begin() -> None:
        requests.append(asyncio.create_task(stop.run(trip, dispatch, consistency)))

    def soon() -> None:
        begin()
        asyncio.get_running_loop().call_later(0.5, stop.go_on.set)

    move_id = await trip.record(tier)
    if where == "in opening":
        stop.go_on.set()
        trip.faults.at("fence.locked", begin)
    elif where == "after opening":
        trip.faults.at("verify.before", soon)
    assert (await trip.run(move_id)).state is OperationState.DONE
    if where == "before opening":
        stop.go_on.set()
        begin()
    stop.go_on.set()
    await asyncio.gather(*requests)
    assert stop.wrote
    async with trip.lease(Mode.READ) as lease:
        return [row["name"] for row in await lease.fetch("SELECT name FROM genre")]


STOPS = pytest.mark.parametrize("where", ["before opening", "in opening", "after opening"])


@LEVELS
@STOPS
async def test_a_request_that_is_stopped_writes_where_the_tenant_is(
    hub: Hub, where: str, consistency: Consistency
) -> None:
    trip = await hub.trip(rows=5)
    tier = Tier.DATABASE if consistency is Consistency.REPEATABLE_READ else Tier.SCHEMA
    assert await stopped(trip, where, consistency, tier) == ["late"]


@contextlib.asynccontextmanager
async def gate_without(trip: Trip, part: str, instead: str) -> AsyncGenerator[None]:
    """Take a part of the gate away in the shared database, for a while."""
    assert trip.tenant.placement is not None
    async with trip.admin(trip.tenant.placement) as connection:
        whole = await connection.fetchval(_SOURCE)
        lame, count = re.subn(part, instead, whole)
        assert count == 1
        await connection.execute(lame)
        try:
            yield
        finally:
            await connection.execute(whole)


class Late:
    """A request by an old route, which sends one message at a time while our loop stands still."""

    def __init__(self, trip: Trip, consistency: Consistency) -> None:
        assert trip.tenant.placement is not None
        self._trip = trip
        self._place = trip.tenant.placement
        self._consistency = consistency
        self._connection: Connection | None = None
        self._entered: asyncio.Task[str] | None = None

    async def connect(self) -> None:
        address = self._trip.hub.platform.fleet.login_address(self._place)
        self._connection = await connect(address, purpose="test")

    async def enter(self) -> None:
        """Come in, or as far as to the tenant's lock, which somebody else has."""
        assert self._connection is not None
        message = opening(self._trip, self._place, self._consistency)
        self._entered = asyncio.create_task(self._connection.execute(message))
        async with self._trip.admin(self._place) as admin:
            while not self._entered.done():
                if await admin.fetchval(_WAITS, self._connection.get_server_pid()):
                    return
        await self._entered

    async def write(self) -> None:
        assert self._connection is not None
        assert self._entered is not None
        await self._entered
        await self._connection.execute("INSERT INTO genre (name) VALUES ('late')")
        assert await self._connection.execute("COMMIT") == "COMMIT"

    async def leave(self) -> None:
        if self._connection is not None:
            await self._connection.close()


async def lost(trip: Trip, late: Late, points: tuple[str, ...]) -> bool:
    """Move a tenant past a request, and see whether what it wrote is gone.

    At each point the request sends one message; what is left is sent when the move is over.
    """
    messages = iter((late.connect, late.enter, late.write))
    with beside() as do:
        for point, message in zip(points, messages, strict=False):
            trip.faults.at(point, partial(_send, do, message))
        try:
            operation = await trip.attempt(Tier.DATABASE)
            for message in messages:
                do(message())
        finally:
            do(late.leave())
    assert operation.state is OperationState.DONE, operation.error
    async with trip.lease(Mode.READ) as lease:
        return not await lease.fetch("SELECT FROM genre")


def _send(
    do: Callable[[Coroutine[Any, Any, None]], object],
    message: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    do(message())


_TRIES = 5


@pytest.mark.parametrize(
    ("points", "consistency", "part", "instead"),
    [
        # Nothing keeps the last delta waiting for who is in, and it is read without that write.
        (
            ("verify.before", "verify.after", "flip.before"),
            Consistency.READ_COMMITTED,
            _LOCK,
            "pg_sleep(0)",
        ),
        # Who waits for the lock reads then what was true before.
        (
            ("verify.before", "fence.locked", "flip.before"),
            Consistency.REPEATABLE_READ,
            _SHARE,
            ";",
        ),
        ((), Consistency.READ_COMMITTED, _PLACE, ""),
    ],
    ids=["lock", "FOR SHARE", "state and epoch"],
)
async def test_a_gate_that_lacks_a_part_loses_the_write(
    hub: Hub, points: tuple[str, ...], consistency: Consistency, part: str, instead: str
) -> None:
    for _ in range(_TRIES):
        trip = await hub.trip(rows=5)
        async with gate_without(trip, part, instead):
            # A machine that stands still inside of the fence ends it, and the writer is in time.
            with contextlib.suppress(asyncpg.PostgresError):
                if await lost(trip, Late(trip, consistency), points):
                    return
    pytest.fail(f"the write was never lost in {_TRIES} moves")


@LEVELS
async def test_writers_with_old_routes_lose_nothing_in_a_move_and_its_undoing(
    hub: Hub, consistency: Consistency
) -> None:
    trip = await hub.trip(rows=5)
    acknowledged: list[str] = []
    is_over = asyncio.Event()

    async def write_on(number: int) -> None:
        for count in itertools.count():
            if is_over.is_set():
                return
            # A router that forgets whatever it learnt before each request.
            dispatch = trip.hub.stale(trip.tenant)
            name = f"{number} {count}"
            with contextlib.suppress(asyncpg.SerializationError):
                async with trip.lease(consistency=consistency, dispatch=dispatch) as lease:
                    await lease.execute(
                        "INSERT INTO artist (artist_id, name) VALUES ($1, $2)", next(_ids), name
                    )
                acknowledged.append(name)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(write_on(number))
        move = await trip.go(Tier.DATABASE)
        await asyncio.sleep(0.1)
        assert (await trip.undo(move.id)).state is OperationState.DONE
        await asyncio.sleep(0.1)
        is_over.set()
    names = await trip.names()
    assert len(acknowledged) > 20
    assert set(acknowledged) <= set(names)
    assert len(names) == len(set(names))
    await assert_nothing_left(trip)
