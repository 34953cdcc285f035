"""The invoice calls of the API, previews among them."""

from __future__ import annotations

import msgspec

from deploy.stand_in import collecting, cycles, invoicing, subscribing
from deploy.stand_in.alarms import DAY_S
from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, created, delete, get, page, post
from deploy.stand_in.catalogue import AMOUNT_MAX, read_currency
from deploy.stand_in.changes import Change, Draft, for_period
from deploy.stand_in.forms import Form
from deploy.stand_in.objects import Customer, Deleted
from deploy.stand_in.problems import Refused, declined, required
from deploy.stand_in.subscribing import How
from deploy.stand_in.subscription_objects import (
    Invoice,
    InvoiceItem,
    InvoiceItemParent,
    InvoiceItemSubscription,
    Items,
    Period,
    Subscription,
)
from deploy.stand_in.subscriptions import read_how, read_items, read_trial

STATUSES = ("draft", "open", "paid", "uncollectible", "void")


def _retrieve(call: Call) -> Invoice:
    return call.books.get(Invoice, call.ids[0])


def _list(call: Call) -> Listing:
    form = call.form
    status = form.choice("status", STATUSES)
    subscription = form.text("subscription")
    method = form.choice("collection_method", ("charge_automatically", "send_invoice"))
    fits = created(call)

    def wanted(invoice: Invoice) -> bool:
        of = None if invoice.parent is None else invoice.parent.subscription_details.subscription
        return (
            status in {None, invoice.status}
            and subscription in {None, of}
            and method in {None, invoice.collection_method}
            and fits(invoice.created)
        )

    return page(call, Invoice, owner=form.text("customer"), wanted=wanted)


def _lines(call: Call) -> Listing:
    call.form.pass_over("limit", "starting_after", "ending_before")
    invoice = call.books.get(Invoice, call.ids[0])
    return Listing(data=invoice.lines.data, has_more=False, url=call.path)


def _pay(call: Call) -> Invoice:
    form, books = call.form, call.books
    form.pass_over("off_session", "forgive", "payment_method")
    out_of_band = form.flag("paid_out_of_band") or False
    return pay_now(books, books.get(Invoice, call.ids[0]), out_of_band=out_of_band)


def pay_now(books: Books, invoice: Invoice, *, out_of_band: bool = False) -> Invoice:
    """Pay an invoice because somebody asks to; raises Refused where the card isn't good."""
    if invoice.status == "draft":
        invoice = invoicing.finalize(books, invoice)
    if invoice.status == "paid":
        raise Refused("Invoice is already paid", code="invoice_already_paid")
    if invoice.status == "void":
        raise Refused("Invoice is void and can't be paid.", code="invoice_not_payable")
    if not out_of_band and invoice.amount_due > 0 and not collecting.can_pay(books, invoice):
        raise declined()
    return collecting.pay(books, invoice)


def _finalize(call: Call) -> Invoice:
    call.form.pass_over("auto_advance")
    invoice = call.books.get(Invoice, call.ids[0])
    if invoice.status != "draft":
        raise Refused("This invoice is already finalized.", code="invoice_not_editable")
    finalized = invoicing.finalize(call.books, invoice)
    return collecting.pay(call.books, finalized) if finalized.amount_due == 0 else finalized


def _send(call: Call) -> Invoice:
    books = call.books
    invoice = books.get(Invoice, call.ids[0])
    if invoice.collection_method != "send_invoice":
        raise Refused("You can only send an invoice whose collection_method is `send_invoice`.")
    if invoice.status == "draft":
        invoice = invoicing.finalize(books, invoice)
    books.tell("invoice.sent", invoice)
    return invoice


def _void(call: Call) -> Invoice:
    invoice = call.books.get(Invoice, call.ids[0])
    if invoice.status not in {"open", "uncollectible"}:
        raise Refused("You can only void an invoice that is open or uncollectible.")
    return collecting.void(call.books, invoice)


def _write_off(call: Call) -> Invoice:
    invoice = call.books.get(Invoice, call.ids[0])
    if invoice.status != "open":
        raise Refused("You can only write off an open invoice.")
    return collecting.write_off(call.books, invoice)


# Previews ---------------------------------------------------------------------------------------


def _preview(call: Call) -> Invoice:
    form, books = call.form, call.books
    form.pass_over("automatic_tax", "currency", "customer_details")
    is_recurring = form.choice("preview_mode", ("next", "recurring")) == "recurring"
    id = form.text("subscription")  # noqa: A001 - the field's name
    details = form.within("subscription_details")
    details.pass_over("billing_mode", "cancel_at", "cancel_at_period_end", "cancel_now")
    if id is None:
        return _preview_new(call, details)
    subscription = books.get(Subscription, id, param="subscription")
    if form.text("customer") not in {None, subscription.customer}:
        raise Refused(f"The subscription {id} belongs to another customer.", param="customer")
    how = read_how(details, now=books.now(subscription.test_clock))
    planned = subscribing.planned(books, subscription, read_items(books, details), how)
    if is_recurring:
        # What every period will cost from now on, without what is made up for once.
        return _composed(books, subscription, for_period(planned.items), ())
    return _previewed(books, subscription, planned, how)


def _previewed(books: Books, subscription: Subscription, planned: Change, how: How) -> Invoice:
    """Compose the invoice that the change would bring: at once, or with the next renewal."""
    after = msgspec.structs.replace(
        subscription, items=Items(data=planned.items, url=subscription.items.url)
    )
    waiting = invoicing.pending_items(books, after)
    is_now = planned.is_reset or how.proration_behavior == "always_invoice"
    drafts = planned.drafts
    if not is_now or not drafts:
        drafts = (*drafts, *cycles.next_drafts(books, after))
    return _composed(books, after, drafts, waiting)


def _composed(
    books: Books,
    subscription: Subscription,
    drafts: tuple[Draft, ...],
    waiting: tuple[InvoiceItem, ...],
) -> Invoice:
    id = f"upcoming_in_{subscription.id}"  # noqa: A001 - the field's name
    lines = (
        *(invoicing.line_of_item(item, id) for item in waiting),
        *invoicing.lines(books, drafts, id),
    )
    return invoicing.composed(books, subscription, lines, reason="upcoming", id=id)


def _preview_new(call: Call, details: Form) -> Invoice:
    """Preview a subscription that isn't there yet: its first invoice, as if it began now."""
    books = call.books
    customer = books.get(Customer, call.form.wanted("customer"), param="customer")
    now = books.now(customer.test_clock)
    wanted = read_items(books, details)
    lines = tuple((one.price, one.quantity) for one in wanted if one.price is not None)
    if not lines:
        raise required("subscription_details[items]")
    details.pass_over("proration_behavior", "payment_behavior")
    trial_end = read_trial(details, now=now)
    wish = subscribing.Wish(customer=customer, lines=lines, trial_end=trial_end)
    first, drafts = subscribing.first(books, wish)
    return _composed(books, first, drafts, ())


# Amounts that wait ------------------------------------------------------------------------------


def _create_item(call: Call) -> InvoiceItem:
    form, books = call.form, call.books
    customer = books.get(Customer, form.wanted("customer"), param="customer")
    amount = form.number("amount", at_least=-AMOUNT_MAX, at_most=AMOUNT_MAX)
    if amount is None:
        raise required("amount")
    subscription = form.text("subscription")
    if subscription is not None:
        books.get(Subscription, subscription, param="subscription")
    now = books.now(customer.test_clock)
    item = books.keep(
        InvoiceItem(
            id=books.store.fresh_id("ii_"),
            amount=amount,
            currency=read_currency(form),
            customer=customer.id,
            date=now,
            description=form.text("description"),
            discountable=True,
            metadata=form.pairs("metadata"),
            parent=None
            if subscription is None
            else InvoiceItemParent(
                subscription_details=InvoiceItemSubscription(subscription=subscription)
            ),
            period=Period(start=now, end=now),
            test_clock=customer.test_clock,
        )
    )
    books.tell("invoiceitem.created", item)
    return item


def _retrieve_item(call: Call) -> InvoiceItem:
    return call.books.get(InvoiceItem, call.ids[0])


def _delete_item(call: Call) -> Deleted:
    item = call.books.get(InvoiceItem, call.ids[0])
    if item.invoice is not None:
        raise Refused("This item is on an invoice already and can't be deleted.")
    call.books.store.drop(item)
    call.books.tell("invoiceitem.deleted", item)
    return Deleted(id=item.id, object="invoiceitem")


def _list_items(call: Call) -> Listing:
    pending, invoice = call.form.flag("pending"), call.form.text("invoice")
    return page(
        call,
        InvoiceItem,
        owner=call.form.text("customer"),
        wanted=lambda item: (
            (pending is None or pending == (item.invoice is None))
            and invoice in {None, item.invoice}
        ),
    )


def _update(call: Call) -> Invoice:
    form, books = call.form, call.books
    before = books.get(Invoice, call.ids[0])
    days = form.number("days_until_due", at_least=0, at_most=3650)
    auto_advance = form.flag("auto_advance")
    after = msgspec.structs.replace(
        before,
        auto_advance=before.auto_advance if auto_advance is None else auto_advance,
        description=form.text("description") if form.has("description") else before.description,
        due_date=before.due_date if days is None else books.now(before.test_clock) + days * DAY_S,
        metadata=form.pairs("metadata", before.metadata),
    )
    return books.tell_change("invoice.updated", before, after)


ROUTES = (
    get("invoices", _list),
    post("invoices/create_preview", _preview),
    get("invoices/*", _retrieve),
    post("invoices/*", _update),
    get("invoices/*/lines", _lines),
    post("invoices/*/pay", _pay),
    post("invoices/*/finalize", _finalize),
    post("invoices/*/send", _send),
    post("invoices/*/void", _void),
    post("invoices/*/mark_uncollectible", _write_off),
    post("invoiceitems", _create_item),
    get("invoiceitems", _list_items),
    get("invoiceitems/*", _retrieve_item),
    delete("invoiceitems/*", _delete_item),
)
