"""Checkout sessions: somebody buys a subscription on a page."""

from __future__ import annotations

import msgspec

from deploy.stand_in import cards, customers, subscribing
from deploy.stand_in.alarms import DAY_S
from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, created, get, page, post
from deploy.stand_in.changes import Wanted, cost, recurring
from deploy.stand_in.forms import Form
from deploy.stand_in.objects import (
    CheckoutCustomerDetails,
    CheckoutSession,
    Customer,
    LineItem,
    Price,
    Product,
    Resource,
)
from deploy.stand_in.problems import Refused, declined, invalid, required
from deploy.stand_in.subscription_objects import TrialSettings
from deploy.stand_in.subscriptions import (
    read_items,
    read_trial,
    read_trial_settings,
)

EXPIRES_S = 86_400
WITHOUT_EFFECT = (
    "adaptive_pricing",
    "automatic_tax",
    "consent_collection",
    "currency",
    "custom_text",
    "customer_update",
    "phone_number_collection",
    "saved_payment_method_options",
    "submit_type",
    "tax_id_collection",
)


class Order(Resource, frozen=True, kw_only=True):
    """What a session sells: kept beside it, because Stripe doesn't show it in the session."""

    lines: tuple[LineItem, ...]
    trial_days: int | None
    trial_end: int | None
    trial_settings: TrialSettings
    description: str | None
    metadata: dict[str, str]


# Calls ------------------------------------------------------------------------------------------


def _create(call: Call) -> CheckoutSession:
    form, books = call.form, call.books
    form.pass_over(*WITHOUT_EFFECT)
    if form.choice("mode", ("subscription",)) is None:
        raise required("mode")
    customer = form.text("customer")
    if customer is not None:
        books.get(Customer, customer, param="customer")
    now = books.now(books.clock_of(customer))
    id = books.store.fresh_id("cs_test_")  # noqa: A001 - the field's name
    order = books.keep(_read_order(books, form, id=id, now=now))
    total = 0 if order.trial_days or order.trial_end else _total(order)
    expires_at = form.moment("expires_at") or now + EXPIRES_S
    if expires_at <= now:
        raise invalid("expires_at", "expires_at must be in the future.")
    email = form.text("customer_email")
    if customer is not None and email is not None:
        raise Refused("You may only specify one of these parameters: customer, customer_email.")
    return books.keep(
        CheckoutSession(
            id=id,
            allow_promotion_codes=form.flag("allow_promotion_codes"),
            amount_subtotal=total,
            amount_total=total,
            billing_address_collection=form.choice(
                "billing_address_collection", ("auto", "required")
            ),
            cancel_url=form.text("cancel_url"),
            client_reference_id=form.text("client_reference_id"),
            created=now,
            currency=order.lines[0].currency,
            customer=customer,
            customer_creation="always" if customer is None else None,
            customer_email=email,
            expires_at=expires_at,
            locale=form.text("locale"),
            metadata=form.pairs("metadata"),
            payment_method_collection=form.choice(
                "payment_method_collection", ("always", "if_required")
            )
            or "always",
            payment_method_types=form.texts("payment_method_types") or ("card",),
            success_url=form.wanted("success_url"),
            ui_mode=form.choice("ui_mode", ("hosted_page",)) or "hosted_page",
            url=f"{books.url}/pay/{id}",
        )
    )


def _read_order(books: Books, form: Form, *, id: str, now: int) -> Order:  # noqa: A002 - its name
    lines = tuple(_line(books, one) for one in read_items(books, form, "line_items"))
    if not lines:
        raise required("line_items")
    data = form.within("subscription_data")
    data.pass_over("billing_mode", "proration_behavior")
    days = data.number("trial_period_days", at_least=1, at_most=730)
    return Order(
        id=id,
        lines=lines,
        trial_days=days,
        trial_end=None if days is not None else read_trial(data, now=now),
        trial_settings=read_trial_settings(data),
        description=data.text("description"),
        metadata=data.pairs("metadata"),
    )


def _line(books: Books, wanted: Wanted) -> LineItem:
    if wanted.price is None:
        raise required("line_items[0][price]")
    price = wanted.price
    is_counted = recurring(price).usage_type == "metered"
    if not is_counted and wanted.quantity is None:
        raise required("line_items[0][quantity]")
    amount = 0 if is_counted else cost(price, wanted.quantity or 0)
    return LineItem(
        id=books.store.fresh_id("li_"),
        amount_subtotal=amount,
        amount_total=amount,
        currency=price.currency,
        description=_name(books, price),
        price=price,
        quantity=None if is_counted else wanted.quantity,
    )


def _name(books: Books, price: Price) -> str:
    return price.nickname or books.get(Product, price.product, param="product").name


def _total(order: Order) -> int:
    return sum(line.amount_total for line in order.lines)


def _retrieve(call: Call) -> CheckoutSession:
    return call.books.get(CheckoutSession, call.ids[0])


def _lines(call: Call) -> Listing:
    call.form.pass_over("limit", "starting_after", "ending_before")
    order = call.books.get(Order, call.ids[0])
    return Listing(data=order.lines, has_more=False, url=call.path)


def _list(call: Call) -> Listing:
    form = call.form
    status = form.choice("status", ("open", "complete", "expired"))
    subscription = form.text("subscription")
    fits = created(call)
    return page(
        call,
        CheckoutSession,
        owner=form.text("customer"),
        wanted=lambda session: (
            status in {None, session.status}
            and subscription in {None, session.subscription}
            and fits(session.created)
        ),
    )


def _expire(call: Call) -> CheckoutSession:
    session = call.books.get(CheckoutSession, call.ids[0])
    if session.status != "open":
        raise Refused('Only Checkout Sessions with a status in ["open"] can be expired.')
    return expire(call.books, session)


def expire(books: Books, session: CheckoutSession) -> CheckoutSession:
    """Let nobody buy here any more."""
    expired = books.keep(msgspec.structs.replace(session, status="expired", url=None))
    books.tell("checkout.session.expired", expired)
    return expired


# The page ---------------------------------------------------------------------------------------


def buy(books: Books, session: CheckoutSession, *, is_good: bool) -> CheckoutSession:
    """Buy with a card that is good or fails; raises Refused where nothing is sold."""
    if session.status != "open":
        raise Refused(f"This checkout is {session.status}: nothing can be bought here any more.")
    order = books.get(Order, session.id)
    if session.amount_total > 0 and not is_good:
        raise declined()
    customer = _customer(books, session)
    now = books.now(customer.test_clock)
    customer = cards.set_card(books, customer, is_good=is_good)
    subscription = subscribing.begin(
        books,
        subscribing.Wish(
            customer=customer,
            lines=tuple((line.price, line.quantity) for line in order.lines),
            trial_end=order.trial_end
            or (now + order.trial_days * DAY_S if order.trial_days else None),
            trial_settings=order.trial_settings,
            description=order.description,
            metadata=order.metadata,
        ),
    )
    complete = books.keep(
        msgspec.structs.replace(
            session,
            customer=customer.id,
            customer_details=CheckoutCustomerDetails(email=customer.email, name=customer.name),
            invoice=subscription.latest_invoice,
            payment_status="paid" if session.amount_total > 0 else "no_payment_required",
            status="complete",
            subscription=subscription.id,
            url=None,
        )
    )
    books.tell("checkout.session.completed", complete)
    return complete


def _customer(books: Books, session: CheckoutSession) -> Customer:
    if session.customer is not None:
        return books.get(Customer, session.customer, param="customer")
    made = books.keep(customers.make(books, name=None, email=session.customer_email, clock=None))
    books.tell("customer.created", made)
    return made


ROUTES = (
    post("checkout/sessions", _create),
    get("checkout/sessions", _list),
    get("checkout/sessions/*", _retrieve),
    get("checkout/sessions/*/line_items", _lines),
    post("checkout/sessions/*/expire", _expire),
)
