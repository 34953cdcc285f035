"""The shop's rows are the same bytes wherever they were, and a small tenant moves in a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from router.words import Tier
from tests.gateways import at, expect
from tests.promotion.journeys import journey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.promotion.journeys import Journey
    from tests.real.conftest import Files
    from tests.worlds import Clusters

#: The mark is 3 s on two quiet cores; a machine that runs other tests too gets more.
MOVE_S_MAX = 10.0
ROUTE = ((Tier.SCHEMA, None), (Tier.DATABASE, None), (Tier.SCHEMA, "shared-1"), (Tier.ROWS, None))


async def load(made: Journey, content: Mapping[str, bytes]) -> None:
    headers = {**made.customer.headers, **at(made.customer.slug)}
    for name, each in content.items():
        answer = await made.made.client.post(f"/import/{name}", content=each, headers=headers)
        expect(answer, 201)


async def test_two_promotions_and_back_change_no_byte(clusters: Clusters, files: Files) -> None:
    async with journey(clusters) as made:
        await load(made, files.content)
        assert await made.exports() == files.content
        for tier, cluster in ROUTE:
            began = time.monotonic()
            move = await made.go(tier, cluster)
            took_s = time.monotonic() - began
            print(f"{tier}: {took_s:.2f} s")  # noqa: T201 - the figure, with pytest -s
            assert took_s < MOVE_S_MAX
            assert await made.exports() == files.content
            assert move.receipt is not None
            rows = {each.table: each.rows for each in move.receipt.proof}
            assert sum(rows.values()) == files.rows
            assert (await made.settle(move.id)).error is None
            assert await made.exports() == files.content


async def test_two_promotions_are_undone_to_the_byte(clusters: Clusters, files: Files) -> None:
    async with journey(clusters) as made:
        await load(made, files.content)
        for tier in (Tier.SCHEMA, Tier.DATABASE):
            move = await made.go(tier)
            undone = await made.undo(move.id)
            assert undone.error is None
            assert (await made.placement()).tier is Tier.ROWS
            assert await made.exports() == files.content
