"""Revisions whose Python asks the database: run in each place, with Alembic over its connection."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from router.catalog.wave_words import Direction
from router.connect import tls
from router.names import quote

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from types import ModuleType

    from sqlalchemy import Connection as SyncConnection

    from router.connect import Address, Connection


@asynccontextmanager
async def transaction(
    address: Address, schema: str
) -> AsyncGenerator[tuple[Connection, Callable[[ModuleType, Direction], Awaitable[None]]]]:
    """Lend a transaction as asyncpg's own connection, and what runs a revision's Python in it."""
    url = URL.create(
        "postgresql+asyncpg",
        username=address.user,
        password=address.password,
        host=address.host,
        port=address.port,
        database=address.database,
    )
    # The dialect remembers the schema that it found first, so each place has its own engine.
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        connect_args={"ssl": tls(address), "server_settings": {"search_path": quote(schema)}},
    )
    try:
        async with engine.begin() as connection:
            # SQLAlchemy begins a transaction with the first statement that it sends itself.
            await connection.exec_driver_sql("SELECT 1")
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None

            async def run(module: ModuleType, direction: Direction) -> None:
                await connection.run_sync(_run, module, direction)

            yield driver, run
    finally:
        await engine.dispose()


def _run(connection: SyncConnection, module: ModuleType, direction: Direction) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        if direction is Direction.UP:
            module.upgrade()
        else:
            module.downgrade()
