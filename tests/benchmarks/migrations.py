"""What it takes to bring a fleet to a revision, against a bare loop, a peer, and a quiet moment."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import timedelta
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from deploy import migrating
from router.catalog import waves
from router.catalog.wave_words import MigrationState, Rules
from router.words import Tier
from tests.benchmarks.figures import RATIO, Figure
from tests.benchmarks.fleets import BY, FleetWorld, fleet_world
from tests.benchmarks.peer import PeerSkipped, migrate_schemas
from tests.benchmarks.world import serving
from tests.promotion.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

LOOP_RATIO_MAX = 2.0
PEER_RATIO_MIN = 20.0
NOTHING_MS_MAX = 100.0
P99_RATIO_MAX = 2.0
WRITERS = 50
_PEER_DATABASE = "peer"
_RATE = 50
_END_S_MAX = 600.0
_LOOK_S = 0.05


class FleetSizes(msgspec.Struct, frozen=True, kw_only=True):
    """How large the fleet is, how often each thing is timed, and how long writers write."""

    schemas: int = 1_000
    databases: int = 50
    beside_peer: int = 200
    rounds: int = 3
    quiet_s: float = 10.0


FLEET_QUICK = FleetSizes(schemas=60, databases=5, beside_peer=20, rounds=3, quiet_s=3.0)


async def fleet(sizes: FleetSizes) -> list[Figure]:
    """Bring a whole fleet along: against the loop, with nothing to do, and under load."""
    async with fleet_world() as world:
        await world.add(Tier.SCHEMA, sizes.schemas)
        await world.add(Tier.DATABASE, sizes.databases)
        return [
            *await _beside_the_loop(world, sizes),
            *await _with_nothing_to_do(world, sizes),
            *await _under_load(world, sizes),
        ]


async def peer(sizes: FleetSizes) -> list[Figure]:
    """Bring as many schemas along as the peer gets on the same server."""
    async with fleet_world() as world:
        await world.add(Tier.SCHEMA, sizes.beside_peer)
        return await _beside_the_peer(world, sizes)


#: Each in a world of its own.
MIGRATIONS: Final[Mapping[str, Callable[[FleetSizes], Awaitable[list[Figure]]]]] = {
    "fleet": fleet,
    "peer": peer,
}


async def measure_migrations(parts: Sequence[str], sizes: FleetSizes) -> list[Figure]:
    """Measure what is wished for."""
    return [figure for part in parts for figure in await MIGRATIONS[part](sizes)]


async def _beside_the_peer(world: FleetWorld, sizes: FleetSizes) -> list[Figure]:
    took_s = [await _column(world) for _ in range(sizes.rounds)]
    ours_ms = median(took_s) * 1_000 / sizes.beside_peer
    found = [
        Figure(name=f"a column in {sizes.beside_peer} schemas, each", value=ours_ms, unit="ms")
    ]
    admin = await asyncpg.connect(world.clusters.shared.dsn(), ssl=False)
    await admin.execute(f"CREATE DATABASE {_PEER_DATABASE}")
    await admin.close()
    try:
        took = await migrate_schemas(world.clusters.shared.dsn(_PEER_DATABASE), sizes.beside_peer)
    except PeerSkipped as skipped:
        sys.stderr.write(f"skipped django-tenants: {skipped}\n")
        return found
    peer_ms = took.column_s * 1_000 / sizes.beside_peer
    return [
        *found,
        Figure(name="the same by django-tenants migrate_schemas, each", value=peer_ms, unit="ms"),
        Figure(
            name="django-tenants ÷ ours, by schema",
            value=peer_ms / ours_ms,
            unit=RATIO,
            value_min=PEER_RATIO_MIN,
        ),
        Figure(name="django-tenants with nothing to do", value=took.nothing_s, unit="s"),
    ]


async def _beside_the_loop(world: FleetWorld, sizes: FleetSizes) -> list[Figure]:
    """Time the loop, ours, and the loop again, in turns: the loop differs from itself too."""
    await _column(world)
    loop: list[float] = []
    ours: list[float] = []
    again: list[float] = []
    for _ in range(sizes.rounds):
        loop.append(await world.loop())
        ours.append(await _column(world))
        again.append(await world.loop())
    floor_s = median([*loop, *again])
    everywhere = f"{sizes.schemas:,} schemas, {sizes.databases} databases and shared tables"
    return [
        Figure(name=f"a column in {everywhere}", value=median(ours), unit="s"),
        Figure(name="the same by a bare loop", value=floor_s, unit="s"),
        Figure(
            name="the loop ÷ itself again",
            value=median(loop) / median(again),
            unit=RATIO,
        ),
        Figure(
            name="ours ÷ the loop",
            value=median(ours) / floor_s,
            unit=RATIO,
            value_max=LOOP_RATIO_MAX,
        ),
    ]


async def _with_nothing_to_do(world: FleetWorld, sizes: FleetSizes) -> list[Figure]:
    took_s = [await world.migrate() for _ in range(sizes.rounds)]
    return [
        Figure(
            name="a migration with nothing to do",
            value=median(took_s) * 1_000,
            unit="ms",
            value_max=NOTHING_MS_MAX,
        )
    ]


async def _column(world: FleetWorld) -> float:
    world.write()
    return await world.migrate()


# ── Under load ──────────────────────────────────────────────────────────────────────────────────


async def _under_load(world: FleetWorld, sizes: FleetSizes) -> list[Figure]:
    """Write at a steady rate, first in quiet, then while a worker brings the fleet along."""
    world.write()
    settings = world.platform.settings
    async with (
        serving("gateway", settings, dsn=settings.database_url) as gateway,
        serving("worker", settings, dsn=settings.database_url),
    ):
        wires = [
            Wire(gateway.port, token, host="localhost") for token in _spread(world.tokens, WRITERS)
        ]
        await _write(wires, asyncio.create_task(asyncio.sleep(sizes.quiet_s / 2)))
        quiet = await _write(wires, asyncio.create_task(asyncio.sleep(sizes.quiet_s)))
        wave = await _write(wires, asyncio.create_task(_by_the_worker(world)))
        for wire in wires:
            await wire.close()
    return [
        Figure(name="writes that failed during a wave", value=wave.failed, unit="", value_max=0),
        Figure(name=f"p99 of {_RATE} writes a second, quiet", value=quiet.p99_ms, unit="ms"),
        Figure(name="the same during a wave", value=wave.p99_ms, unit="ms"),
        Figure(
            name="p99 during a wave ÷ quiet",
            value=wave.p99_ms / quiet.p99_ms,
            unit=RATIO,
            value_max=P99_RATIO_MAX,
        ),
        Figure(name="that wave, with the writes", value=wave.lasted_s, unit="s"),
    ]


class Writes(msgspec.Struct, frozen=True, kw_only=True):
    """How a stretch of writes went."""

    p99_ms: float
    failed: int
    lasted_s: float


async def _write(wires: Sequence[Wire], until: asyncio.Task[None]) -> Writes:
    """Have the writers take turns at a steady rate, whoever is late, until something has ended."""
    took_ms: list[float] = []
    failed = 0
    asked: list[asyncio.Task[None]] = []

    turns = [asyncio.Lock() for _ in wires]

    async def ask(number: int, due_s: float) -> None:
        nonlocal failed
        writer, body = number % len(wires), {"name": f"artist {number}"}
        async with turns[writer]:
            try:
                answer = await wires[writer].ask("POST", "/artists", body)
            except (OSError, EOFError):
                failed += 1
                return
        # From the moment at which it was due: one that had to wait is not forgotten.
        took_ms.append((time.perf_counter() - due_s) * 1_000)
        failed += answer.status != 201

    begun_s, number = time.perf_counter(), 0
    while not until.done():
        due_s = begun_s + number / _RATE
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        asked.append(asyncio.create_task(ask(number, due_s)))
        number += 1
    await asyncio.gather(*asked)
    until.result()
    p99_ms = quantiles(took_ms, n=100, method="inclusive")[98]
    return Writes(p99_ms=p99_ms, failed=failed, lasted_s=time.perf_counter() - begun_s)


async def _by_the_worker(world: FleetWorld) -> None:
    begun = await migrating.begin(world.platform, Rules(), BY, head_start=timedelta())
    async with asyncio.timeout(_END_S_MAX):
        while True:
            async with world.platform.catalog.connection() as connection:
                migration = await waves.get(connection, begun.id)
            if migration.state is not MigrationState.RUNNING:
                break
            await asyncio.sleep(_LOOK_S)
    if migration.state is not MigrationState.DONE:
        raise SystemExit(f"a measured wave is {migration.state.value}: {migration.error}")


def _spread(tokens: Sequence[str], wanted: int) -> list[str]:
    """Choose some evenly: the first ones have schemas, the last ones databases."""
    return [tokens[number * len(tokens) // wanted] for number in range(wanted)]
