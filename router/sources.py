"""Every pool of one process, by whom it serves: bounded in number, closed when idle."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeAlias

from router.alchemy import AlchemySide
from router.lease import Source
from router.pool import Budget, Pool, PoolLimits
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.connect import Address

#: Tier, cluster, database, login and sub-pool. Tiers never share a connection: its SQLAlchemy side
#: remembers the schema of the last lease.
SourceKey: TypeAlias = tuple[Tier, str, str, str, int]
_REAP_EVERY_S = 1.0


class Sources:
    """Small pools in the order of their last use; the least recently used go first."""

    def __init__(self, budget: Budget, *, pools_max: int) -> None:
        self.budget = budget
        self.pools_max = pools_max
        self._sources: dict[SourceKey, Source] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def get(self, key: SourceKey, address: Callable[[], Address], limits: PoolLimits) -> Source:
        """Return the source of a key; make it at the first call."""
        source = self._sources.get(key)
        if source is None:
            self._evict()
            pool = Pool(address(), limits, self.budget)
            source = Source(pool=pool, side=AlchemySide(statements_max=pool.statements_max))
            self._sources[key] = source
        return source

    async def drop(self, key: SourceKey) -> None:
        """Close a pool for good: its tenant left, or its password changed."""
        source = self._sources.pop(key, None)
        if source is not None:
            await source.pool.close()

    async def reap_forever(self) -> None:
        """Close idle connections, and forget pools that hold none, until cancelled."""
        while True:
            await asyncio.sleep(_REAP_EVERY_S)
            now_s = time.monotonic()
            for key, source in list(self._sources.items()):
                source.pool.reap(now_s)
                if not source.pool.open_count and now_s - source.pool.used_s > (
                    source.pool.limits.idle_s_max
                ):
                    await self.drop(key)

    async def close(self) -> None:
        """Close everything."""
        for key in list(self._sources):
            await self.drop(key)

    def _evict(self) -> None:
        if len(self._sources) < self.pools_max:
            return
        unused = [
            key
            for key, source in self._sources.items()
            if source.pool.open_count == source.pool.idle_count
        ]
        if unused:
            oldest = min(unused, key=lambda key: self._sources[key].pool.used_s)
            self._sources.pop(oldest).pool.retire()
