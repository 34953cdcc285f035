"""A product of what is hard to copy: keys that need quoting, values with no binary form, loops."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    Computed,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REGCLASS
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData()


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Country(Base):
    __tablename__ = "country"
    __table_args__ = ({"info": {"reference": True}},)
    code: Mapped[str] = mapped_column(String(2), primary_key=True)


class Word(Base):
    """A key of text; a value of every awkward type that has a binary form."""

    __tablename__ = "word"
    word: Mapped[str] = mapped_column(primary_key=True)
    moods: Mapped[list[Mood] | None] = mapped_column(ARRAY(Enum(Mood, name="mood")))
    document: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    blob: Mapped[bytes | None] = mapped_column(LargeBinary)
    size: Mapped[int | None] = mapped_column(Computed("length(word)", persisted=True))


class Reading(Base):
    """A key of three columns and types; one of them has a name that needs quotes."""

    __tablename__ = "reading"
    sensor: Mapped[str] = mapped_column(String(20), primary_key=True)
    at: Mapped[datetime] = mapped_column('At "it"', DateTime(timezone=True), primary_key=True)
    share: Mapped[Decimal] = mapped_column(Numeric, primary_key=True)
    value: Mapped[float | None] = mapped_column(Double)


class Node(Base):
    """Refers to itself and to a table that refers back."""

    __tablename__ = "node"
    __table_args__ = (
        Index("one_root_a_label", "label", unique=True, postgresql_where="parent_id IS NULL"),
        UniqueConstraint("parent_id", "position", deferrable=True, initially="DEFERRED"),
        ForeignKeyConstraint(["head_id"], ["part.part_id"], name="node_head", use_alter=True),
    )
    node_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    label: Mapped[str]
    position: Mapped[int | None]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.node_id", ondelete="SET NULL"))
    head_id: Mapped[int | None]
    country: Mapped[str | None] = mapped_column(ForeignKey("country.code"))


class Part(Base):
    __tablename__ = "part"
    part_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("node.node_id", ondelete="CASCADE"), index=True)


class Pointer(Base):
    """PostgreSQL sends this type as a number that means nothing in another database."""

    __tablename__ = "pointer"
    pointer_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    relation: Mapped[str] = mapped_column(REGCLASS)
