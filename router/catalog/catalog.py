"""The way into the catalog's database, and the one place where its silence gets a name."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import asyncpg
import msgspec

from router.connect import connect
from router.errors import (
    CatalogUnreachable,
    Conflict,
    DatabaseUnreachable,
    Misconfigured,
    Unprocessable,
)
from router.pool import Budget, Pool, PoolLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from router.connect import Address, Connection
    from router.pool import Link

#: How long a piece of work on the catalog may take, the wait for a connection included.
WORK_S_MAX = 10.0
CONNECTIONS_MAX = 8
PAGE_ITEMS_MAX = 200

_ItemT = TypeVar("_ItemT")
_SILENCE = (
    OSError,
    TimeoutError,
    DatabaseUnreachable,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    # What asyncpg says where the server's farewell arrived before the end of the connection.
    asyncpg.InternalClientError,
    # Another process migrated the catalog under a statement that this one had prepared.
    asyncpg.InvalidCachedStatementError,
)
_OTHER_SHAPE = (
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedTableError,
)


class Page(msgspec.Struct, Generic[_ItemT], frozen=True, kw_only=True):
    """Some items of a list; ``next`` is the cursor of what follows, None at the end."""

    items: tuple[_ItemT, ...]
    next: str | None = None


class Catalog:
    """Lends connections to the catalog's database.

    ``direct`` is its address without a pooler in between, for LISTEN, which a pooler in
    transaction mode would lose; only needed when ``address`` is a pooler's.
    """

    def __init__(
        self,
        address: Address,
        *,
        direct: Address | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.address = address
        self._direct = direct or address
        limits = PoolLimits(
            size_max=connections_max,
            # A statement that was prepared on one server connection may be unknown to the next.
            statements_max=0 if direct else 200,
        )
        self._pool = Pool(address, limits, Budget(connections_max))

    async def close(self) -> None:
        """Close every connection that nobody uses."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self, *, work_s_max: float = WORK_S_MAX) -> AsyncGenerator[Connection]:
        """Lend a connection for single statements. Nothing but the catalog's work belongs inside.

        Raises CatalogUnreachable when the catalog is silent, as ``transaction`` does.
        """
        with translated(self.address):
            async with asyncio.timeout(work_s_max):
                link = await self._pool.acquire()
                try:
                    yield link.raw
                except asyncio.CancelledError:
                    if not link.raw.is_in_transaction():
                        # It may be in one by now, as a BEGIN may be what was interrupted.
                        link.raw.terminate()
                    raise
                except asyncpg.InterfaceError as error:
                    if link.raw.is_closed():
                        # asyncpg's word for a connection that died before this statement.
                        raise ConnectionResetError(str(error)) from error
                    raise
                except asyncpg.InternalClientError:
                    # It may not look closed yet, and must not be lent again.
                    link.raw.terminate()
                    raise
                finally:
                    self._take_back(link)

    @asynccontextmanager
    async def transaction(self, *, work_s_max: float = WORK_S_MAX) -> AsyncGenerator[Connection]:
        """Lend a connection inside one transaction: all of it is kept, or after an error nothing.

        What fails inside must leave the block: a transaction with a failed statement keeps nothing.
        """
        async with self.connection(work_s_max=work_s_max) as connection:
            # Not asyncpg's own transactions: they wait for a ROLLBACK even from a dead server.
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            yield connection
            if await connection.execute("COMMIT") == "ROLLBACK":
                raise Conflict("a statement of this transaction failed, so nothing of it was kept")

    async def listen(self) -> Connection:
        """Open a direct connection for LISTEN; the caller ends it with ``terminate``."""
        with translated(self._direct):
            return await connect(self._direct, purpose="listener")

    def _take_back(self, link: Link) -> None:
        if link.raw.is_closed() or not link.raw.is_in_transaction():
            self._pool.release(link)
        else:
            self._pool.recover(link)


@contextmanager
def translated(address: Address) -> Generator[None]:
    """Name what PostgreSQL and asyncpg say: the one place that does."""
    try:
        yield
    except _SILENCE as error:
        reason = str(error) or type(error).__name__
        raise CatalogUnreachable(f"the catalog at {address!r} doesn't answer: {reason}") from error
    except _OTHER_SHAPE as error:
        raise Misconfigured(
            f"the catalog at {address!r} is of another version ({error}): "
            "run `stepwell migrate catalog`"
        ) from error
    except asyncpg.DataError as error:
        # NUL in a text, half of a surrogate pair, a number that is too large.
        raise Unprocessable(f"a value can't be stored: {error}") from error
