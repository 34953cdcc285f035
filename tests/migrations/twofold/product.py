"""A product whose newest revision is not everywhere yet: routes that do without it, and others."""

from __future__ import annotations

from collections.abc import AsyncIterator

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Stream
from msgspec import Struct
from sqlalchemy import Identity, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from router.lease import Lease
from router.product import Product


class Base(DeclarativeBase):
    """The tables as the newest revision has them."""


class Book(Base):
    __tablename__ = "book"
    book_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str] = mapped_column(Text())
    pages: Mapped[int | None]


class Shelf(Base):
    __tablename__ = "shelf"
    shelf_id: Mapped[int] = mapped_column(Identity(), primary_key=True)


class NewBook(Struct, frozen=True, kw_only=True):
    title: str


_INSERT = "INSERT INTO book (title) VALUES ($1) RETURNING title"


@get("/books")
async def list_books(session: NamedDependency[AsyncSession]) -> list[str]:
    """Ask by the session, for what both revisions have."""
    return list(await session.scalars(select(Book.title).order_by(Book.book_id)))


@get("/titles")
async def list_titles(lease: NamedDependency[Lease]) -> list[str]:
    """Ask by a text that names no schema, behind a statement that has begun the transaction."""
    await lease.fetchrow("SELECT count(*) FROM book")
    return [row["title"] for row in await lease.fetch("SELECT title FROM book ORDER BY book_id")]


@get("/stream")
async def stream_titles(lease: NamedDependency[Lease]) -> Stream:
    """Tell titles line by line."""
    return Stream(_lines(lease))


@get("/stream-behind")
async def stream_behind(lease: NamedDependency[Lease]) -> Stream:
    """Tell them behind a statement that has begun the transaction."""
    await lease.fetchrow("SELECT count(*) FROM book")
    return Stream(_lines(lease))


async def _lines(lease: Lease) -> AsyncIterator[str]:
    async for row in lease.stream("SELECT title FROM book ORDER BY book_id"):
        yield f"{row['title']}\n"


@post("/books")
async def write_book(lease: NamedDependency[Lease], data: JSONBody[NewBook]) -> NewBook:
    """Write what both revisions have, by a text that is the same in all schemas."""
    row = await lease.fetchrow(_INSERT, data.title)
    assert row is not None
    return NewBook(title=row["title"])


@post("/volumes")
async def write_volume(lease: NamedDependency[Lease], data: JSONBody[NewBook]) -> NewBook:
    """Write behind a statement that has begun the transaction."""
    await lease.fetchrow("SELECT count(*) FROM book")
    row = await lease.fetchrow(_INSERT, data.title)
    assert row is not None
    return NewBook(title=row["title"])


@get("/pages")
async def count_pages(session: NamedDependency[AsyncSession]) -> list[int | None]:
    """Ask for a column of the newest revision."""
    return list(await session.scalars(select(Book.pages)))


@get("/shelves")
async def list_shelves(lease: NamedDependency[Lease]) -> int:
    """Ask for a table of the newest revision."""
    return len(await lease.fetch("SELECT shelf_id FROM shelf"))


@get("/mistake")
async def ask_for_nothing(lease: NamedDependency[Lease]) -> int:
    """Ask for what no revision has."""
    return len(await lease.fetch("SELECT colour FROM book"))


product = Product(
    name="twofold",
    metadata=Base.metadata,
    routes=[
        list_books,
        list_titles,
        stream_titles,
        stream_behind,
        write_book,
        write_volume,
        count_pages,
        list_shelves,
        ask_for_nothing,
    ],
    revisions="tests/migrations/twofold/revisions",
)
