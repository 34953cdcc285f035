"""What the gate's part in moves costs while nobody moves: triggers that sleep, and the fence.

The database is altered between blocks of transactions, and each variant takes its turn in a random
order: one server, one table, one connection, so nothing else differs.
"""

from __future__ import annotations

import random
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from router.words import Mode, Tenant
from tests.benchmarks.cpu import cpu_ns
from tests.benchmarks.figures import RATIO, Figure
from tests.benchmarks.rounds import NOISE_MAX
from tests.promotion.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from router.connect import Connection
    from router.lease import Lease
    from tests.benchmarks.moving import Measure, MovingWorld, Traveller

ASLEEP_MAX = 1.02
AWAKE_MAX = 1.3
FENCE_MAX = 1.05
_WRITES = 300
_REQUESTS = 50
_WARM = 15
_TRIGGER = """
    SELECT pg_get_triggerdef(oid) FROM pg_trigger
    WHERE tgname = 'stepwell_capture' AND tgrelid = 'shared.artist'::regclass
"""
_DROP = "DROP TRIGGER IF EXISTS stepwell_capture ON shared.artist"
_CAPTURE = "UPDATE gate.home SET capture = $2 WHERE tenant_id = $1 AND capture <> $2"
_FORGET = "DELETE FROM gate.change WHERE tenant_id = $1"
_GATE = "SELECT pg_get_functiondef('gate.enter(text)'::regprocedure)"
#: What the gate does for moves: it takes the tenant's lock, and looks where the tenant lives.
_LOCK = """is_held := pg_advisory_xact_lock_shared(
            ('x' || substr(capability, 2, 16))::bit(64)::bigint) IS NULL;"""
_HOME = "LEFT JOIN gate.home AS h ON h.tenant_id = tenant"
_NO_LOCK = "is_held := true;"
_NO_HOME = """CROSS JOIN LATERAL (SELECT 'active'::text AS state, session_user AS login,
    ('x' || substr(capability, 34, 16))::bit(64)::bigint AS epoch, false AS capture,
    0 AS delay_ms) AS h"""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One variant: how it is set up, on the administrator's connection."""

    name: str
    set_up: Callable[[], Awaitable[None]]


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What a block cost in µs a transaction, round by round."""

    floor: list[float]
    again: list[float]
    by_name: dict[str, list[float]]

    def figure(self, name: str) -> Figure:
        """Tell the floor itself."""
        return Figure(name=name, value=median([*self.floor, *self.again]), unit="µs")

    def noise(self, name: str) -> Figure:
        """Tell how far the floor differs from itself: the rest proves nothing finer than this."""
        ratio = median(one / other for one, other in zip(self.floor, self.again, strict=True))
        return Figure(name=name, value=max(ratio, 1 / ratio), unit=RATIO, value_max=1 + NOISE_MAX)

    def against(self, name: str, variant: str, value_max: float) -> Figure:
        """Set a variant against the floors of its own round: what else there is, is in both."""
        rounds = zip(self.by_name[variant], self.floor, self.again, strict=True)
        ratio = median(2 * cost / (one + other) for cost, one, other in rounds)
        return Figure(name=name, value=ratio, unit=RATIO, value_max=value_max)


async def gates(world: MovingWorld, measure: Measure) -> list[Figure]:
    """Measure both on a tenant in shared tables."""
    traveller = await world.traveller(measure.small)
    place = await world.place(traveller.customer)
    async with world.platform.fleet.admin(place.cluster, place.database) as admin:
        return [
            *await _captures(world, traveller, admin, measure.blocks),
            *await _fence(world, traveller, admin, measure.blocks),
        ]


async def _captures(
    world: MovingWorld, traveller: Traveller, admin: Connection, blocks: int
) -> list[Figure]:
    tenant = await world.platform.directory.resolve_slug(traveller.customer.slug)
    assert tenant is not None, "a customer who signed up is known"
    trigger = await admin.fetchval(_TRIGGER)

    def turn(name: str, *, exists: bool = True, is_awake: bool = False) -> Turn:
        async def set_up() -> None:
            await admin.execute(_DROP)
            if exists:
                await admin.execute(trigger)
            await admin.execute(_CAPTURE, tenant.id, is_awake)
            await admin.execute(_FORGET, tenant.id)

        return Turn(name=name, set_up=set_up)

    turns = [
        turn("dropped", exists=False),
        turn("dropped again", exists=False),
        turn("asleep"),
        turn("awake", is_awake=True),
    ]
    costs = await _take_turns(turns, lambda: _write(world, tenant, traveller.stock.artists), blocks)
    await turns[2].set_up()
    return [
        costs.figure("PostgreSQL's CPU of a write without capture"),
        costs.noise("a write without capture ÷ the same again"),
        costs.against("CPU of a write, capture asleep ÷ without", "asleep", ASLEEP_MAX),
        costs.against("CPU of a write, capture awake ÷ without", "awake", AWAKE_MAX),
    ]


async def _fence(
    world: MovingWorld, traveller: Traveller, admin: Connection, blocks: int
) -> list[Figure]:
    whole = await admin.fetchval(_GATE)
    bare = whole
    for part, instead in ((_LOCK, _NO_LOCK), (_HOME, _NO_HOME)):
        if part not in bare:
            raise SystemExit("the gate isn't what it was: say anew which part of it is the fence")
        bare = bare.replace(part, instead)

    def turn(name: str, function: str) -> Turn:
        async def set_up() -> None:
            await admin.execute(f"SET ROLE stepwell_gate; {function}; RESET ROLE")

        return Turn(name=name, set_up=set_up)

    wire = world.shop(traveller).wires()[0]
    turns = [turn("without", bare), turn("without again", bare), turn("with", whole)]
    costs = await _take_turns(turns, lambda: _ask(world, wire, traveller), blocks)
    await turns[-1].set_up()
    await wire.close()
    return [
        costs.figure("CPU of a one-write request without the fence"),
        costs.noise("a request without the fence ÷ the same again"),
        costs.against("CPU of a one-write request, with the fence ÷ without", "with", FENCE_MAX),
    ]


async def _take_turns(
    turns: Sequence[Turn], block: Callable[[], Awaitable[float]], blocks: int
) -> Costs:
    """Let every variant have its block in each round; the first two are the floor, twice."""
    costs: dict[str, list[float]] = {turn.name: [] for turn in turns}
    for _ in range(blocks):
        for turn in random.sample(turns, len(turns)):
            await turn.set_up()
            costs[turn.name].append(await block())
    floor, again, *_ = costs.values()
    return Costs(floor=floor, again=again, by_name=costs)


async def _write(world: MovingWorld, tenant: Tenant, artists: int) -> float:
    pid = 0
    for _ in range(_WARM):
        lease = await world.platform.dispatch.open(tenant, Mode.WRITE)
        await _rename(lease, artists)
        row = await lease.fetchrow("SELECT pg_backend_pid()")
        assert row is not None, "a function has one row"
        pid = row[0]
        await lease.commit()
    begun_ns = cpu_ns(pid)
    for _ in range(_WRITES):
        lease = await world.platform.dispatch.open(tenant, Mode.WRITE)
        await _rename(lease, artists)
        await lease.commit()
    return (cpu_ns(pid) - begun_ns) / _WRITES / 1_000


async def _rename(lease: Lease, artists: int) -> None:
    number = random.randint(1, artists)
    await lease.execute("UPDATE artist SET name = $1 WHERE artist_id = $2", "Renamed", number)


async def _ask(world: MovingWorld, wire: Wire, traveller: Traveller) -> float:
    pid = world.gateways[0].pid
    begun_ns = 0
    for number in range(_WARM + _REQUESTS):
        if number == _WARM:
            begun_ns = cpu_ns(pid) + world.backends.cpu_ns()
        artist = random.randint(1, traveller.stock.artists)
        answer = await wire.ask("PATCH", f"/artists/{artist}", {"name": "Renamed"})
        if answer.status != 200:
            raise SystemExit(f"a write was answered with {answer}")
    return (cpu_ns(pid) + world.backends.cpu_ns() - begun_ns) / _REQUESTS / 1_000
