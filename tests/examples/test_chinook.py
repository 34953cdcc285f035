"""The real rows: all eleven files in, the same bytes out."""

from __future__ import annotations

from pathlib import Path

import pytest
from httpx import AsyncClient

from examples.store.models import TABLES

ROWS_TOTAL = 15_607
COUNTRIES = 24
MONTHS = 60


@pytest.fixture
async def filled(shop: AsyncClient, chinook: Path) -> AsyncClient:
    rows = 0
    for name in TABLES:
        answer = await shop.post(f"/import/{name}", content=(chinook / f"{name}.csv").read_bytes())
        assert answer.status_code == 201, answer.text
        rows += answer.json()["rows"]
    assert rows == ROWS_TOTAL
    return shop


async def test_eleven_files_come_back_byte_for_byte(filled: AsyncClient, chinook: Path) -> None:
    for name in TABLES:
        answer = await filled.get(f"/export/{name}")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.content == (chinook / f"{name}.csv").read_bytes(), name


async def test_revenue_is_the_sum_of_all_invoices(filled: AsyncClient) -> None:
    report = (await filled.get("/reports/revenue")).json()
    assert report["total"] == "2328.60"
    assert len(report["by_country"]) == COUNTRIES
    assert {"country": "USA", "total": "523.06"} in report["by_country"]
    assert len(report["by_month"]) == MONTHS
    assert report["by_month"][0] == {"month": "2021-01", "total": "35.64"}


async def test_numbers_continue_after_the_loaded_ones(filled: AsyncClient) -> None:
    row = (await filled.post("/artists", json={"name": "The Newcomers"})).json()
    assert row == {"artist_id": 276, "name": "The Newcomers"}
    invoice = {"customer_id": 1, "lines": [{"track_id": 1, "quantity": 2}]}
    answer = await filled.post("/invoices", json=invoice)
    assert answer.json()["invoice_id"] == 413
    assert answer.json()["lines"][0]["invoice_line_id"] == 2241


async def test_pages_of_real_tracks_hold_each_once(filled: AsyncClient) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        query = {"limit": "200"} | ({"after": cursor} if cursor else {})
        found = (await filled.get("/tracks", params=query)).json()
        seen += [track["track_id"] for track in found["items"]]
        cursor = found["next"]
        if cursor is None:
            break
    assert seen == list(range(1, 3504))
