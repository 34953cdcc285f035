"""What comes into shared tables is known to PostgreSQL's planner when its keys are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.words import Tier
from tests.promotion.journeys import journey
from tests.promotion.stock import fill

if TYPE_CHECKING:
    from tests.worlds import Clusters

_KNOWN = "SELECT reltuples::integer FROM pg_class WHERE oid = 'shared.track'::regclass"


async def test_tables_that_were_empty_are_analyzed_with_what_came(clusters: Clusters) -> None:
    async with journey(clusters) as made:
        shared = await made.placement()
        async with made.made.platform.fleet.admin(shared.cluster, shared.database) as connection:
            stock = await fill(connection, made.customer.id, shared, measure=5_000)
            away = await made.go(Tier.SCHEMA)
            assert (await made.settle(away.id)).error is None
            # Told to believe this, the planner takes any index for a key of one row.
            await connection.execute("VACUUM shared.track")
            assert await connection.fetchval(_KNOWN) == 0
            await made.go(Tier.ROWS)
            assert await connection.fetchval(_KNOWN) == stock.tracks
