"""Buying: the shop sets the price, adds up, and remembers the day."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from httpx import AsyncClient, Response

BERLIN = {"address": "Am Ufer 1", "city": "Berlin", "country": "Germany", "postal_code": "10115"}


@pytest.fixture
async def stocked(shop: AsyncClient) -> AsyncClient:
    await shop.post("/media_types", json={"name": "MP3"})
    for name, price in (("Cheap", "0.99"), ("Dear", "99999999.99")):
        track = {"name": name, "media_type_id": 1, "milliseconds": 1, "unit_price": price}
        assert (await shop.post("/tracks", json=track)).status_code == 201
    names = {"first_name": "Eva", "last_name": "Holm", "email": "eva@buyer.example"}
    assert (await shop.post("/customers", json=names | BERLIN)).status_code == 201
    return shop


async def buy(shop: AsyncClient, *lines: dict[str, Any], customer_id: int = 1) -> Response:
    return await shop.post("/invoices", json={"customer_id": customer_id, "lines": list(lines)})


async def test_an_invoice_keeps_the_price_and_address_of_its_day(stocked: AsyncClient) -> None:
    answer = await buy(stocked, {"track_id": 1, "quantity": 3}, {"track_id": 1, "quantity": 1})
    assert answer.status_code == 201
    invoice = answer.json()
    assert invoice["total"] == "3.96"
    assert [line["unit_price"] for line in invoice["lines"]] == ["0.99", "0.99"]
    assert (invoice["billing_city"], invoice["billing_state"]) == ("Berlin", None)
    await stocked.patch("/tracks/1", json={"unit_price": "5.00"})
    await stocked.patch("/customers/1", json={"city": "Bonn"})
    assert (await stocked.get(f"/invoices/{invoice['invoice_id']}")).json() == invoice


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([{"track_id": 77, "quantity": 1}], "There is no track 77."),
        ([{"track_id": 2, "quantity": 2}], "The total would be 200000000.97"),
        ([{"track_id": 1, "quantity": 2**31 - 1}], "The total would be"),
        ([{"track_id": 1, "quantity": 0}], "quantity"),
        ([{"track_id": 1, "quantity": -1}], "quantity"),
        ([{"track_id": 2**31, "quantity": 1}], "track_id"),
        ([{"track_id": 1, "quantity": 1, "unit_price": "0.01"}], "unit_price"),
        ([{"track_id": 1}], "quantity"),
        ([], "lines"),
        ([{"track_id": 1, "quantity": 1}] * 201, "lines"),
    ],
)
async def test_a_purchase_that_cannot_be_leaves_nothing_behind(
    stocked: AsyncClient, lines: list[dict[str, Any]], named: str
) -> None:
    good = [{"track_id": 1, "quantity": 1}] if lines else []
    answer = await buy(stocked, *good, *lines)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert (await stocked.get("/invoices")).json() == {"items": [], "next": None}


async def test_an_unknown_customer_is_named(stocked: AsyncClient) -> None:
    answer = await buy(stocked, {"track_id": 1, "quantity": 1}, customer_id=9)
    assert (answer.status_code, answer.json()["detail"]) == (422, "There is no customer 9.")


async def test_what_was_sold_stays_in_the_catalogue(stocked: AsyncClient) -> None:
    invoice = (await buy(stocked, {"track_id": 1, "quantity": 1})).json()["invoice_id"]
    assert (await stocked.delete("/tracks/1")).status_code == 409
    assert (await stocked.delete("/customers/1")).status_code == 409
    assert (await stocked.patch(f"/invoices/{invoice}", json={"total": "0"})).status_code == 422
    assert (await stocked.delete(f"/invoices/{invoice}")).status_code == 204
    assert (await stocked.get("/export/invoice_line")).text.count("\n") == 1
    assert (await stocked.delete("/tracks/1")).status_code == 204


async def test_a_shop_that_sold_nothing_reports_nothing(shop: AsyncClient) -> None:
    report = (await shop.get("/reports/revenue")).json()
    assert report == {"total": "0.00", "by_country": [], "by_month": []}


async def test_invoices_without_a_country_are_counted_too(stocked: AsyncClient) -> None:
    first = (await buy(stocked, {"track_id": 1, "quantity": 1})).json()
    second = (await buy(stocked, {"track_id": 1, "quantity": 2})).json()
    await stocked.patch(f"/invoices/{second['invoice_id']}", json={"billing_country": None})
    report = (await stocked.get("/reports/revenue")).json()
    assert report["total"] == "2.97"
    assert report["by_country"] == [
        {"country": "Germany", "total": "0.99"},
        {"country": None, "total": "1.98"},
    ]
    assert sum(Decimal(month["total"]) for month in report["by_month"]) == Decimal("2.97")
    assert report["by_month"][0]["month"] == first["invoice_date"][:7]
