"""What was sold, added up by the database in one statement, so that the sums agree."""

from __future__ import annotations

from decimal import Decimal

from litestar import get
from sqlalchemy import func, literal_column, select, tuple_

from examples.store.asked import Db
from examples.store.models import Invoice
from examples.store.shapes import CountryRevenue, MonthRevenue, Revenue


@get("/reports/revenue", summary="Revenue by country and by month", tags=["reports"])
async def revenue(session: Db) -> Revenue:
    country = Invoice.billing_country
    # A literal, because PostgreSQL takes two parameters for two different expressions.
    month = func.to_char(Invoice.invoice_date, literal_column("'YYYY-MM'"))
    rows = await session.execute(
        select(country, month, func.grouping(month), func.sum(Invoice.total))
        .group_by(func.grouping_sets(tuple_(country), tuple_(month)))
        .order_by(country, month)
    )
    by_country: list[CountryRevenue] = []
    by_month: list[MonthRevenue] = []
    for where, when, is_by_country, total in rows:
        if is_by_country:
            by_country.append(CountryRevenue(country=where, total=total))
        else:
            by_month.append(MonthRevenue(month=when, total=total))
    total = sum((line.total for line in by_month), Decimal("0.00"))
    return Revenue(total=total, by_country=by_country, by_month=by_month)
