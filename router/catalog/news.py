"""News of the catalog: a LISTEN that outlives every interruption and never hides a gap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import asyncpg
import structlog

from router.catalog.catalog import translated
from router.errors import CatalogUnreachable, PlatformError

if TYPE_CHECKING:
    from router.catalog.catalog import Catalog
    from router.connect import Connection

DIRECTORY_CHANNEL = "stepwell_directory"
OPERATION_CHANNEL = "stepwell_operation"
MOVE_CHANNEL = "stepwell_move"
_RETRY_S_MIN = 0.1
_RETRY_S_MAX = 2.0
#: A connection that a firewall forgot looks alive for ever, unless it is asked.
_HEARTBEAT_S = 5.0
_log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Whoever wants the news."""

    def heard(self, payload: str) -> None:
        """Take one message; must return at once."""
        ...

    async def connected(self) -> None:
        """Read everything again: what was said before this moment was missed."""
        ...

    def lost(self, error: PlatformError) -> None:
        """Know that nothing is heard any more, until ``connected``."""
        ...


async def follow(catalog: Catalog, channel: str, listener: Listener) -> None:
    """Listen until cancelled, over a direct connection, through every interruption."""
    retry_s = _RETRY_S_MIN
    while True:
        try:
            connection = await catalog.listen()
            try:
                with translated(catalog.address):
                    lost = await _listen(connection, channel, listener)
                    await listener.connected()
                    retry_s = _RETRY_S_MIN
                    await _stay(connection, lost)
            finally:
                connection.terminate()
        except PlatformError as error:
            _log.warning("listening_interrupted", channel=channel, reason=error.detail)
            listener.lost(error)
        except asyncpg.PostgresError as error:
            _log.warning("listening_interrupted", channel=channel, reason=str(error))
            listener.lost(CatalogUnreachable(f"the catalog can't be read: {error}"))
        await asyncio.sleep(retry_s)
        retry_s = min(retry_s * 2, _RETRY_S_MAX)


async def _listen(connection: Connection, channel: str, listener: Listener) -> asyncio.Event:
    lost = asyncio.Event()

    def heard(*message: object) -> None:
        listener.heard(str(message[-1]))

    def ended(_: object) -> None:
        lost.set()

    connection.add_termination_listener(ended)
    await connection.add_listener(channel, heard)
    return lost


async def _stay(connection: Connection, lost: asyncio.Event) -> None:
    while not lost.is_set():
        # Not wait_for: Python 3.11's swallows a cancellation that meets a result.
        try:
            async with asyncio.timeout(_HEARTBEAT_S):
                await lost.wait()
        except TimeoutError:
            try:
                async with asyncio.timeout(_HEARTBEAT_S):
                    await connection.execute("SELECT 1")
            except asyncpg.InterfaceError as error:
                raise ConnectionResetError(str(error)) from error
    raise ConnectionResetError("the listening connection ended")
