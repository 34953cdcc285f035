"""Notes that grew: a table and two later revisions, so that there is something to migrate."""

from __future__ import annotations

from sqlalchemy import Identity, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from router.product import Product


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={"pk": "%(table_name)s_key"})


class Note(Base):
    __tablename__ = "note"
    note_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    text: Mapped[str]
    mood: Mapped[str | None]
    stars: Mapped[int | None]


product = Product(
    name="diary", metadata=Base.metadata, routes=[], revisions="tests/migrations/calls/revisions"
)
