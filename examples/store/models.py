"""The eleven tables of the Chinook data model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from sqlalchemy import CheckConstraint, ForeignKey, Identity, MetaData, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from examples.store.columns import (
    COLUMN_TYPES,
    Count,
    Moment,
    Money,
    Quantity,
    Text10,
    Text20,
    Text24,
    Text30,
    Text40,
    Text60,
    Text70,
    Text80,
    Text120,
    Text160,
    Text200,
    Text220,
)

Key = Annotated[int, mapped_column(Identity(), primary_key=True)]


def now() -> datetime:
    """The shop's clock is UTC without saying so, as Chinook's is."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


class Base(DeclarativeBase):
    """Every rule has a name, so that an error and a revision can say which one they mean."""

    type_annotation_map = COLUMN_TYPES
    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_exists",
            "uq": "%(table_name)s_%(column_0_N_name)s_is_unique",
            "ck": "%(table_name)s_%(constraint_name)s",
            "ix": "%(table_name)s_by_%(column_0_N_name)s",
        }
    )


class Genre(Base):
    """What a track sounds like."""

    __tablename__ = "genre"
    genre_id: Mapped[Key]
    name: Mapped[Text120] = mapped_column(unique=True)


class MediaType(Base):
    """The format a track is sold in."""

    __tablename__ = "media_type"
    media_type_id: Mapped[Key]
    name: Mapped[Text120] = mapped_column(unique=True)


class Artist(Base):
    """Who made an album."""

    __tablename__ = "artist"
    artist_id: Mapped[Key]
    name: Mapped[Text120]


class Album(Base):
    """Tracks that were published together."""

    __tablename__ = "album"
    album_id: Mapped[Key]
    title: Mapped[Text160]
    artist_id: Mapped[int] = mapped_column(ForeignKey(Artist.artist_id), index=True)


class Track(Base):
    """One recording, at a price."""

    __tablename__ = "track"
    __table_args__ = (
        CheckConstraint("milliseconds >= 0", name="milliseconds_is_not_negative"),
        CheckConstraint("bytes >= 0", name="bytes_is_not_negative"),
        CheckConstraint("unit_price >= 0", name="unit_price_is_not_negative"),
    )
    track_id: Mapped[Key]
    name: Mapped[Text200]
    album_id: Mapped[int | None] = mapped_column(ForeignKey(Album.album_id), index=True)
    media_type_id: Mapped[int] = mapped_column(ForeignKey(MediaType.media_type_id), index=True)
    genre_id: Mapped[int | None] = mapped_column(ForeignKey(Genre.genre_id), index=True)
    composer: Mapped[Text220 | None]
    milliseconds: Mapped[Count]
    bytes: Mapped[Count | None]
    unit_price: Mapped[Money]


class Employee(Base):
    """Somebody who works for the shop, and for whom."""

    __tablename__ = "employee"
    employee_id: Mapped[Key]
    last_name: Mapped[Text20]
    first_name: Mapped[Text20]
    title: Mapped[Text30 | None]
    reports_to: Mapped[int | None] = mapped_column(
        ForeignKey("employee.employee_id", ondelete="SET NULL"), index=True
    )
    birth_date: Mapped[Moment | None]
    hire_date: Mapped[Moment | None]
    address: Mapped[Text70 | None]
    city: Mapped[Text40 | None]
    state: Mapped[Text40 | None]
    country: Mapped[Text40 | None]
    postal_code: Mapped[Text10 | None]
    phone: Mapped[Text24 | None]
    fax: Mapped[Text24 | None]
    email: Mapped[Text60 | None]


class Customer(Base):
    """Somebody who buys, and who looks after them."""

    __tablename__ = "customer"
    customer_id: Mapped[Key]
    first_name: Mapped[Text40]
    last_name: Mapped[Text20]
    company: Mapped[Text80 | None]
    address: Mapped[Text70 | None]
    city: Mapped[Text40 | None]
    state: Mapped[Text40 | None]
    country: Mapped[Text40 | None]
    postal_code: Mapped[Text10 | None]
    phone: Mapped[Text24 | None]
    fax: Mapped[Text24 | None]
    email: Mapped[Text60] = mapped_column(unique=True)
    support_rep_id: Mapped[int | None] = mapped_column(
        ForeignKey(Employee.employee_id, ondelete="SET NULL"), index=True
    )


class Invoice(Base):
    """One purchase; the address is the one of that day."""

    __tablename__ = "invoice"
    __table_args__ = (CheckConstraint("total >= 0", name="total_is_not_negative"),)
    invoice_id: Mapped[Key]
    customer_id: Mapped[int] = mapped_column(ForeignKey(Customer.customer_id), index=True)
    invoice_date: Mapped[Moment] = mapped_column(default=now)
    billing_address: Mapped[Text70 | None]
    billing_city: Mapped[Text40 | None]
    billing_state: Mapped[Text40 | None]
    billing_country: Mapped[Text40 | None]
    billing_postal_code: Mapped[Text10 | None]
    total: Mapped[Money]
    lines: Mapped[list[InvoiceLine]] = relationship(
        lazy="raise", order_by="InvoiceLine.invoice_line_id", passive_deletes=True
    )


class InvoiceLine(Base):
    """One track of a purchase, at the price of that day."""

    __tablename__ = "invoice_line"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_is_positive"),
        CheckConstraint("unit_price >= 0", name="unit_price_is_not_negative"),
    )
    invoice_line_id: Mapped[Key]
    invoice_id: Mapped[int] = mapped_column(
        ForeignKey(Invoice.invoice_id, ondelete="CASCADE"), index=True
    )
    track_id: Mapped[int] = mapped_column(ForeignKey(Track.track_id), index=True)
    unit_price: Mapped[Money]
    quantity: Mapped[Quantity]


class Playlist(Base):
    """Tracks in a row that somebody named."""

    __tablename__ = "playlist"
    playlist_id: Mapped[Key]
    name: Mapped[Text120]
    tracks: Mapped[list[Track]] = relationship(
        secondary="playlist_track", lazy="raise", passive_deletes=True
    )


class PlaylistTrack(Base):
    """That a track is on a playlist."""

    __tablename__ = "playlist_track"
    playlist_id: Mapped[int] = mapped_column(
        ForeignKey(Playlist.playlist_id, ondelete="CASCADE"), primary_key=True
    )
    track_id: Mapped[int] = mapped_column(
        ForeignKey(Track.track_id, ondelete="CASCADE"), primary_key=True, index=True
    )


def table_of(model: type[Base]) -> Table:
    """The table behind a model: its columns, keys and rules."""
    return model.metadata.tables[model.__tablename__]


# A table stands after those it refers to: this is the order in which files can be loaded.
TABLES: Final[dict[str, type[Base]]] = {
    table.__tablename__: table
    for table in (
        Genre,
        MediaType,
        Artist,
        Album,
        Track,
        Employee,
        Customer,
        Invoice,
        InvoiceLine,
        Playlist,
        PlaylistTrack,
    )
}
