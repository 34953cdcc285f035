"""A tenant travels while its clients write: nothing fails, nothing is lost, nothing is old."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.catalog.operations import OperationState
from router.words import Tier
from tests.gateways import SITE
from tests.promotion.clients import Load, Shop, using
from tests.promotion.journeys import journey
from tests.promotion.ledger import COLUMNS, Ledger
from tests.promotion.stock import fill
from tests.scale import scaled, seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.promotion.journeys import Journey
    from tests.promotion.stock import Stock
    from tests.worlds import Clusters

ROWS = 100_000
ROUTE = (
    (Tier.SCHEMA, None),
    (Tier.DATABASE, None),
    (Tier.ROWS, None),
    (Tier.ROWS, "shared-2"),
    (Tier.ROWS, "shared-1"),
)
#: One loop serves both gateways, all clients and the mover: a request may well wait for a turn.
SLOWEST_S_MAX = 3.0


async def stocked(made: Journey, measure: int) -> Stock:
    place = await made.placement()
    async with made.made.platform.fleet.admin(place.cluster, place.database) as connection:
        return await fill(connection, made.customer.id, place, measure=measure)


def shop(made: Journey) -> Shop:
    ports = [gateway.port for gateway in made.made.gateways]
    return Shop(ports=ports, host=SITE, token=made.customer.key)


@pytest.mark.timeout(300)
async def test_nobody_notices_a_journey_through_every_tier(clusters: Clusters) -> None:
    load = Load(writes_per_s=50, seed=seed())
    print(f"seed {load.seed}")  # noqa: T201 - shown where the test fails, to repeat it
    async with journey(clusters, gateways=2) as made:
        stock = await stocked(made, scaled(ROWS))
        before = await made.exports()
        async with using(shop(made), stock, load) as ledger:
            for tier, cluster in ROUTE:
                move = await made.go(tier, cluster)
                assert (await made.settle(move.id)).error is None
        assert ledger.in_doubt == []
        assert ledger.differences(before, await made.exports()) == []
        assert ledger.written > 0
        assert ledger.slowest_s < SLOWEST_S_MAX


@pytest.mark.parametrize(
    ("tier", "cluster"), [(Tier.SCHEMA, None), (Tier.DATABASE, None), (Tier.ROWS, "shared-2")]
)
async def test_nobody_notices_a_way_back(
    clusters: Clusters, tier: Tier, cluster: str | None
) -> None:
    load = Load(writes_per_s=100, seed=seed())
    print(f"seed {load.seed}")  # noqa: T201 - as above
    async with journey(clusters, gateways=2) as made:
        stock = await stocked(made, 5_000)
        before = await made.exports()
        async with using(shop(made), stock, load) as ledger:
            for _ in range(scaled(2)):
                move = await made.go(tier, cluster)
                undone = await made.undo(move.id)
                assert undone.state is OperationState.DONE, undone.error
        assert ledger.in_doubt == []
        assert ledger.differences(before, await made.exports()) == []
        assert ledger.slowest_s < SLOWEST_S_MAX


def test_the_ledger_sees_what_is_lost_doubled_old_or_unasked_for() -> None:
    before = {name: exported(name, []) for name in COLUMNS}
    before["artist"] = exported("artist", [("1", "one"), ("2", "two")])
    ledger = Ledger()
    ledger.know("artist", ("1",), ("one again",))
    ledger.append("artist", ("3",), ("three",))
    ledger.append("artist", ("4",), ("four",))
    ledger.know("artist", ("4",), None)
    good = [("1", "one again"), ("2", "two"), ("3", "three")]
    assert told(ledger, before, good) == ""
    assert "('3',) is None" in told(ledger, before, good[:2])
    assert "('1',) is ('one',)" in told(ledger, before, [("1", "one"), *good[1:]])
    assert "('4',) is ('four',)" in told(ledger, before, [*good, ("4", "four")])
    assert "('3',) is there twice" in told(ledger, before, [*good, ("3", "three")])
    assert "nobody wrote: [('5',)]" in told(ledger, before, [*good, ("5", "five")])
    ledger.append("artist", ("3",), ("another three",))
    assert "given out twice" in told(ledger, before, good)


def told(ledger: Ledger, before: dict[str, bytes], artists: list[tuple[str, str]]) -> str:
    return "; ".join(ledger.differences(before, before | {"artist": exported("artist", artists)}))


def exported(table: str, rows: Sequence[tuple[str, ...]]) -> bytes:
    names, more = COLUMNS[table]
    return "".join(",".join(each) + "\n" for each in ((*names, *more), *rows)).encode()
