"""The administrator's connections of one migration: some are kept open, so that work goes on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from router.connect import connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Connection
    from router.fleet import Fleet

#: Connections that nobody uses now: who looked at a database soon works there.
IDLE_MAX = 32


class Crew:
    """Connections by database; where there are too many, the newest makes room."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._idle: list[tuple[tuple[str, str], Connection]] = []

    @asynccontextmanager
    async def connection(self, cluster: str, database: str) -> AsyncGenerator[Connection]:
        """Lend a connection; one that something went wrong on isn't kept."""
        connection = self._take((cluster, database))
        if connection is None:
            address = self._fleet.admin_address(cluster, database)
            connection = await connect(address, purpose="migration")
        is_well = False
        try:
            yield connection
            is_well = not connection.is_closed() and not connection.is_in_transaction()
        finally:
            if is_well:
                if len(self._idle) >= IDLE_MAX:
                    # Databases are come to in turn: those that were first come first again.
                    self._idle.pop()[1].terminate()
                self._idle.append(((cluster, database), connection))
            else:
                connection.terminate()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].terminate()

    def _take(self, wanted: tuple[str, str]) -> Connection | None:
        for number in range(len(self._idle) - 1, -1, -1):
            database, connection = self._idle[number]
            if database == wanted:
                del self._idle[number]
                if not connection.is_closed():
                    return connection
        return None
