"""A product with every kind of column, key and rule that the stored form must carry."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Computed,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Time,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, INT4RANGE, JSONB, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    metadata = MetaData()


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Country(Base):
    __tablename__ = "country"
    __table_args__ = ({"info": {"reference": True}},)
    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str]


class Person(Base):
    """Refers to itself, to a team that refers back, and to a reference table."""

    __tablename__ = "person"
    __table_args__ = (
        ForeignKeyConstraint(
            ["team_id"], ["team.team_id"], name="person_team_exists", use_alter=True
        ),
        Index("person_by_lower_name", text("lower(name)")),
        Index(
            "one_captain_a_team",
            "team_id",
            unique=True,
            postgresql_where="is_captain",
        ),
    )
    person_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    is_captain: Mapped[bool] = mapped_column(Boolean, server_default="false")
    mentor_id: Mapped[int | None] = mapped_column(
        ForeignKey("person.person_id", ondelete="SET NULL")
    )
    team_id: Mapped[int | None]
    country: Mapped[str | None] = mapped_column(ForeignKey("country.code"))
    mentor: Mapped[Person | None] = relationship(remote_side=[person_id])


class Team(Base):
    __tablename__ = "team"
    team_id: Mapped[int] = mapped_column(SmallInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    leader_id: Mapped[int | None] = mapped_column(ForeignKey("person.person_id"))


class Place(Base):
    """A natural key of two columns, and a child that refers to both."""

    __tablename__ = "place"
    __table_args__ = (UniqueConstraint("label", "floor", postgresql_nulls_not_distinct=True),)
    building: Mapped[str] = mapped_column(primary_key=True)
    room: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str | None]
    floor: Mapped[int | None]


class Booking(Base):
    __tablename__ = "booking"
    __table_args__ = (
        ForeignKeyConstraint(
            ["building", "room"], ["place.building", "place.room"], ondelete="CASCADE"
        ),
        CheckConstraint("upper(hours) > lower(hours)", name="booking_has_hours"),
    )
    booking_id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    building: Mapped[str]
    room: Mapped[int]
    hours: Mapped[Range[int]] = mapped_column(INT4RANGE)


class Thing(Base):
    """One of every type."""

    __tablename__ = "thing"
    thing_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    amount: Mapped[Decimal | None] = mapped_column(Numeric(20, 6))
    ratio: Mapped[float | None] = mapped_column(Double)
    day: Mapped[date | None]
    moment: Mapped[datetime | None]
    clock: Mapped[time | None] = mapped_column(Time)
    spent: Mapped[timedelta | None] = mapped_column(Interval)
    blob: Mapped[bytes | None] = mapped_column(LargeBinary)
    words: Mapped[list[str] | None] = mapped_column(ARRAY(String))
    grid: Mapped[list[list[int]] | None] = mapped_column(ARRAY(SmallInteger, dimensions=2))
    document: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    host: Mapped[str | None] = mapped_column(INET)
    mood: Mapped[Mood | None] = mapped_column(Enum(Mood, name="mood"))
    doubled: Mapped[Decimal | None] = mapped_column(Numeric, Computed("amount * 2", persisted=True))
