"""A tenant goes to every tier and back, and its rows are the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.catalog.operations import OperationState
from router.words import Tier
from tests.promotion.journeys import journey

if TYPE_CHECKING:
    from tests.promotion.journeys import Journey
    from tests.worlds import Clusters

ROUTE = (
    (Tier.SCHEMA, None),
    (Tier.DATABASE, None),
    (Tier.ROWS, None),
    (Tier.ROWS, "shared-2"),
    (Tier.SCHEMA, "shared-1"),
    (Tier.SCHEMA, "shared-2"),
    (Tier.ROWS, "shared-2"),
    (Tier.DATABASE, None),
    (Tier.SCHEMA, "shared-1"),
    (Tier.ROWS, "shared-1"),
)


async def fill(made: Journey, artists: int = 30) -> None:
    for number in range(artists):
        artist = await made.post("/artists", {"name": f"Artist {number}"})
        await made.post("/albums", {"title": f"{number}", "artist_id": artist["artist_id"]})


async def test_a_tenant_goes_everywhere_and_back(clusters: Clusters) -> None:
    async with journey(clusters) as made:
        await fill(made)
        for at, (tier, cluster) in enumerate(ROUTE):
            before = await made.exports()
            move = await made.go(tier, cluster)
            assert await made.exports() == before
            written = await made.post("/artists", {"name": f"written after {at}"})
            assert written["artist_id"] == 31 + at
            settled = await made.settle(move.id)
            assert settled.error is None


@pytest.mark.parametrize(
    ("tier", "cluster"),
    [(Tier.SCHEMA, None), (Tier.DATABASE, None), (Tier.ROWS, "shared-2")],
)
async def test_a_move_is_undone_with_what_was_written_since(
    clusters: Clusters, tier: Tier, cluster: str | None
) -> None:
    async with journey(clusters) as made:
        await fill(made)
        source = await made.placement()
        move = await made.go(tier, cluster)
        artist = await made.post("/artists", {"name": "written after the move"})
        before = await made.exports()
        undone = await made.undo(move.id)
        assert undone.state is OperationState.DONE, undone.error
        place = await made.placement()
        assert (place.tier, place.cluster, place.schema) == (
            source.tier,
            source.cluster,
            source.schema,
        )
        assert place.epoch == source.epoch + 2
        assert await made.exports() == before
        again = await made.post("/artists", {"name": "written after the way back"})
        assert again["artist_id"] == artist["artist_id"] + 1
        assert (await made.move(move.id)).undone_at is not None
