"""How long writers are held, by how much they write and by how large the tenant is."""

from __future__ import annotations

from statistics import median, quantiles
from typing import TYPE_CHECKING

import msgspec

from router.words import Tier
from tests.benchmarks.figures import RATIO, Figure
from tests.benchmarks.moving import AWAY
from tests.gateways import client_of
from tests.promotion.clients import Load, using
from tests.promotion.ledger import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.moving import Measure, MovingWorld, Traveller
    from tests.promotion.ledger import Ledger

P50_MS_MAX = 20.0
P99_MS_MAX = {50: 50.0, 200: 100.0}
SIZE_RATIO_MAX = 1.5
_CLIENTS = {50: 10, 200: 20}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a series of cut-overs did to those who wrote meanwhile."""

    pauses_ms: list[float]
    ledger: Ledger

    @property
    def p99_ms(self) -> float:
        return quantiles(self.pauses_ms, n=100, method="inclusive")[98]


async def pauses(world: MovingWorld, measure: Measure) -> list[Figure]:
    """Move a small tenant away and back, at two rates, then a large one at the lower rate."""
    small = await world.traveller(measure.small)
    by_rate = {
        rate: await _hold(world, small, rate=rate, pairs=measure.pairs) for rate in P99_MS_MAX
    }
    found = [figure for rate, held in by_rate.items() for figure in _of_rate(rate, held)]
    large = await world.traveller(measure.large)
    held = await _hold(world, large, rate=50, pairs=measure.pairs_large)
    found += [
        Figure(
            name=f"write pause of {large.stock.rows:,} rows at 50/s, p50",
            value=median(held.pauses_ms),
            unit="ms",
        ),
        Figure(
            name=f"write pause of {large.stock.rows:,} rows ÷ of {small.stock.rows:,} rows",
            value=median(held.pauses_ms) / median(by_rate[50].pauses_ms),
            unit=RATIO,
            value_max=SIZE_RATIO_MAX,
        ),
        *_ledger_figures([*by_rate.values(), held]),
    ]
    return found


async def _hold(world: MovingWorld, traveller: Traveller, *, rate: int, pairs: int) -> Held:
    load = Load(writes_per_s=rate, clients=_CLIENTS[rate])
    before = await _exports(world, traveller)
    pauses_ms: list[float] = []
    async with using(world.shop(traveller), traveller.stock, load) as ledger:
        for _ in range(pairs):
            move = await world.go(traveller, Tier.SCHEMA, AWAY)
            undone = await world.undo(move.id)
            assert undone.receipt is not None, "a move that was decided has a receipt"
            assert undone.undo_receipt is not None, "a move that was undone has two"
            pauses_ms += [undone.receipt.pause_ms, undone.undo_receipt.pause_ms]
    different = ledger.differences(before, await _exports(world, traveller))
    if different or ledger.in_doubt:
        raise SystemExit(f"the ledger differs: {[*different, *ledger.in_doubt]}")
    return Held(pauses_ms=pauses_ms, ledger=ledger)


async def _exports(world: MovingWorld, traveller: Traveller) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    async with client_of(world.gateways[0].port) as client:
        for table in COLUMNS:
            answer = await client.get(
                f"/export/{table}", headers={"Authorization": f"Bearer {traveller.customer.key}"}
            )
            answer.raise_for_status()
            found[table] = answer.content
    return found


def _of_rate(rate: int, held: Held) -> list[Figure]:
    name = f"write pause of {len(held.pauses_ms)} cut-overs at {rate}/s"
    slowest_ms = [each.took_s * 1_000 for each in held.ledger.asked]
    return [
        Figure(
            name=f"{name}, p50",
            value=median(held.pauses_ms),
            unit="ms",
            value_max=P50_MS_MAX if rate == min(P99_MS_MAX) else None,
        ),
        Figure(name=f"{name}, p99", value=held.p99_ms, unit="ms", value_max=P99_MS_MAX[rate]),
        Figure(name=f"slowest request meanwhile at {rate}/s", value=max(slowest_ms), unit="ms"),
    ]


def _ledger_figures(series: list[Held]) -> list[Figure]:
    return [
        Figure(
            name="cut-overs under load",
            value=sum(len(held.pauses_ms) for held in series),
            unit="cut-overs",
        ),
        Figure(
            name="writes acknowledged meanwhile, each found in the end; none failed",
            value=sum(held.ledger.written for held in series),
            unit="writes",
        ),
    ]
