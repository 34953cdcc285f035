"""The shop's next release: everything of the first one, and what its second revision makes."""

from __future__ import annotations

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct
from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Table,
    bindparam,
    insert,
    select,
    true,
)

from examples.store.models import Base
from examples.store.product import product as released
from router.lease import Lease
from router.product import Product
from router.statement import Statement

metadata = MetaData(naming_convention=Base.metadata.naming_convention)
for _table in Base.metadata.sorted_tables:
    _table.to_metadata(metadata)
artist = metadata.tables["artist"]
artist.append_column(Column("born", Integer))
artist.append_column(Column("is_active", Boolean, server_default=true(), nullable=False))
award = Table(
    "award",
    metadata,
    Column("award_id", Integer, Identity(), primary_key=True),
    Column("artist_id", Integer, ForeignKey(artist.c.artist_id), index=True, nullable=False),
)
_STARS = Statement(
    select(artist.c.artist_id, artist.c.name, artist.c.born, artist.c.is_active).order_by(
        artist.c.artist_id
    )
)
_INSERT = Statement(
    insert(award)
    .values(artist_id=bindparam("artist_id", type_=Integer))
    .returning(award.c.award_id)
)


class Star(Struct, frozen=True, kw_only=True):
    artist_id: int
    name: str
    born: int | None
    is_active: bool


class Winner(Struct, frozen=True, kw_only=True):
    artist_id: int


@get("/stars")
async def list_stars(lease: NamedDependency[Lease]) -> list[Star]:
    """Tell old rows with their new columns."""
    return [Star(**row) for row in await lease.fetch(_STARS)]


@post("/awards")
async def write_award(lease: NamedDependency[Lease], data: JSONBody[Winner]) -> dict[str, int]:
    """Let a new row refer to an old one."""
    row = await lease.fetchrow(_INSERT, data.artist_id)
    assert row is not None
    return {"award_id": row["award_id"]}


product = Product(
    name="store",
    metadata=metadata,
    routes=[*released.routes, list_stars, write_award],
    revisions="tests/migrations/olddata/revisions",
)
