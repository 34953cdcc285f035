"""What the routes take and give, one struct a use: the row, a new row, a change to a row."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from examples.store.columns import (
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
    Whole,
    is_money,
)

LINES_MAX = 200

Item = TypeVar("Item")


class Page(Struct, Generic[Item], frozen=True, kw_only=True):
    """Some rows in key order; `next` continues after them and is null at the end."""

    items: list[Item]
    next: str | None


class Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that somebody sent: fields that are not ours are refused, and so is odd money."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: object = getattr(self, name)
            if isinstance(value, Decimal) and not is_money(value):
                message = f"{name} must be an amount from 0 to 99999999.99 in whole cents"
                raise ValueError(message)


class GenreRow(Struct, frozen=True, kw_only=True):
    """A genre as it is stored."""

    genre_id: int
    name: str


class NewGenre(Given, frozen=True, kw_only=True):
    """A genre to be stored; the database numbers it."""

    name: Text120


class GenreChange(Given, frozen=True, kw_only=True):
    """What to change about a genre; what is left out stays."""

    name: Text120 | UnsetType = UNSET


class MediaTypeRow(Struct, frozen=True, kw_only=True):
    """A media type as it is stored."""

    media_type_id: int
    name: str


class NewMediaType(Given, frozen=True, kw_only=True):
    """A media type to be stored; the database numbers it."""

    name: Text120


class MediaTypeChange(Given, frozen=True, kw_only=True):
    """What to change about a media type; what is left out stays."""

    name: Text120 | UnsetType = UNSET


class ArtistRow(Struct, frozen=True, kw_only=True):
    """An artist as it is stored."""

    artist_id: int
    name: str


class NewArtist(Given, frozen=True, kw_only=True):
    """An artist to be stored; the database numbers it."""

    name: Text120


class ArtistChange(Given, frozen=True, kw_only=True):
    """What to change about an artist; what is left out stays."""

    name: Text120 | UnsetType = UNSET


class AlbumRow(Struct, frozen=True, kw_only=True):
    """An album as it is stored."""

    album_id: int
    title: str
    artist_id: int


class NewAlbum(Given, frozen=True, kw_only=True):
    """An album to be stored; the database numbers it."""

    title: Text160
    artist_id: Whole


class AlbumChange(Given, frozen=True, kw_only=True):
    """What to change about an album; what is left out stays."""

    title: Text160 | UnsetType = UNSET
    artist_id: Whole | UnsetType = UNSET


class TrackRow(Struct, frozen=True, kw_only=True):
    """A track as it is stored."""

    track_id: int
    name: str
    album_id: int | None
    media_type_id: int
    genre_id: int | None
    composer: str | None
    milliseconds: int
    bytes: int | None
    unit_price: Money


class NewTrack(Given, frozen=True, kw_only=True):
    """A track to be stored; the database numbers it."""

    name: Text200
    album_id: Whole | None = None
    media_type_id: Whole
    genre_id: Whole | None = None
    composer: Text220 | None = None
    milliseconds: Count
    bytes: Count | None = None
    unit_price: Money


class TrackChange(Given, frozen=True, kw_only=True):
    """What to change about a track; what is left out stays."""

    name: Text200 | UnsetType = UNSET
    album_id: Whole | None | UnsetType = UNSET
    media_type_id: Whole | UnsetType = UNSET
    genre_id: Whole | None | UnsetType = UNSET
    composer: Text220 | None | UnsetType = UNSET
    milliseconds: Count | UnsetType = UNSET
    bytes: Count | None | UnsetType = UNSET
    unit_price: Money | UnsetType = UNSET


class PlaylistRow(Struct, frozen=True, kw_only=True):
    """A playlist as it is stored."""

    playlist_id: int
    name: str


class NewPlaylist(Given, frozen=True, kw_only=True):
    """A playlist to be stored; the database numbers it."""

    name: Text120


class PlaylistChange(Given, frozen=True, kw_only=True):
    """What to change about a playlist; what is left out stays."""

    name: Text120 | UnsetType = UNSET


class EmployeeRow(Struct, frozen=True, kw_only=True):
    """An employee as it is stored."""

    employee_id: int
    last_name: str
    first_name: str
    title: str | None
    reports_to: int | None
    birth_date: datetime | None
    hire_date: datetime | None
    address: str | None
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None
    phone: str | None
    fax: str | None
    email: str | None


class NewEmployee(Given, frozen=True, kw_only=True):
    """An employee to be stored; the database numbers it."""

    last_name: Text20
    first_name: Text20
    title: Text30 | None = None
    reports_to: Whole | None = None
    birth_date: Moment | None = None
    hire_date: Moment | None = None
    address: Text70 | None = None
    city: Text40 | None = None
    state: Text40 | None = None
    country: Text40 | None = None
    postal_code: Text10 | None = None
    phone: Text24 | None = None
    fax: Text24 | None = None
    email: Text60 | None = None


class EmployeeChange(Given, frozen=True, kw_only=True):
    """What to change about an employee; what is left out stays."""

    last_name: Text20 | UnsetType = UNSET
    first_name: Text20 | UnsetType = UNSET
    title: Text30 | None | UnsetType = UNSET
    reports_to: Whole | None | UnsetType = UNSET
    birth_date: Moment | None | UnsetType = UNSET
    hire_date: Moment | None | UnsetType = UNSET
    address: Text70 | None | UnsetType = UNSET
    city: Text40 | None | UnsetType = UNSET
    state: Text40 | None | UnsetType = UNSET
    country: Text40 | None | UnsetType = UNSET
    postal_code: Text10 | None | UnsetType = UNSET
    phone: Text24 | None | UnsetType = UNSET
    fax: Text24 | None | UnsetType = UNSET
    email: Text60 | None | UnsetType = UNSET


class CustomerRow(Struct, frozen=True, kw_only=True):
    """A customer as it is stored."""

    customer_id: int
    first_name: str
    last_name: str
    company: str | None
    address: str | None
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None
    phone: str | None
    fax: str | None
    email: str
    support_rep_id: int | None


class NewCustomer(Given, frozen=True, kw_only=True):
    """A customer to be stored; the database numbers it."""

    first_name: Text40
    last_name: Text20
    company: Text80 | None = None
    address: Text70 | None = None
    city: Text40 | None = None
    state: Text40 | None = None
    country: Text40 | None = None
    postal_code: Text10 | None = None
    phone: Text24 | None = None
    fax: Text24 | None = None
    email: Text60
    support_rep_id: Whole | None = None


class CustomerChange(Given, frozen=True, kw_only=True):
    """What to change about a customer; what is left out stays."""

    first_name: Text40 | UnsetType = UNSET
    last_name: Text20 | UnsetType = UNSET
    company: Text80 | None | UnsetType = UNSET
    address: Text70 | None | UnsetType = UNSET
    city: Text40 | None | UnsetType = UNSET
    state: Text40 | None | UnsetType = UNSET
    country: Text40 | None | UnsetType = UNSET
    postal_code: Text10 | None | UnsetType = UNSET
    phone: Text24 | None | UnsetType = UNSET
    fax: Text24 | None | UnsetType = UNSET
    email: Text60 | UnsetType = UNSET
    support_rep_id: Whole | None | UnsetType = UNSET


class InvoiceRow(Struct, frozen=True, kw_only=True):
    """An invoice as it is stored."""

    invoice_id: int
    customer_id: int
    invoice_date: datetime
    billing_address: str | None
    billing_city: str | None
    billing_state: str | None
    billing_country: str | None
    billing_postal_code: str | None
    total: Money


class InvoiceChange(Given, frozen=True, kw_only=True):
    """What to change about an invoice; what is left out stays."""

    customer_id: Whole | UnsetType = UNSET
    invoice_date: Moment | UnsetType = UNSET
    billing_address: Text70 | None | UnsetType = UNSET
    billing_city: Text40 | None | UnsetType = UNSET
    billing_state: Text40 | None | UnsetType = UNSET
    billing_country: Text40 | None | UnsetType = UNSET
    billing_postal_code: Text10 | None | UnsetType = UNSET


class LineRow(Struct, frozen=True, kw_only=True):
    """One track of an invoice."""

    invoice_line_id: int
    track_id: int
    unit_price: Money
    quantity: int


class InvoiceWithLines(InvoiceRow, frozen=True, kw_only=True):
    """An invoice with what was bought."""

    lines: list[LineRow]


class NewLine(Given, frozen=True, kw_only=True):
    """A track to buy, and how often; the price is the track's."""

    track_id: Whole
    quantity: Quantity


class NewInvoice(Given, frozen=True, kw_only=True):
    """A purchase; prices, address and total come from what is stored."""

    customer_id: Whole
    lines: Annotated[list[NewLine], Meta(min_length=1, max_length=LINES_MAX)]


class NewPlaylistTrack(Given, frozen=True, kw_only=True):
    """A track to put on a playlist."""

    track_id: Whole


class PlaylistTrackRow(Struct, frozen=True, kw_only=True):
    """That a track is on a playlist."""

    playlist_id: int
    track_id: int


class Loaded(Struct, frozen=True, kw_only=True):
    """How many rows a file brought."""

    rows: int


class CountryRevenue(Struct, frozen=True, kw_only=True):
    """What was sold to one country; null gathers the invoices without one."""

    country: str | None
    total: Money


class MonthRevenue(Struct, frozen=True, kw_only=True):
    """What was sold in one month, written like 2021-01."""

    month: str
    total: Money


class Revenue(Struct, frozen=True, kw_only=True):
    """What was sold, in all and by two measures; each adds up to the total."""

    total: Money
    by_country: list[CountryRevenue]
    by_month: list[MonthRevenue]
