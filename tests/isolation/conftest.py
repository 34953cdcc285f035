"""Five kinds of tenants, each with rows in every table, for all attempts of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from router.words import Isolation, Tier
from tests.isolation.matrix import book_of
from tests.isolation.rows import Held, Key, draw_canary, fill
from tests.worlds import World, world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from tests.worlds import Clusters

PLACES = {
    "rows": (Tier.ROWS, Isolation.SHARED),
    "rows-strict": (Tier.ROWS, Isolation.STRICT),
    "schema": (Tier.SCHEMA, Isolation.SHARED),
    "schema-strict": (Tier.SCHEMA, Isolation.STRICT),
    "database": (Tier.DATABASE, Isolation.STRICT),
}


class Arena:
    """A world with an attacker and a victim in each kind of place."""

    def __init__(self, made: World) -> None:
        self.world = made
        self.book = book_of(made.loaded.stored)
        self.attackers: dict[str, Held] = {}
        self.victims: dict[str, Held] = {}

    async def settle(self, places: Iterable[str], *, shared: tuple[Key, ...] = (Key.BOTH,)) -> None:
        """Make the tenants and fill them; ``shared`` keys are in use on both sides."""
        for place in places:
            self.attackers[place] = await self._held(place, "attacker", (Key.MINE, *shared))
            self.victims[place] = await self._held(place, "victim", (Key.THEIRS, *shared))

    async def _held(self, place: str, part: str, keys: tuple[Key, ...]) -> Held:
        tier, isolation = PLACES[place]
        tenant = await self.world.tenant(tier, isolation)
        held = Held(name=f"{part} ({place})", tenant=tenant, keys=keys, canary=draw_canary())
        await fill(self.world.stores[tier], held, self.world.loaded.stored)
        return held


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def arena(clusters: Clusters) -> AsyncGenerator[Arena]:
    async with world(clusters) as made:
        built = Arena(made)
        await built.settle(PLACES)
        yield built
