"""What one customer does in a morning, sixty-odd requests in order: the same in every tier."""

from __future__ import annotations

from typing import Final

import msgspec

CSV: Final = "text/csv"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the script; ``after`` is filled in from an earlier answer's ``next``."""

    method: str
    path: str
    body: object = None
    content: bytes | None = None
    follows: bool = False


def _get(path: str, *, follows: bool = False) -> Asked:
    return Asked(method="GET", path=path, follows=follows)


def _post(path: str, body: object) -> Asked:
    return Asked(method="POST", path=path, body=body)


def _patch(path: str, body: object) -> Asked:
    return Asked(method="PATCH", path=path, body=body)


def _delete(path: str) -> Asked:
    return Asked(method="DELETE", path=path)


def _load(table: str, content: str) -> Asked:
    return Asked(method="POST", path=f"/import/{table}", content=content.encode())


_READ = (
    _get("/artists?limit=3"),
    _get("/artists?limit=3", follows=True),
    _get("/tracks?limit=200"),
    _get("/tracks?limit=200", follows=True),
    _get("/genres?limit=200"),
    _get("/media_types"),
    _get("/customers?limit=5"),
    _get("/employees"),
    _get("/invoices?limit=2"),
    _get("/playlists"),
    _get("/playlists/1/tracks?limit=4"),
    _get("/playlists/1/tracks?limit=4", follows=True),
    _get("/artists/1"),
    _get("/tracks/7"),
    _get("/invoices/3"),
    _get("/employees/2"),
    _get("/reports/revenue"),
)
_MAKE = (
    _post("/artists", {"name": "Nína & the “Quotes”, Inc."}),
    _post("/albums", {"title": "First", "artist_id": 1}),
    _post("/genres", {"name": "Zydeco"}),
    _post("/customers", {"first_name": "A", "last_name": "B", "email": "a@b.example"}),
    _post("/invoices", {"customer_id": 1, "lines": [{"track_id": 1, "quantity": 2}]}),
    _post(
        "/invoices",
        {
            "customer_id": 2,
            "lines": [{"track_id": 2, "quantity": 1}, {"track_id": 3, "quantity": 4}],
        },
    ),
    _post("/playlists", {"name": "Morning"}),
    _patch("/artists/1", {"name": "Renamed"}),
    _patch("/customers/1", {"company": None, "city": "Ulm"}),
    _patch("/tracks/1", {"unit_price": "0.50"}),
    _patch("/artists/1", {}),
    _delete("/invoices/1"),
    _delete("/employees/2"),
    _get("/employees?limit=200"),
)
_REFUSED = (
    _get("/artists/999999"),
    _get("/artists/99999999999999999999"),
    _get("/artists/one"),
    _get("/artists?limit=0"),
    _get("/artists?limit=201"),
    _get("/artists?after=nonsense"),
    _get("/nowhere"),
    _post("/artists", {"name": None}),
    _post("/artists", {}),
    _post("/artists", {"name": "x" * 121}),
    _post("/artists", {"name": "x", "tenant_id": "00000000-0000-0000-0000-000000000001"}),
    _post("/artists", {"name": "nul \x00 inside"}),
    _post("/artists", "no object"),
    Asked(method="POST", path="/artists", content=b"{"),
    _post("/albums", {"title": "Lost", "artist_id": 999_999}),
    _patch("/albums/1", {"artist_id": 999_999}),
    _patch("/artists/999999", {"name": "nobody"}),
    _delete("/artists/1"),
    _delete("/artists/999999"),
    _post("/invoices", {"customer_id": 999_999, "lines": [{"track_id": 1, "quantity": 1}]}),
    _post("/invoices", {"customer_id": 1, "lines": [{"track_id": 999_999, "quantity": 1}]}),
    _post("/invoices", {"customer_id": 1, "lines": []}),
    _post("/invoices", {"customer_id": 1, "lines": [{"track_id": 1, "quantity": 0}]}),
    Asked(method="PUT", path="/artists/1", body={"name": "put"}),
)
_FILES = (
    _load("artist", "artist_id,name\n5001,Loaded\n5002,Too\n"),
    _load("artist", "artist_id,name\n5003,Fine\n5001,Taken\n"),
    _load("artist", "artist_id,name\n5003,Fine\nfive,Bad\n"),
    _load("artist", "artist_id\n5003\n"),
    _load("artist", ""),
    _load("album", "album_id,title,artist_id\n6001,Orphan,999999\n"),
    _load("nowhere", "a\n1\n"),
    _post("/artists", {"name": "After the files"}),
    _get("/export/artist"),
    _get("/export/invoice"),
    _get("/export/invoice_line"),
    _get("/export/nowhere"),
    _get("/reports/revenue"),
)
#: Unique rules come last: PostgreSQL's own sequences leave a gap where a row was refused, and the
#: shared tables' counters don't (docs/decisions/0004).
_TAKEN = (
    _post("/genres", {"name": "Zydeco"}),
    _patch("/genres/1", {"name": "Zydeco"}),
    _post("/customers", {"first_name": "C", "last_name": "D", "email": "a@b.example"}),
    _get("/genres?limit=200"),
)
SCRIPT: Final = (*_READ, *_MAKE, *_REFUSED, *_FILES, *_TAKEN)
