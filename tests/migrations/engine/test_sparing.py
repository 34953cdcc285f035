"""A migration works at a server's places side by side, unless customers are there to be spared."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from deploy.sparing import Sparing
from promotion.pace import PaceLimits
from router.catalog.wave_words import Place
from router.connect import connect
from router.words import Mode, Tier
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.words import Placement, Tenant
    from tests.worlds import Clusters, World

LIMITS = PaceLimits()
WORK_S = 0.05
PIECES = 3
LONELY_S_MAX = 30.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(clusters: Clusters) -> AsyncGenerator[World]:
    async with world(clusters) as built:
        yield built


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant(made: World) -> Tenant:
    return await made.tenant(Tier.ROWS)


class Pieces:
    """Pieces of work that are begun at once, and how they came to their turn."""

    def __init__(self) -> None:
        self.at_once_max = 0
        self.took_s = 0.0
        self._at_once = 0

    async def work(self, made: World, placement: Placement) -> None:
        place = Place(
            cluster=placement.cluster,
            database=placement.database,
            schema=placement.schema,
            tier=placement.tier,
        )
        async with Sparing(made.fleet, LIMITS) as turns:
            # Servers are watched from the first piece on.
            await self._piece(turns, place)
            self.at_once_max, began_s = 0, time.monotonic()
            await asyncio.gather(*[self._piece(turns, place) for _ in range(PIECES)])
            self.took_s = time.monotonic() - began_s

    async def _piece(self, turns: Sparing, place: Place) -> None:
        async with turns.working(place):
            self._at_once += 1
            self.at_once_max = max(self.at_once_max, self._at_once)
            await asyncio.sleep(WORK_S)
            self._at_once -= 1


async def test_where_nobody_is_they_work_side_by_side_whatever_the_platform_does(
    made: World, tenant: Tenant
) -> None:
    assert tenant.placement is not None
    place, deadline_s = tenant.placement, time.monotonic() + LONELY_S_MAX
    own = await connect(made.fleet.admin_address(place.cluster, place.database), purpose="router")
    try:
        await own.execute("BEGIN")
        # Who was at work a second ago still counts.
        while time.monotonic() < deadline_s:
            pieces = Pieces()
            await pieces.work(made, place)
            if pieces.at_once_max == PIECES:
                return
    finally:
        own.terminate()
    pytest.fail("one came after another, and no customer was there")


async def test_beside_a_customer_one_comes_after_another_and_rests(
    made: World, tenant: Tenant
) -> None:
    assert tenant.placement is not None
    pieces = Pieces()
    lease = await made.dispatch.open(tenant, Mode.READ)
    try:
        await pieces.work(made, tenant.placement)
    finally:
        await lease.rollback()
    assert pieces.at_once_max == 1
    # A tenth of the time at first; in so little time it doesn't grow to a fifth.
    assert pieces.took_s > PIECES * WORK_S * 5
