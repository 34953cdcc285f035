from __future__ import annotations

import msgspec

from tests.benchmarks.__main__ import Wish, run
from tests.benchmarks.report import Report
from tests.benchmarks.rounds import Cost, compare
from tests.benchmarks.world import Sizes

FEW = Sizes(rows=4, schema=2, database=1)


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
    assert msgspec.json.decode(msgspec.json.encode(report.document()))["sizes"]["rows"] == 4


def test_a_floor_that_differs_from_itself_makes_a_run_noisy() -> None:
    def cost(us: float) -> Cost:
        return Cost(python_us=us, postgres_us=0, wall_us=us)

    costs = {"floor": [cost(100)], "floor again": [cost(110)], "ours": [cost(210)]}
    comparison = compare("read", costs, floor="floor", required={"floor": None, "ours": 1.5})
    assert comparison.is_noisy
    assert [line.name for line in comparison.missed] == ["ours"]
    report = Report(sizes=FEW, comparisons=[comparison], figures=[])
    assert report.missed == ["read: ours is 2.10 times its floor, 1.5 at most"]
