from __future__ import annotations

import msgspec

from tests.benchmarks.__main__ import Wish, run
from tests.benchmarks.figures import RATIO, Figure
from tests.benchmarks.migrations import FleetSizes
from tests.benchmarks.moving import Measure
from tests.benchmarks.report import Report
from tests.benchmarks.rounds import Cost, compare
from tests.benchmarks.world import Sizes

#: Enough of them that what all tenants have in common is little of each one's memory.
FEW = Sizes(rows=24, schema=2, database=1)


async def test_a_short_run_measures_every_variant() -> None:
    report = await run(Wish(parts=("point", "memory"), sizes=FEW, rounds=2))
    fast, convenient = report.comparisons
    assert [line.name for line in fast.lines[-3:]] == [
        f"fast lane, {tier}" for tier in ("rows", "schema", "database")
    ]
    assert len(convenient.lines) == 5
    for line in (*fast.lines, *convenient.lines):
        assert line.python_us > 0
        assert line.postgres_us > 0
        assert line.wall_us > 0
    assert {figure.unit for figure in report.figures} == {"B"}
    assert not [figure for figure in report.figures if figure.is_missed]
    assert msgspec.json.decode(msgspec.json.encode(report.document()))["sizes"]["rows"] == 24


async def test_a_short_run_moves_tenants_under_load() -> None:
    measure = Measure(small=1_000, large=2_000, pairs=1, pairs_large=1)
    report = await run(Wish(parts=("pauses",), sizes=FEW, rounds=1, measure=measure))
    found = {figure.name: figure.value for figure in report.figures}
    assert found["cut-overs under load"] == 6
    assert all(value > 0 for value in found.values())


async def test_a_short_run_brings_a_fleet_along_under_load() -> None:
    sizes = FleetSizes(schemas=4, databases=1, rounds=1, quiet_s=2.0)
    report = await run(Wish(parts=("fleet",), sizes=FEW, rounds=1, fleet=sizes))
    found = {figure.name: figure.value for figure in report.figures}
    assert found["ours ÷ the loop"] > 0
    assert found["a migration with nothing to do"] > 0
    assert found["writes that failed during a wave"] == 0


def test_a_figure_says_what_it_may_be() -> None:
    slow = Figure(name="pause", value=30.0, unit="ms", value_max=20.0)
    poor = Figure(name="copy", value=0.85, unit=RATIO, value_min=0.9)
    good = Figure(name="moves", value=1.0, unit="moves")
    report = Report(sizes=FEW, comparisons=[], figures=[slow, poor, good])
    assert report.missed == [
        "pause: 30.0 ms, 20.0 ms at most",
        "copy: 0.85, 0.90 at least",
    ]


def test_a_floor_that_differs_from_itself_makes_a_run_noisy() -> None:
    def cost(us: float) -> Cost:
        return Cost(python_us=us, postgres_us=0, wall_us=us)

    costs = {"floor": [cost(100)], "floor again": [cost(110)], "ours": [cost(210)]}
    comparison = compare("read", costs, floor="floor", required={"floor": None, "ours": 1.5})
    assert comparison.is_noisy
    assert [line.name for line in comparison.missed] == ["ours"]
    report = Report(sizes=FEW, comparisons=[comparison], figures=[])
    assert report.missed == ["read: ours is 2.10 times its floor, 1.5 at most"]
