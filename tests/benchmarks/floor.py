"""The floor: the same handlers over one plain database, with no tenancy around them."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
from litestar import Litestar, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from litestar.plugins.prometheus import PrometheusConfig
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.benchmarks.product import PAGE_ITEMS, SESSION_ROUTES, ArtistRow, NewArtist
from web.problems import handlers_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from asyncpg.pool import PoolConnectionProxy
    from litestar.types import ControllerRouterHandler

POOL_SIZE = 10
_POINT = "SELECT artist_id, name FROM raw_artist WHERE tenant_id = $1 AND artist_id = $2"
_LIST = """
    SELECT artist_id, name FROM raw_artist WHERE tenant_id = $1 AND artist_id > $2
    ORDER BY artist_id LIMIT $3
"""
_INSERT = "INSERT INTO raw_artist (tenant_id, name) VALUES ($1, $2) RETURNING artist_id, name"


class Raw:
    """What raw handlers share: the pool, and one of many owners of rows at random."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.pool: asyncpg.Pool[asyncpg.Record] | None = None
        self.owners: list[UUID] = []

    async def open(self) -> None:
        self.pool = await asyncpg.create_pool(
            self.dsn, min_size=1, max_size=POOL_SIZE, reset=_leave, ssl=False
        )
        found = await self.pool.fetch("SELECT DISTINCT tenant_id FROM raw_artist")
        self.owners = [record[0] for record in found]

    async def close(self) -> None:
        if self.pool is not None:
            await self.pool.close()

    def owner(self) -> UUID:
        return random.choice(self.owners)


async def _leave(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Reset nothing: asyncpg's own reset would be one more round trip for each request."""


def _row(record: asyncpg.Record | None) -> ArtistRow:
    if record is None:
        raise NotFoundException
    return ArtistRow(artist_id=record[0], name=record[1])


def autocommit(raw: Raw) -> list[ControllerRouterHandler]:
    """The least that a request over asyncpg can cost."""

    @get("/artists/{artist_id:int}")
    async def point(artist_id: FromPath[int]) -> ArtistRow:
        assert raw.pool is not None
        async with raw.pool.acquire() as connection:
            return _row(await connection.fetchrow(_POINT, raw.owner(), artist_id))

    @get("/artists/after/{after:int}")
    async def page(after: FromPath[int]) -> list[ArtistRow]:
        assert raw.pool is not None
        async with raw.pool.acquire() as connection:
            records = await connection.fetch(_LIST, raw.owner(), after, PAGE_ITEMS)
            return [ArtistRow(artist_id=record[0], name=record[1]) for record in records]

    @post("/artists")
    async def add(data: JSONBody[NewArtist]) -> ArtistRow:
        assert raw.pool is not None
        async with raw.pool.acquire() as connection:
            return _row(await connection.fetchrow(_INSERT, raw.owner(), data.name))

    return [point, page, add]


def bare_transaction(raw: Raw) -> list[ControllerRouterHandler]:
    """The same in BEGIN and COMMIT, as any request with two statements needs it."""

    @get("/artists/{artist_id:int}")
    async def point(artist_id: FromPath[int]) -> ArtistRow:
        assert raw.pool is not None
        async with raw.pool.acquire() as connection, connection.transaction():
            return _row(await connection.fetchrow(_POINT, raw.owner(), artist_id))

    @get("/artists/after/{after:int}")
    async def page(after: FromPath[int]) -> list[ArtistRow]:
        assert raw.pool is not None
        async with raw.pool.acquire() as connection, connection.transaction():
            records = await connection.fetch(_LIST, raw.owner(), after, PAGE_ITEMS)
            return [ArtistRow(artist_id=record[0], name=record[1]) for record in records]

    @post("/artists")
    async def add(data: JSONBody[NewArtist]) -> ArtistRow:
        assert raw.pool is not None
        async with raw.pool.acquire() as connection, connection.transaction():
            return _row(await connection.fetchrow(_INSERT, raw.owner(), data.name))

    return [point, page, add]


class Opened:
    """A transaction that is given to a handler, as the gateway gives it a lease."""

    __slots__ = ("connection", "owner")

    def __init__(self, connection: PoolConnectionProxy[asyncpg.Record], owner: UUID) -> None:
        self.connection = connection
        self.owner = owner


def transaction(raw: Raw) -> Router:
    """The gateway's own handlers: each is given its transaction, which is committed behind it."""

    async def opened() -> AsyncGenerator[Opened, None]:
        assert raw.pool is not None
        async with raw.pool.acquire() as connection, connection.transaction():
            yield Opened(connection, raw.owner())

    @get("/artists/{artist_id:int}")
    async def point(opened: NamedDependency[Opened], artist_id: FromPath[int]) -> ArtistRow:
        return _row(await opened.connection.fetchrow(_POINT, opened.owner, artist_id))

    @get("/artists/after/{after:int}")
    async def page(opened: NamedDependency[Opened], after: FromPath[int]) -> list[ArtistRow]:
        records = await opened.connection.fetch(_LIST, opened.owner, after, PAGE_ITEMS)
        return [ArtistRow(artist_id=record[0], name=record[1]) for record in records]

    @post("/artists")
    async def add(opened: NamedDependency[Opened], data: JSONBody[NewArtist]) -> ArtistRow:
        return _row(await opened.connection.fetchrow(_INSERT, opened.owner, data.name))

    return Router(
        path="/transaction",
        route_handlers=[point, page, add],
        dependencies={"opened": Provide(opened)},
    )


def create_floor(dsn: str) -> Litestar:
    """Make the application of the floor, with the gateway's own middleware around its handlers."""
    raw = Raw(dsn)
    engine = create_async_engine(
        dsn.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=POOL_SIZE
    )
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def session() -> AsyncGenerator[AsyncSession, None]:
        async with sessions.begin() as opened:
            yield opened

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        await raw.open()
        try:
            yield
        finally:
            await raw.close()
            await engine.dispose()

    return Litestar(
        route_handlers=[
            Router(path="/autocommit", route_handlers=autocommit(raw)),
            Router(path="/bare", route_handlers=bare_transaction(raw)),
            transaction(raw),
            Router(
                path="/session",
                route_handlers=[*SESSION_ROUTES],
                dependencies={"session": Provide(session)},
            ),
        ],
        lifespan=[lifespan],
        middleware=[
            PrometheusConfig(app_name="stepwell", prefix="stepwell", group_path=True).middleware
        ],
        exception_handlers=handlers_of("http://localhost"),
        openapi_config=None,
        request_max_body_size=None,
        logging_config=None,
    )
