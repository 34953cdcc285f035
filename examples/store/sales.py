"""Purchases: the shop sets the prices and adds them up."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from litestar import get, post
from litestar.params import JSONBody
from msgspec import convert
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from examples.store.asked import Db, RowKey
from examples.store.columns import MONEY_MAX
from examples.store.models import Customer, Invoice, InvoiceLine, Track
from examples.store.problems import NOT_FOUND, UNPROCESSABLE, Unprocessable
from examples.store.resource import Resource, no_row, storable
from examples.store.shapes import (
    InvoiceChange,
    InvoiceRow,
    InvoiceWithLines,
    NewInvoice,
    NewLine,
)


class Invoices(Resource[InvoiceRow, NewInvoice, InvoiceChange]):
    """Invoices; one alone shows its lines too."""

    path = "/invoices"
    tags = ("invoices",)
    table = Invoice

    @get("/{key:int}", summary="An invoice with its lines", responses={404: NOT_FOUND})
    async def read_row(self, session: Db, key: RowKey) -> InvoiceWithLines:
        wanted = storable(Invoice, key)
        invoice = await session.get(Invoice, wanted, options=[selectinload(Invoice.lines)])
        if invoice is None:
            raise no_row(Invoice, key)
        return convert(invoice, InvoiceWithLines, from_attributes=True)

    @post(
        summary="Buy tracks",
        description="Prices come from the tracks, the address from the customer.",
        responses={422: UNPROCESSABLE},
    )
    async def add_row(self, session: Db, data: JSONBody[NewInvoice]) -> InvoiceWithLines:
        customer = await session.get(Customer, data.customer_id)
        if customer is None:
            raise Unprocessable(f"There is no customer {data.customer_id}.")
        invoice = invoice_for(customer, await lines_of(session, data.lines))
        session.add(invoice)
        await session.flush()
        return convert(invoice, InvoiceWithLines, from_attributes=True)


async def lines_of(session: AsyncSession, wanted: Iterable[NewLine]) -> list[InvoiceLine]:
    """One statement for all prices; the first track that is unknown is named."""
    numbers = {line.track_id for line in wanted}
    found = await session.execute(
        select(Track.track_id, Track.unit_price).where(Track.track_id.in_(numbers))
    )
    prices = {row.track_id: row.unit_price for row in found}
    for line in wanted:
        if line.track_id not in prices:
            raise Unprocessable(f"There is no track {line.track_id}.")
    return [
        InvoiceLine(
            track_id=line.track_id, quantity=line.quantity, unit_price=prices[line.track_id]
        )
        for line in wanted
    ]


def invoice_for(customer: Customer, lines: list[InvoiceLine]) -> Invoice:
    """The address is copied, because the invoice must not change when the customer moves."""
    total = sum((line.unit_price * line.quantity for line in lines), Decimal("0.00"))
    if total > MONEY_MAX:
        raise Unprocessable(f"The total would be {total}; an invoice holds at most {MONEY_MAX}.")
    return Invoice(
        customer_id=customer.customer_id,
        billing_address=customer.address,
        billing_city=customer.city,
        billing_state=customer.state,
        billing_country=customer.country,
        billing_postal_code=customer.postal_code,
        total=total,
        lines=lines,
    )
