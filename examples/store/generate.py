"""Rows that nobody sold: the same shape as the real ones, the same rows for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from examples.store.csv_records import record_text
from examples.store.csv_values import Value, text_of
from examples.store.models import TABLES, table_of

Line = dict[str, Value]

OPENING_DAY: Final = datetime(2021, 1, 1)  # noqa: DTZ001 - the shop's clock has no zone
COMPOSER_SHARE: Final = 0.7
COMPANY_SHARE: Final = 0.3
PRICES: Final = (Decimal("0.99"), Decimal("1.99"))
GENRES: Final = ("Rock", "Jazz", "Metal", "Blues", "Latin", "Reggae", "Pop", "Soundtrack", "Opera")
MEDIA_TYPES: Final = ("MPEG audio file", "AAC audio file", "Protected AAC audio file")
PLAYLISTS: Final = ("Music", "Movies", "90s Music", "On-The-Go 1", "Classical, mostly")
ADJECTIVES: Final = ("Silent", "Électric", "Broken", "Golden", "Late", "Paper", "Wild", "“Quiet”")
NOUNS: Final = ("Rivers", "Machines", "Summer", "Mirrors", "Tigers, Inc.", "Avenue", "Signals")
FIRST_NAMES: Final = ("Luís", "Leonie", "François", "Bjørn", "Helena", "Astrid", "Mark", "Puja")
LAST_NAMES: Final = ("Gonçalves", "Köhler", "Tremblay", "Hansen", "Holý", "Gruber", "O'Reilly")
TITLES: Final = ("General Manager", "Sales Manager", "IT Manager", "Sales Support Agent")
# Address, city, state, country, postal code; some places have no state and no code.
PLACES: Final = (
    ("Av. Brigadeiro Faria Lima, 2170", "São José dos Campos", "SP", "Brazil", "12227-000"),
    ("Theodor-Heuss-Straße 34", "Stuttgart", None, "Germany", "70174"),
    ("1498 rue Bélanger", "Montréal", "QC", "Canada", "H2G 1A7"),
    ("Ullevålsveien 14", "Oslo", None, "Norway", "0171"),
    ("3 Chatham Street", "Dublin", "Dublin", "Ireland", None),
    ('"The Old Mill"\n12 Mill Lane', "Leeds", None, "United Kingdom", "LS1 4DY"),
)


class Size(Struct, frozen=True, kw_only=True):
    """How many rows of each kind; the rest follows from them."""

    artists: int = 25
    albums_an_artist: int = 2
    tracks_an_album: int = 8
    employees: int = 8
    customers: int = 20
    invoices: int = 100
    lines_an_invoice: int = 4
    tracks_a_playlist: int = 30


def generate(*, seed: int = 1, size: Size | None = None) -> dict[str, list[Line]]:
    """Every table's rows, in an order in which they can be stored."""
    dice = random.Random(seed)  # noqa: S311 - repeatable is the point
    size = size or Size()
    rows: dict[str, list[Line]] = {name: [] for name in TABLES}
    rows["genre"] = named("genre_id", GENRES)
    rows["media_type"] = named("media_type_id", MEDIA_TYPES)
    rows["playlist"] = named("playlist_id", PLAYLISTS)
    rows["artist"] = named("artist_id", [band(dice) for _ in range(size.artists)])
    rows["album"] = list(albums(dice, size))
    rows["track"] = list(tracks(dice, size))
    rows["employee"] = list(employees(dice, size))
    rows["customer"] = list(customers(dice, size))
    rows["invoice_line"] = list(invoice_lines(dice, size, rows["track"]))
    rows["invoice"] = list(invoices(dice, size, rows))
    rows["playlist_track"] = list(playlist_tracks(dice, size))
    return rows


def generate_csv(*, seed: int = 1, size: Size | None = None) -> dict[str, bytes]:
    """The same rows as the files that `POST /import/{table}` takes, in the order to send them."""
    rows = generate(seed=seed, size=size)
    return {name: file_of(name, rows[name]) for name in TABLES}


def file_of(name: str, rows: list[Line]) -> bytes:
    columns = [column.name for column in table_of(TABLES[name]).columns]
    lines = (record_text(text_of(row[column]) for column in columns) for row in rows)
    return (record_text(columns) + "".join(lines)).encode()


def named(key: str, names: Sequence[str]) -> list[Line]:
    return [{key: number, "name": name} for number, name in enumerate(names, start=1)]


def band(dice: random.Random) -> str:
    return f"{dice.choice(ADJECTIVES)} {dice.choice(NOUNS)}"


def albums(dice: random.Random, size: Size) -> Iterator[Line]:
    for number in range(size.artists * size.albums_an_artist):
        artist = 1 + number // size.albums_an_artist
        yield {"album_id": number + 1, "title": f"{band(dice)}, Vol. {number}", "artist_id": artist}


def tracks(dice: random.Random, size: Size) -> Iterator[Line]:
    albums_all = size.artists * size.albums_an_artist
    for number in range(albums_all * size.tracks_an_album):
        composer = f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES)}"
        yield {
            "track_id": number + 1,
            "name": f"{band(dice)} ({number + 1})",
            "album_id": 1 + number // size.tracks_an_album,
            "media_type_id": dice.randint(1, len(MEDIA_TYPES)),
            "genre_id": dice.randint(1, len(GENRES)),
            "composer": composer if dice.random() < COMPOSER_SHARE else None,
            "milliseconds": dice.randint(60_000, 600_000),
            "bytes": dice.randint(1_000_000, 20_000_000),
            "unit_price": dice.choice(PRICES),
        }


def employees(dice: random.Random, size: Size) -> Iterator[Line]:
    """The first one leads; everybody else reports to somebody before them."""
    for number in range(1, size.employees + 1):
        address, city, state, country, postal_code = dice.choice(PLACES)
        hired = OPENING_DAY - timedelta(days=dice.randint(1, 7_000))
        yield {
            "employee_id": number,
            "last_name": dice.choice(LAST_NAMES),
            "first_name": dice.choice(FIRST_NAMES),
            "title": TITLES[min(number, len(TITLES)) - 1],
            "reports_to": dice.randint(1, number - 1) if number > 1 else None,
            "birth_date": hired - timedelta(days=dice.randint(7_000, 15_000)),
            "hire_date": hired,
            "address": address,
            "city": city,
            "state": state,
            "country": country,
            "postal_code": postal_code,
            "phone": telephone(dice),
            "fax": telephone(dice),
            "email": f"employee{number}@store.example",
        }


def customers(dice: random.Random, size: Size) -> Iterator[Line]:
    for number in range(1, size.customers + 1):
        address, city, state, country, postal_code = dice.choice(PLACES)
        yield {
            "customer_id": number,
            "first_name": dice.choice(FIRST_NAMES),
            "last_name": dice.choice(LAST_NAMES),
            "company": f"{dice.choice(NOUNS)} S.A." if dice.random() < COMPANY_SHARE else None,
            "address": address,
            "city": city,
            "state": state,
            "country": country,
            "postal_code": postal_code,
            "phone": telephone(dice),
            "fax": None,
            "email": f"customer{number}@buyer.example",
            "support_rep_id": dice.randint(1, size.employees),
        }


def invoice_lines(dice: random.Random, size: Size, tracks_all: list[Line]) -> Iterator[Line]:
    for number in range(size.invoices * size.lines_an_invoice):
        track = dice.choice(tracks_all)
        yield {
            "invoice_line_id": number + 1,
            "invoice_id": 1 + number // size.lines_an_invoice,
            "track_id": track["track_id"],
            "unit_price": track["unit_price"],
            "quantity": dice.randint(1, 3),
        }


def invoices(dice: random.Random, size: Size, rows: dict[str, list[Line]]) -> Iterator[Line]:
    """An invoice a day; its total is the sum of its lines."""
    totals: dict[Value, Decimal] = {}
    for line in rows["invoice_line"]:
        amount = Decimal(str(line["unit_price"])) * Decimal(str(line["quantity"]))
        totals[line["invoice_id"]] = totals.get(line["invoice_id"], Decimal("0.00")) + amount
    for number in range(1, size.invoices + 1):
        customer = dice.choice(rows["customer"])
        yield {
            "invoice_id": number,
            "customer_id": customer["customer_id"],
            "invoice_date": OPENING_DAY + timedelta(days=number),
            "billing_address": customer["address"],
            "billing_city": customer["city"],
            "billing_state": customer["state"],
            "billing_country": customer["country"],
            "billing_postal_code": customer["postal_code"],
            "total": totals.get(number, Decimal("0.00")),
        }


def playlist_tracks(dice: random.Random, size: Size) -> Iterator[Line]:
    """No track stands twice on a playlist, and they stand in the order of their numbers."""
    tracks_all = size.artists * size.albums_an_artist * size.tracks_an_album
    for playlist in range(1, len(PLAYLISTS) + 1):
        chosen = dice.sample(range(1, tracks_all + 1), min(size.tracks_a_playlist, tracks_all))
        for track in sorted(chosen):
            yield {"playlist_id": playlist, "track_id": track}


def telephone(dice: random.Random) -> str:
    return f"+{dice.randint(1, 99)} {dice.randint(100, 999)} {dice.randint(1_000_000, 9_999_999)}"
