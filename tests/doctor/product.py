"""A lending library: small, with everything that a rule can be about."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import ForeignKey, Identity, Index, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from router.product import Product

Key = Annotated[int, mapped_column(Identity(), primary_key=True)]


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_exists",
            "uq": "%(table_name)s_%(column_0_N_name)s_is_unique",
            "ix": "%(table_name)s_by_%(column_0_N_name)s",
        }
    )


class Country(Base):
    __tablename__ = "country"
    __table_args__ = {"info": {"reference": True}}  # noqa: RUF012 - SQLAlchemy reads it so
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Author(Base):
    __tablename__ = "author"
    author_id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    country: Mapped[str | None] = mapped_column(ForeignKey(Country.code))
    teacher: Mapped[int | None] = mapped_column(ForeignKey("author.author_id", ondelete="SET NULL"))


class Book(Base):
    __tablename__ = "book"
    __table_args__ = (Index(None, "title"),)
    book_id: Mapped[Key]
    author_id: Mapped[int] = mapped_column(ForeignKey(Author.author_id))
    title: Mapped[str]


class Shelf(Base):
    __tablename__ = "shelf"
    book_id: Mapped[int] = mapped_column(ForeignKey(Book.book_id), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)


product = Product(
    name="library",
    metadata=Base.metadata,
    routes=[],
    revisions="tests/doctor/revisions",
)
