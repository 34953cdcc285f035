"""`python -m tests.benchmarks`: what tenancy costs, as ratios to floors of the same run."""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack

import msgspec
import uvloop
from rich.console import Console

from deploy import logs
from tests.benchmarks import figures
from tests.benchmarks.cpu import IS_KNOWN
from tests.benchmarks.figures import Figure
from tests.benchmarks.migrations import (
    FLEET_QUICK,
    MIGRATIONS,
    FleetSizes,
    measure_migrations,
)
from tests.benchmarks.moves import MOVES, measure_moves
from tests.benchmarks.moving import MEASURE_QUICK, Measure
from tests.benchmarks.pages import pages
from tests.benchmarks.quota import quota
from tests.benchmarks.report import Report
from tests.benchmarks.requests import OPERATIONS, compare_operation
from tests.benchmarks.rounds import Comparison
from tests.benchmarks.world import FLOOR_DATABASE, QUICK, BenchWorld, Sizes, bench_world, serving

FIGURES = ("directory", "connections", "provision", "memory", "quota", "pages")
#: Everything about moves; each of its parts may also be asked for alone.
ALL_MOVES = "moves"
#: The same for migrations.
ALL_MIGRATIONS = "migrations"
ROUNDS = 20
ROUNDS_QUICK = 5


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure, and how often."""

    parts: tuple[str, ...]
    sizes: Sizes
    rounds: int
    measure: Measure = MEASURE_QUICK
    fleet: FleetSizes = FLEET_QUICK


async def run(wish: Wish) -> Report:
    """Build the worlds, measure what is wished for, and take everything down."""
    found = await measure_moves(
        [part for part in MOVES if part in wish.parts or ALL_MOVES in wish.parts], wish.measure
    )
    found += await measure_migrations(
        [part for part in MIGRATIONS if part in wish.parts or ALL_MIGRATIONS in wish.parts],
        wish.fleet,
    )
    if not set(wish.parts).difference(MOVES, MIGRATIONS, [ALL_MOVES, ALL_MIGRATIONS]):
        return Report(sizes=wish.sizes, comparisons=[], figures=found)
    report = await _run_requests(wish)
    return msgspec.structs.replace(report, figures=report.figures + found)


async def _run_requests(wish: Wish) -> Report:
    reports: list[Report] = []
    async with bench_world(wish.sizes) as world:
        compared, found = await _with_servers(world, wish)
        for part, measure in (
            ("directory", figures.look_up),
            ("memory", figures.memory),
            ("provision", figures.provision),
            ("quota", quota),
        ):
            if part in wish.parts:
                found += await measure(world)
        reports.append(Report(sizes=wish.sizes, comparisons=compared, figures=found))
    # A signal ends the world from within: its supervisor takes everything down, and us with it.
    if not reports:
        raise SystemExit("the run was ended before everything was measured")
    return reports[0]


async def _with_servers(world: BenchWorld, wish: Wish) -> tuple[list[Comparison], list[Figure]]:
    operations = [part for part in wish.parts if part in OPERATIONS]
    compared: list[Comparison] = []
    found: list[Figure] = []
    if not operations and not {"connections", "pages"}.intersection(wish.parts):
        return compared, found
    async with AsyncExitStack() as stack:
        dsn = world.clusters.shared.dsn(FLOOR_DATABASE)
        floor = await stack.enter_async_context(serving("floor", world.settings, dsn=dsn))
        dsn = world.settings.database_url
        gateway = await stack.enter_async_context(serving("gateway", world.settings, dsn=dsn))
        for operation in operations:
            compared += await compare_operation(
                operation, world, floor, gateway, rounds=wish.rounds
            )
        if "connections" in wish.parts:
            found += await figures.connections(world, gateway)
        if "pages" in wish.parts:
            found += await pages(world, gateway)
    return compared, found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    known = (*OPERATIONS, *FIGURES, ALL_MOVES, *MOVES, ALL_MIGRATIONS, *MIGRATIONS)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="fewer tenants, rows and rounds")
    parser.add_argument("--json", action="store_true", help="one document instead of tables")
    parser.add_argument("--strict", action="store_true", help="fail when noisy, or missed a mark")
    parser.add_argument("--rounds", type=int, help="blocks of each variant")
    given = parser.parse_args()
    unknown = set(given.parts).difference(known)
    if unknown:
        parser.error(f"nothing is called {', '.join(sorted(unknown))}")
    if not IS_KNOWN:
        parser.error("CPU time of other processes is read from /proc/…/schedstat: use Linux")
    wish = Wish(
        parts=tuple(given.parts) or (*OPERATIONS, *FIGURES, ALL_MOVES, ALL_MIGRATIONS),
        sizes=QUICK if given.quick else Sizes(),
        rounds=given.rounds or (ROUNDS_QUICK if given.quick else ROUNDS),
        measure=MEASURE_QUICK if given.quick else Measure(),
        fleet=FLEET_QUICK if given.quick else FleetSizes(),
    )
    # The document is all that stands on stdout.
    logs.configure(log_format="json", level="error")
    report = uvloop.run(run(wish))
    if given.json:
        sys.stdout.buffer.write(msgspec.json.encode(report.document()) + b"\n")
    else:
        report.show(Console(width=120))
    return 1 if given.strict and (report.is_noisy or report.missed) else 0


if __name__ == "__main__":
    sys.exit(main())
