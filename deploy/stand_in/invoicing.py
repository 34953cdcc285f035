"""Invoices are written and finalized here; who pays them is collecting's business."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from deploy.stand_in.books import Books
from deploy.stand_in.changes import Cause, Draft
from deploy.stand_in.objects import Customer, Product
from deploy.stand_in.subscription_objects import (
    Invoice,
    InvoiceItem,
    InvoiceItemDetails,
    InvoiceItemParent,
    InvoiceItemSubscription,
    InvoiceLine,
    InvoiceParent,
    LineParent,
    Lines,
    PriceDetails,
    Pricing,
    Subscription,
    SubscriptionDetails,
    SubscriptionItemDetails,
)

#: A renewal's invoice stays a draft so long, for whoever wants to add to it.
DRAFT_S = 3_600
DAY_S = 86_400

_SAID = {
    Cause.PERIOD: "{quantity} x {name}",
    Cause.USAGE: "{quantity} x {name} (used)",
    Cause.UNUSED: "Unused time on {quantity} x {name}",
    Cause.REMAINING: "Remaining time on {quantity} x {name}",
}


def write(  # noqa: PLR0913 - all keywords, one for each thing that an invoice says
    books: Books,
    subscription: Subscription,
    drafts: tuple[Draft, ...],
    *,
    reason: str,
    id: str,  # noqa: A002 - the field's name
    finalizes_at: int | None = None,
) -> Invoice:
    """Write a draft of an invoice, with the amounts that were waiting for one, and tell of it."""
    pending = pending_items(books, subscription)
    for item in pending:
        books.keep(msgspec.structs.replace(item, invoice=id))
    invoice = books.keep(
        composed(
            books,
            subscription,
            (*(line_of_item(item, id) for item in pending), *lines(books, drafts, id)),
            reason=reason,
            id=id,
        )
    )
    invoice = books.keep(msgspec.structs.replace(invoice, automatically_finalizes_at=finalizes_at))
    books.tell("invoice.created", invoice)
    return invoice


def composed(
    books: Books,
    subscription: Subscription,
    lines: tuple[InvoiceLine, ...],
    *,
    reason: str,
    id: str,  # noqa: A002 - the field's name
) -> Invoice:
    """Compose an invoice without writing it down."""
    customer = books.get(Customer, subscription.customer)
    total = sum(line.amount for line in lines)
    periods = [line.period for line in lines if not _is_proration(line)] or [
        line.period for line in lines
    ]
    now = books.now(subscription.test_clock)
    return Invoice(
        id=id,
        amount_due=_due(total, customer.balance),
        amount_remaining=_due(total, customer.balance),
        billing_reason=reason,
        collection_method=subscription.collection_method,
        created=now,
        currency=subscription.currency,
        customer=customer.id,
        customer_email=customer.email,
        customer_name=customer.name,
        default_payment_method=subscription.default_payment_method,
        lines=Lines(data=lines, url=f"/v1/invoices/{id}/lines"),
        parent=InvoiceParent(
            subscription_details=SubscriptionDetails(
                subscription=subscription.id, metadata=subscription.metadata
            )
        ),
        period_end=max((period.end for period in periods), default=now),
        period_start=min((period.start for period in periods), default=now),
        starting_balance=customer.balance,
        subtotal=total,
        subtotal_excluding_tax=total,
        test_clock=subscription.test_clock,
        total=total,
        total_excluding_tax=total,
    )


def _is_proration(line: InvoiceLine) -> bool:
    of_item, of_invoice = line.parent.subscription_item_details, line.parent.invoice_item_details
    return bool((of_item and of_item.proration) or (of_invoice and of_invoice.proration))


def _due(total: int, balance: int) -> int:
    """A negative balance is credit that pays first; what is negative itself becomes credit."""
    return max(0, total + min(0, balance)) if total > 0 else 0


# Lines ------------------------------------------------------------------------------------------


def lines(books: Books, drafts: tuple[Draft, ...], invoice: str) -> tuple[InvoiceLine, ...]:
    """Turn drafts into lines, prorations first."""
    ordered = sorted(drafts, key=lambda draft: not draft.is_proration)
    return tuple(_line(books, draft, invoice) for draft in ordered)


def _line(books: Books, draft: Draft, invoice: str) -> InvoiceLine:
    price = draft.item.price
    return InvoiceLine(
        id=books.store.fresh_id("il_"),
        amount=draft.amount,
        currency=price.currency,
        description=said(books, draft),
        invoice=invoice,
        parent=LineParent(
            subscription_item_details=SubscriptionItemDetails(
                invoice_item=books.store.fresh_id("ii_") if draft.is_proration else None,
                proration=draft.is_proration,
                subscription=draft.item.subscription,
                subscription_item=draft.item.id,
            ),
            type="subscription_item_details",
        ),
        period=draft.period,
        pricing=_pricing(draft),
        quantity=draft.quantity,
        subtotal=draft.amount,
    )


def _pricing(draft: Draft) -> Pricing:
    price = draft.item.price
    return Pricing(
        price_details=PriceDetails(price=price.id, product=price.product),
        unit_amount_decimal=format(Decimal(price.unit_amount_decimal), "f"),
    )


def said(books: Books, draft: Draft) -> str:
    """Say what a line is for."""
    product = books.store.find(Product, draft.item.price.product)
    name = draft.item.price.nickname or (product.name if product else draft.item.price.product)
    return _SAID[draft.cause].format(quantity=draft.quantity, name=name)


def line_of_item(item: InvoiceItem, invoice: str) -> InvoiceLine:
    """Turn an amount that waited into a line."""
    of = None if item.parent is None else item.parent.subscription_details
    if of is not None and of.subscription_item is not None:
        parent = LineParent(
            subscription_item_details=SubscriptionItemDetails(
                invoice_item=item.id,
                proration=item.proration,
                subscription=of.subscription,
                subscription_item=of.subscription_item,
            ),
            type="subscription_item_details",
        )
    else:
        parent = LineParent(
            invoice_item_details=InvoiceItemDetails(
                invoice_item=item.id,
                proration=item.proration,
                subscription=None if of is None else of.subscription,
            ),
            type="invoice_item_details",
        )
    return InvoiceLine(
        id="il_" + item.id.removeprefix("ii_"),
        amount=item.amount,
        currency=item.currency,
        description=item.description or "",
        invoice=invoice,
        metadata=item.metadata,
        parent=parent,
        period=item.period,
        pricing=item.pricing,
        quantity=item.quantity,
        subtotal=item.amount,
    )


# Amounts that wait ------------------------------------------------------------------------------


def pend(books: Books, subscription: Subscription, drafts: tuple[Draft, ...]) -> None:
    """Let amounts wait for the subscription's next invoice."""
    now = books.now(subscription.test_clock)
    for draft in drafts:
        item = books.keep(
            InvoiceItem(
                id=books.store.fresh_id("ii_"),
                amount=draft.amount,
                currency=subscription.currency,
                customer=subscription.customer,
                date=now,
                description=said(books, draft),
                parent=InvoiceItemParent(
                    subscription_details=InvoiceItemSubscription(
                        subscription=subscription.id, subscription_item=draft.item.id
                    )
                ),
                period=draft.period,
                pricing=_pricing(draft),
                proration=draft.is_proration,
                quantity=draft.quantity,
                test_clock=subscription.test_clock,
            )
        )
        books.tell("invoiceitem.created", item)


def pending_items(books: Books, subscription: Subscription) -> tuple[InvoiceItem, ...]:
    """Return the amounts that wait for this subscription's next invoice, oldest first."""
    return tuple(
        item
        for item in books.store.oldest(InvoiceItem, owner=subscription.customer)
        if item.invoice is None
        and item.currency == subscription.currency
        and (
            item.parent is None or item.parent.subscription_details.subscription == subscription.id
        )
    )


# Finalizing -------------------------------------------------------------------------------------


def finalize(books: Books, invoice: Invoice) -> Invoice:
    """Make a draft binding: it gets its number, its page, and takes or gives the credit."""
    customer = books.get(Customer, invoice.customer)
    now = books.now(invoice.test_clock)
    due = _due(invoice.total, customer.balance)
    balance = customer.balance + invoice.total - due
    is_sent = invoice.collection_method == "send_invoice"
    finalized = msgspec.structs.replace(
        invoice,
        amount_due=due,
        amount_remaining=due,
        automatically_finalizes_at=None,
        due_date=invoice.due_date or (now + _days_until_due(books, invoice) * DAY_S)
        if is_sent
        else None,
        effective_at=now,
        ending_balance=balance,
        hosted_invoice_url=f"{books.url}/invoice/{invoice.id}",
        invoice_pdf=f"{books.url}/invoice/{invoice.id}/pdf",
        number=f"{customer.invoice_prefix}-{customer.next_invoice_sequence:04d}",
        starting_balance=customer.balance,
        status="open",
        status_transitions=msgspec.structs.replace(invoice.status_transitions, finalized_at=now),
    )
    books.keep(
        msgspec.structs.replace(
            customer,
            balance=balance,
            currency=customer.currency or invoice.currency,
            next_invoice_sequence=customer.next_invoice_sequence + 1,
        )
    )
    books.keep(finalized)
    books.tell("invoice.finalized", finalized)
    return finalized


def _days_until_due(books: Books, invoice: Invoice) -> int:
    subscription = subscription_of(books, invoice)
    return (subscription.days_until_due if subscription is not None else None) or 0


def subscription_of(books: Books, invoice: Invoice) -> Subscription | None:
    """Return the subscription that an invoice is for."""
    if invoice.parent is None:
        return None
    return books.store.find(Subscription, invoice.parent.subscription_details.subscription)
