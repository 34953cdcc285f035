"""The pace: a copy rests when it makes the source slow, and only then."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import pytest

from promotion.pace import Pace, PaceLimits, next_share, rest_s
from promotion.side import Side
from router.words import Tier
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.connect import Connection
    from tests.worlds import Clusters

LIMITS = PaceLimits(probe_pause_s=0.001)


class Felt(Pace):
    """What its probes feel is said by the test; everything else is real."""

    says: deque[float]

    async def _probe(self, connection: Connection) -> float:
        await super()._probe(connection)
        return self.says[0] if self._rests else self.says[1]


async def share_after(clusters: Clusters, pieces: Iterable[float], *, says: list[float]) -> float:
    """Work on pieces of so many seconds; probes take so many ms at rest, and so many at work."""
    async with world(clusters) as made:
        tenant = await made.tenant(Tier.ROWS)
        assert tenant.placement is not None
        side = Side(fleet=made.fleet, tenant_id=tenant.id, placement=tenant.placement)
        felt = Felt(side, LIMITS)
        felt.says = deque(says)
        async with felt.watching("a test") as pace:
            for piece_s in pieces:
                await asyncio.sleep(piece_s)
                await pace.rest()
            return pace.share


def test_a_share_shrinks_at_once_and_grows_slowly() -> None:
    assert next_share(1.0, 1.31, LIMITS) == pytest.approx(0.6)
    assert next_share(0.6, 1.0, LIMITS) == pytest.approx(0.65)
    assert next_share(0.98, 1.0, LIMITS) == 1.0
    assert next_share(0.05, 9.0, LIMITS) == LIMITS.share_min


def test_rest_makes_work_its_share_of_the_time_within_bounds() -> None:
    assert rest_s(0.1, 0.5, LIMITS) == pytest.approx(0.1)
    assert rest_s(0.1, 1.0, LIMITS) == 0.0
    assert rest_s(60.0, 0.05, LIMITS) == LIMITS.rest_s_max


async def test_a_copy_that_is_felt_rests(clusters: Clusters) -> None:
    assert await share_after(clusters, [0.05, 0.05], says=[2.0, 4.0]) < 0.5


async def test_a_server_that_is_slow_without_the_copy_is_no_reason_to_rest(
    clusters: Clusters,
) -> None:
    assert await share_after(clusters, [0.05, 0.05], says=[40.0, 40.0]) == 1.0


async def test_many_small_pieces_are_one_look_at_the_neighbours(clusters: Clusters) -> None:
    assert await share_after(clusters, [0.05, *[0.0] * 20], says=[2.0, 4.0]) > LIMITS.share_min
