"""The product that is measured: the shop's tables, and an artist's routes in both lanes."""

from __future__ import annotations

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from msgspec import Struct
from sqlalchemy import Integer, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.store.models import Artist, Base
from router.lease import Lease
from router.product import Product
from router.statement import Statement

PAGE_ITEMS = 20
_POINT = Statement(
    select(Artist.artist_id, Artist.name).where(Artist.artist_id == bindparam("id", type_=Integer))
)
_LIST = Statement(
    select(Artist.artist_id, Artist.name)
    .where(Artist.artist_id > bindparam("after", type_=Integer))
    .order_by(Artist.artist_id)
    .limit(PAGE_ITEMS)
)
_INSERT = Statement(
    insert(Artist).values(name=bindparam("name")).returning(Artist.artist_id, Artist.name)
)


class ArtistRow(Struct, frozen=True, kw_only=True):
    artist_id: int
    name: str


class NewArtist(Struct, frozen=True, kw_only=True):
    name: str


@get("/artists/{artist_id:int}")
async def fast_point(lease: NamedDependency[Lease], artist_id: FromPath[int]) -> ArtistRow:
    record = await lease.fetchrow(_POINT, artist_id)
    if record is None:
        raise NotFoundException
    return ArtistRow(artist_id=record[0], name=record[1])


@get("/artists/after/{after:int}")
async def fast_list(lease: NamedDependency[Lease], after: FromPath[int]) -> list[ArtistRow]:
    records = await lease.fetch(_LIST, after)
    return [ArtistRow(artist_id=record[0], name=record[1]) for record in records]


@post("/artists")
async def fast_insert(lease: NamedDependency[Lease], data: JSONBody[NewArtist]) -> ArtistRow:
    record = await lease.fetchrow(_INSERT, data.name)
    assert record is not None
    return ArtistRow(artist_id=record[0], name=record[1])


@get("/artists/{artist_id:int}")
async def session_point(
    session: NamedDependency[AsyncSession], artist_id: FromPath[int]
) -> ArtistRow:
    artist = await session.get(Artist, artist_id)
    if artist is None:
        raise NotFoundException
    return ArtistRow(artist_id=artist.artist_id, name=artist.name)


@get("/artists/after/{after:int}")
async def session_list(
    session: NamedDependency[AsyncSession], after: FromPath[int]
) -> list[ArtistRow]:
    page = select(Artist).where(Artist.artist_id > after).order_by(Artist.artist_id)
    artists = await session.scalars(page.limit(PAGE_ITEMS))
    return [ArtistRow(artist_id=artist.artist_id, name=artist.name) for artist in artists]


@post("/artists")
async def session_insert(
    session: NamedDependency[AsyncSession], data: JSONBody[NewArtist]
) -> ArtistRow:
    artist = Artist(name=data.name)
    session.add(artist)
    await session.flush()
    return ArtistRow(artist_id=artist.artist_id, name=artist.name)


#: The floor serves these very handlers over an engine of its own.
SESSION_ROUTES = [session_point, session_list, session_insert]

product = Product(
    name="bench",
    metadata=Base.metadata,
    routes=[
        Router(path="/fast", route_handlers=[fast_point, fast_list, fast_insert]),
        Router(path="/convenient", route_handlers=[*SESSION_ROUTES]),
    ],
    revisions="examples/store/revisions",
)
