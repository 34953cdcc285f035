"""The customer calls of the API."""

from __future__ import annotations

import msgspec

from deploy.stand_in import cards, ending
from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, created, delete, get, page, post
from deploy.stand_in.forms import Form
from deploy.stand_in.objects import Customer, DeletedCustomer, TestClock
from deploy.stand_in.problems import missing
from deploy.stand_in.subscription_objects import Subscription

#: Where a test binds all new customers to one clock: see control.py.
CLOCK_FOR_NEW = "clock_for_new_customers"
PREFIX_LENGTH = 8
WITHOUT_EFFECT = ("address", "preferred_locales", "tax", "tax_exempt", "tax_id_data", "shipping")


def make(books: Books, *, name: str | None, email: str | None, clock: str | None) -> Customer:
    """Make a customer, on the clock for new ones where none is named, and tell nobody yet."""
    clock = clock or books.store.setting(CLOCK_FOR_NEW) or None
    id = books.store.fresh_id("cus_")  # noqa: A001 - the field's name
    return Customer(
        id=id,
        created=books.now(clock),
        email=email,
        invoice_prefix=id.removeprefix("cus_")[:PREFIX_LENGTH].upper(),
        name=name,
        test_clock=clock,
    )


def _create(call: Call) -> Customer:
    form, books = call.form, call.books
    form.pass_over(*WITHOUT_EFFECT)
    clock = form.text("test_clock")
    if clock is not None:
        books.get(TestClock, clock, param="test_clock")
    customer = make(books, name=form.text("name"), email=form.text("email"), clock=clock)
    customer = books.keep(
        msgspec.structs.replace(
            customer,
            description=form.text("description"),
            metadata=form.pairs("metadata"),
            phone=form.text("phone"),
        )
    )
    customer = books.keep(_read_card(books, form, customer))
    books.tell("customer.created", customer)
    return customer


def _read_card(books: Books, form: Form, customer: Customer) -> Customer:
    """Read which card is to be charged: either field of Stripe's may say it."""
    settings = form.within("invoice_settings")
    settings.pass_over("custom_fields", "footer", "rendering_options")
    attached = form.text("payment_method")
    token = settings.text("default_payment_method") or attached
    if token is None:
        return customer
    card = cards.attach(books, customer, token)
    changed = msgspec.structs.replace(customer.invoice_settings, default_payment_method=card.id)
    return msgspec.structs.replace(customer, invoice_settings=changed)


def _update(call: Call) -> Customer:
    form, books = call.form, call.books
    form.pass_over(*WITHOUT_EFFECT)
    before = _living(books, call.ids[0])
    balance = form.number("balance")
    after = msgspec.structs.replace(
        before,
        balance=before.balance if balance is None else balance,
        description=form.text("description") if form.has("description") else before.description,
        email=form.text("email") if form.has("email") else before.email,
        metadata=form.pairs("metadata", before.metadata),
        name=form.text("name") if form.has("name") else before.name,
        phone=form.text("phone") if form.has("phone") else before.phone,
    )
    return books.tell_change("customer.updated", before, _read_card(books, form, after))


def _retrieve(call: Call) -> Customer | DeletedCustomer:
    gone = call.books.store.find(DeletedCustomer, call.ids[0])
    return gone or call.books.get(Customer, call.ids[0])


def _living(books: Books, id: str) -> Customer:  # noqa: A002 - the field's name
    found = books.store.find(Customer, id)
    if found is None:
        raise missing("customer", id)
    return found


def _delete(call: Call) -> DeletedCustomer:
    return remove(call.books, _living(call.books, call.ids[0]))


def remove(books: Books, customer: Customer) -> DeletedCustomer:
    """Delete a customer, and end its subscriptions at once."""
    for subscription in list(books.store.newest(Subscription, owner=customer.id)):
        if subscription.ended_at is None:
            ending.end(books, subscription, reason="cancellation_requested")
    books.tell("customer.deleted", customer)
    books.store.drop(customer)
    return books.keep(DeletedCustomer(id=customer.id))


def _list(call: Call) -> Listing:
    email, clock = call.form.text("email"), call.form.text("test_clock")
    fits = created(call)
    return page(
        call,
        Customer,
        owner=clock,
        wanted=lambda customer: email in {None, customer.email} and fits(customer.created),
    )


ROUTES = (
    post("customers", _create),
    get("customers", _list),
    get("customers/*", _retrieve),
    post("customers/*", _update),
    delete("customers/*", _delete),
)
