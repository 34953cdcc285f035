"""A small pool of server connections: LIFO, bounded, lazily opened, recycled and never poisoned.

asyncpg's own pool costs more Python per acquire than the query it serves (a shield, a task and a
proxy); this one hands out the raw connection, and each connection keeps its SQLAlchemy side.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from router.alchemy import adopt_transaction, begin_with
from router.connect import connect
from router.errors import Overloaded

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    from router.connect import Address, Connection

#: How long a connection that a request left in the middle of something may take to come clean.
_RECOVERY_S_MAX = 2.0
#: Two statements that differ only in their schema are two to the server: leave room for a sub-pool.
STATEMENTS_MAX = 1_000


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How large one pool may grow and how long its connections live."""

    size_max: int = 8
    waiters_max: int = 500
    wait_s_max: float = 5.0
    idle_s_max: float = 60.0
    lifetime_s_max: float = 1_800.0
    statements_max: int = STATEMENTS_MAX


class Link:
    """One server connection and what rides on it."""

    __slots__ = ("alchemy", "opened_s", "raw", "used_s")

    def __init__(self, raw: Connection, *, now_s: float) -> None:
        self.raw = raw
        self.alchemy: AsyncConnection | None = None
        self.opened_s = now_s
        self.used_s = now_s


class Budget:
    """The connections that one process may hold, over all its pools."""

    def __init__(self, connections_max: int) -> None:
        self.connections_max = connections_max
        self.open_count = 0
        self.pools: list[Pool] = []
        #: Pools without any connection whose requests wait for one of another pool to be closed.
        self.starving: deque[Pool] = deque()

    def take(self) -> bool:
        """Take leave to open one more; close the longest idle connection of any pool if need be."""
        if self.open_count >= self.connections_max and not self._make_room():
            return False
        self.open_count += 1
        return True

    def _make_room(self) -> bool:
        idle = [pool for pool in self.pools if pool.idle_count]
        if not idle:
            return False
        min(idle, key=lambda pool: pool.oldest_idle_s).close_oldest()
        return True


class Pool:
    """Connections to one address. ``acquire`` waits in line; ``release`` hands over directly."""

    def __init__(self, address: Address, limits: PoolLimits, budget: Budget) -> None:
        self.address = address
        self.limits = limits
        self._budget = budget
        self._idle: list[Link] = []
        self._waiters: deque[asyncio.Future[Link | None]] = deque()
        self._recoveries: set[asyncio.Task[None]] = set()
        self._is_retired = False
        self.open_count = 0
        self.used_s = time.monotonic()
        budget.pools.append(self)

    @property
    def statements_max(self) -> int:
        """How many prepared statements a connection remembers; none where they'd be lost."""
        return self.limits.statements_max if self.address.keeps_statements else 0

    @property
    def idle_count(self) -> int:
        """Connections that nobody uses now."""
        return len(self._idle)

    @property
    def oldest_idle_s(self) -> float:
        """The monotonic time since which the longest idle connection has been idle."""
        return self._idle[0].used_s

    async def acquire(self) -> Link:
        """Hand out a clean connection, or raise Overloaded when the line is too long."""
        self.used_s = now_s = time.monotonic()
        while self._idle:
            link = self._idle.pop()
            if not link.raw.is_closed() and now_s - link.opened_s < self.limits.lifetime_s_max:
                return link
            self._close(link)
        if self.open_count < self.limits.size_max and self._budget.take():
            return await self._open()
        if self.open_count == 0:
            self._budget.starving.append(self)
        return await self._wait()

    def release(self, link: Link) -> None:
        """Take back a connection that is outside of any transaction."""
        if link.raw.is_closed():
            self._close(link)
            return
        if self.hand_over(link):
            return
        if self._budget.starving or self._is_retired:
            self._close(link)
            return
        link.used_s = time.monotonic()
        self._idle.append(link)

    def recover(self, link: Link, session: AsyncSession | None = None) -> None:
        """Take back a connection in an unknown state: roll it back by and by, or end it."""
        task = asyncio.get_running_loop().create_task(self._recover(link, session))
        self._recoveries.add(task)
        task.add_done_callback(self._recoveries.discard)

    def reap(self, now_s: float) -> None:
        """Close what has been idle for too long; called by the process's reaper."""
        while self._idle and now_s - self._idle[0].used_s > self.limits.idle_s_max:
            self.close_oldest()

    def close_oldest(self) -> None:
        """Close the connection that has been idle for the longest time."""
        self._close(self._idle.pop(0))

    def retire(self) -> None:
        """Close every idle connection, and each other one as soon as it comes back."""
        self._is_retired = True
        if self in self._budget.pools:
            self._budget.pools.remove(self)
        while self._idle:
            self.close_oldest()

    async def close(self) -> None:
        """Retire, and wait for the connections that are coming clean."""
        self.retire()
        if self._recoveries:
            await asyncio.wait(self._recoveries, timeout=_RECOVERY_S_MAX)

    async def _open(self) -> Link:
        self.open_count += 1
        try:
            raw = await connect(self.address, purpose="router", statements_max=self.statements_max)
        except BaseException:
            self._forget()
            raise
        return Link(raw, now_s=time.monotonic())

    async def _wait(self) -> Link:
        if len(self._waiters) >= self.limits.waiters_max:
            raise Overloaded(f"{len(self._waiters)} requests already wait for {self.address!r}")
        waiter: asyncio.Future[Link | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            # Not wait_for: Python 3.11's swallows a cancellation that meets the hand-over.
            async with asyncio.timeout(self.limits.wait_s_max):
                link = await waiter
        except TimeoutError as error:
            self._leave_line(waiter)
            raise Overloaded(
                f"no connection to {self.address!r} became free in {self.limits.wait_s_max:g} s"
            ) from error
        except asyncio.CancelledError:
            self._leave_line(waiter)
            raise
        # None: a connection was closed, so there is room to open another one.
        return link or await self.acquire()

    def _leave_line(self, waiter: asyncio.Future[Link | None]) -> None:
        """Pass on what was handed over in the same turn of the loop as the end of the wait."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if not waiter.done() or waiter.cancelled():
            return
        handed = waiter.result()
        if handed is not None:
            self.release(handed)
        else:
            self._offer_room()

    async def _recover(self, link: Link, session: AsyncSession | None) -> None:
        try:
            async with asyncio.timeout(_RECOVERY_S_MAX):
                if session is not None:
                    await session.close()
                if link.alchemy is not None and link.alchemy.get_transaction() is not None:
                    # A commit that failed leaves SQLAlchemy's transaction to be rolled back.
                    await link.alchemy.rollback()
                # Always: after a cancelled message the client doesn't know yet what the server
                # made of it. Outside of a transaction this is a warning that nobody reads.
                await link.raw.execute("ROLLBACK")
            if link.alchemy is not None and not link.alchemy.invalidated:
                begin_with(link.alchemy, None)
                adopt_transaction(link.alchemy, None)
        except Exception:  # noqa: BLE001 - whatever it was, the connection can't be trusted, and must be counted out
            link.raw.terminate()
        except asyncio.CancelledError:
            link.raw.terminate()
            self._close(link)
            raise
        self.release(link)

    def _close(self, link: Link) -> None:
        if link.alchemy is not None and not link.alchemy.invalidated:
            # Ends the server connection too, and tells SQLAlchemy so: it would complain about one
            # that merely vanished.
            sync_connection = link.alchemy.sync_connection
            assert sync_connection is not None
            sync_connection.invalidate()
        if not link.raw.is_closed():
            # Nothing is in flight on an idle connection: the server sees the socket close.
            link.raw.terminate()
        self._forget()

    def _forget(self) -> None:
        self.open_count -= 1
        self._budget.open_count -= 1
        self._offer_room()

    def _offer_room(self) -> None:
        """Tell somebody who waits that one more connection may be opened."""
        if self.hand_over(None):
            return
        while self._budget.starving:
            if self._budget.starving.popleft().hand_over(None):
                return

    def hand_over(self, link: Link | None) -> bool:
        """Give a connection, or the room to open one, to whoever waits for the longest time."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(link)
                return True
        return False
