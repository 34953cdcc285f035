"""Cards: a customer's card is good or fails, and its last four digits say which."""

from __future__ import annotations

import msgspec

from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, get, page, post
from deploy.stand_in.objects import (
    BillingDetails,
    Card,
    Customer,
    CustomerInvoiceSettings,
    PaymentMethod,
)
from deploy.stand_in.problems import Refused, missing
from deploy.stand_in.subscription_objects import Subscription

GOOD = "4242"
FAILS = "0341"  # attaching succeeds, charging fails
#: Stripe's names of test cards, which stand for a new card each time.
TOKENS = {
    "pm_card_visa": GOOD,
    "pm_card_mastercard": GOOD,
    "pm_card_chargeCustomerFail": FAILS,
}


def attach(books: Books, customer: Customer, token: str) -> PaymentMethod:
    """Give a customer a card by a test card's name, or by the id of one it has."""
    known = books.store.find(PaymentMethod, token)
    if known is not None:
        if known.customer not in {None, customer.id}:
            raise Refused("This payment method is attached to another customer.")
        return books.keep(msgspec.structs.replace(known, customer=customer.id))
    if token not in TOKENS:
        raise missing("PaymentMethod", token, param="payment_method")
    number = books.store.fresh_id("")
    return books.keep(
        PaymentMethod(
            id=f"pm_{number}",
            billing_details=BillingDetails(email=customer.email, name=customer.name),
            card=Card(fingerprint=number, last4=TOKENS[token]),
            created=books.now(customer.test_clock),
            customer=customer.id,
        )
    )


def make_default(books: Books, customer: Customer, token: str) -> Customer:
    """Charge this card from now on."""
    card = attach(books, customer, token)
    return books.tell_change(
        "customer.updated",
        customer,
        msgspec.structs.replace(
            customer, invoice_settings=CustomerInvoiceSettings(default_payment_method=card.id)
        ),
    )


def set_card(books: Books, customer: Customer, *, is_good: bool) -> Customer:
    """Give a customer a card that pays, or one that doesn't, in the place of all others."""
    token = "pm_card_visa" if is_good else "pm_card_chargeCustomerFail"
    for subscription in list(books.store.newest(Subscription, owner=customer.id)):
        # A subscription's own card would be charged before the customer's.
        if subscription.default_payment_method is not None:
            books.keep(msgspec.structs.replace(subscription, default_payment_method=None))
    return make_default(books, customer, token)


def card_of(books: Books, customer: str, subscription: Subscription | None) -> PaymentMethod | None:
    """Return the card that is charged; None where there is none."""
    chosen = None if subscription is None else subscription.default_payment_method
    if chosen is None:
        chosen = books.get(Customer, customer).invoice_settings.default_payment_method
    return None if chosen is None else books.store.find(PaymentMethod, chosen)


def is_good(card: PaymentMethod | None) -> bool:
    """Say whether a charge succeeds."""
    return card is not None and card.card.last4 == GOOD


# Calls ------------------------------------------------------------------------------------------


def _attach(call: Call) -> PaymentMethod:
    customer = call.books.get(Customer, call.form.wanted("customer"), param="customer")
    return attach(call.books, customer, call.ids[0])


def _detach(call: Call) -> PaymentMethod:
    card = call.books.get(PaymentMethod, call.ids[0])
    if card.customer is not None:
        customer = call.books.get(Customer, card.customer)
        if customer.invoice_settings.default_payment_method == card.id:
            settings = CustomerInvoiceSettings()
            after = msgspec.structs.replace(customer, invoice_settings=settings)
            call.books.tell_change("customer.updated", customer, after)
    return call.books.keep(msgspec.structs.replace(card, customer=None))


def _retrieve(call: Call) -> PaymentMethod:
    return call.books.get(PaymentMethod, call.ids[0])


def _list(call: Call) -> Listing:
    call.form.choice("type", ("card",))
    return page(call, PaymentMethod, owner=call.form.text("customer"))


def _list_of_customer(call: Call) -> Listing:
    call.form.choice("type", ("card",))
    return page(call, PaymentMethod, owner=call.ids[0])


ROUTES = (
    post("payment_methods/*/attach", _attach),
    post("payment_methods/*/detach", _detach),
    get("payment_methods/*", _retrieve),
    get("payment_methods", _list),
    get("customers/*/payment_methods", _list_of_customer),
)
