"""Portal sessions: somebody changes, pays and cancels on a page."""

from __future__ import annotations

from deploy.stand_in import cards, ending, invoices, subscribing
from deploy.stand_in.alarms import period_end
from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, post
from deploy.stand_in.changes import Wanted
from deploy.stand_in.objects import Customer, PortalSession, Price
from deploy.stand_in.problems import Refused, missing
from deploy.stand_in.subscribing import How
from deploy.stand_in.subscription_objects import Invoice, Subscription

CONFIGURATION = "bpc_stand_in"


def _create(call: Call) -> PortalSession:
    form, books = call.form, call.books
    form.pass_over("configuration", "on_behalf_of")
    customer = books.get(Customer, form.wanted("customer"), param="customer")
    id = books.store.fresh_id("bps_")  # noqa: A001 - the field's name
    return books.keep(
        PortalSession(
            id=id,
            configuration=CONFIGURATION,
            created=books.now(customer.test_clock),
            customer=customer.id,
            locale=form.text("locale"),
            return_url=form.text("return_url"),
            url=f"{books.url}/portal/{id}",
        )
    )


# The page ---------------------------------------------------------------------------------------


def living(books: Books, customer: str) -> tuple[Subscription, ...]:
    """Return the subscriptions that can still be changed, newest first."""
    return tuple(
        subscription
        for subscription in books.store.newest(Subscription, owner=customer)
        if subscription.ended_at is None
    )


def on_sale(books: Books, currency: str) -> tuple[Price, ...]:
    """Return the prices that a subscription can change to."""
    return tuple(
        price
        for price in books.store.oldest(Price)
        if price.active
        and price.recurring is not None
        and price.recurring.usage_type == "licensed"
        and price.currency == currency
    )


def to_pay(books: Books, customer: str) -> tuple[Invoice, ...]:
    """Return the invoices that wait for money."""
    return tuple(
        invoice
        for invoice in books.store.newest(Invoice, owner=customer)
        if invoice.status == "open"
    )


def change_price(
    books: Books, session: PortalSession, *, subscription: str, price: str
) -> Subscription:
    """Have another price in the place of the first one; what is due is paid now or nothing is."""
    before = _own(books, session, subscription)
    chosen = books.get(Price, price, param="price")
    if chosen not in on_sale(books, before.currency):
        raise Refused(f"{price} is not on sale.", param="price")
    how = How(
        payment_behavior="error_if_incomplete",
        proration_behavior="always_invoice",
        at=books.now(before.test_clock),
    )
    wanted = Wanted(id=before.items.data[0].id, price=chosen, quantity=None)
    planned = subscribing.planned(books, before, (wanted,), how)
    return subscribing.change(books, before, planned, how)


def cancel(books: Books, session: PortalSession, *, subscription: str) -> Subscription:
    """End the subscription when what is paid for ends."""
    before = _own(books, session, subscription)
    now = books.now(before.test_clock)
    after = ending.scheduled(before, at=period_end(before), is_at_period_end=True, now=now)
    return books.tell_change("customer.subscription.updated", before, after)


def resume(books: Books, session: PortalSession, *, subscription: str) -> Subscription:
    """Take a cancellation back."""
    before = _own(books, session, subscription)
    now = books.now(before.test_clock)
    after = ending.scheduled(before, at=None, is_at_period_end=False, now=now)
    return books.tell_change("customer.subscription.updated", before, after)


def pay(books: Books, session: PortalSession, *, invoice: str) -> Invoice:
    """Pay an open invoice."""
    found = books.get(Invoice, invoice)
    if found.customer != session.customer:
        raise missing("invoice", invoice)
    # Whoever gets invoices has no card on file: such a one is paid by typing in a good one.
    return invoices.pay_now(books, found, out_of_band=found.collection_method == "send_invoice")


def set_card(books: Books, session: PortalSession, *, is_good: bool) -> None:
    """Have another card charged from now on."""
    cards.set_card(books, books.get(Customer, session.customer), is_good=is_good)


def _own(books: Books, session: PortalSession, subscription: str) -> Subscription:
    found = books.get(Subscription, subscription)
    if found.customer != session.customer or found.ended_at is not None:
        raise missing("subscription", subscription)
    return found


ROUTES = (post("billing_portal/sessions", _create),)
