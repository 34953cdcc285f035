"""The subscription calls of the API."""

from __future__ import annotations

import msgspec

from deploy.stand_in import cards, ending, subscribing
from deploy.stand_in.alarms import DAY_S, period_end
from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, created, delete, get, page, post
from deploy.stand_in.catalogue import make_price
from deploy.stand_in.changes import Wanted
from deploy.stand_in.forms import Form
from deploy.stand_in.objects import Customer, Deleted, Price, Product
from deploy.stand_in.problems import Refused, invalid, required
from deploy.stand_in.subscribing import PAYMENT_BEHAVIORS, PRORATION_BEHAVIORS, How, Wish
from deploy.stand_in.subscription_objects import (
    CancellationDetails,
    EndBehavior,
    PauseCollection,
    Subscription,
    SubscriptionItem,
    TrialSettings,
)

QUANTITY_MAX = 999_999
TRIAL_DAYS_MAX = 730
COLLECTION_METHODS = ("charge_automatically", "send_invoice")
#: What Stripe knows and what has no effect here.
WITHOUT_EFFECT = ("automatic_tax", "billing_mode", "currency", "off_session", "payment_settings")
#: What an update that may have to wait for its payment can change.
CAN_WAIT = {
    "billing_cycle_anchor",
    "expand",
    "items",
    "off_session",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
}
ENDED = ("canceled", "incomplete_expired")


# Reading forms ----------------------------------------------------------------------------------


def read_items(books: Books, form: Form, name: str = "items") -> tuple[Wanted, ...]:
    """Read what is asked of each item."""
    return tuple(read_item(books, one) for one in form.each(name))


def read_item(books: Books, form: Form) -> Wanted:
    """Read what is asked of one item."""
    form.pass_over("clear_usage", "proration_behavior", "payment_behavior", "subscription")
    form.pairs("metadata")
    return Wanted(
        id=form.text("id"),
        price=_read_price(books, form),
        quantity=form.number("quantity", at_least=0, at_most=QUANTITY_MAX),
        is_deleted=form.flag("deleted") or False,
    )


def _read_price(books: Books, form: Form) -> Price | None:
    if form.has("price_data"):
        data = form.within("price_data")
        product = books.get(Product, data.wanted("product"), param=data.spelled("product"))
        price = make_price(books, data, product=product.id)
        # It was made for one buyer: nobody else is to find it on sale.
        return books.keep(msgspec.structs.replace(price, active=False))
    id = form.text("price")  # noqa: A001 - the field's name
    return None if id is None else books.get(Price, id, param=form.spelled("price"))


def read_trial(form: Form, *, now: int) -> int | None:
    """Read until when a trial lasts; None where there is none."""
    days = form.number("trial_period_days", at_least=1, at_most=TRIAL_DAYS_MAX)
    if form.text("trial_end") == "now":
        return None
    until = form.moment("trial_end")
    if until is not None and until <= now:
        raise invalid("trial_end", "trial_end must be in the future, or `now`.")
    return until if days is None else now + days * DAY_S


def read_trial_settings(form: Form) -> TrialSettings:
    """Read what happens when a trial ends without a card."""
    end = form.within("trial_settings").within("end_behavior")
    missing = end.choice("missing_payment_method", ("cancel", "create_invoice", "pause"))
    return TrialSettings(
        end_behavior=EndBehavior(missing_payment_method=missing or "create_invoice")
    )


def read_how(form: Form, *, now: int) -> How:
    """Read how a change is charged."""
    ends_trial = form.text("trial_end") == "now"
    return How(
        payment_behavior=form.choice("payment_behavior", PAYMENT_BEHAVIORS) or "allow_incomplete",
        proration_behavior=form.choice("proration_behavior", PRORATION_BEHAVIORS)
        or "create_prorations",
        at=form.moment("proration_date") or now,
        is_reset=form.choice("billing_cycle_anchor", ("now", "unchanged")) == "now",
        ends_trial=ends_trial,
        trial_end=None if ends_trial else read_trial(form, now=now),
    )


# Creating ---------------------------------------------------------------------------------------


def _create(call: Call) -> Subscription:
    form, books = call.form, call.books
    form.pass_over(*WITHOUT_EFFECT, "proration_behavior")
    customer = books.get(Customer, form.wanted("customer"), param="customer")
    now = books.now(customer.test_clock)
    wanted = read_items(books, form)
    if not wanted:
        raise required("items")
    subscription = subscribing.begin(
        books,
        Wish(
            customer=customer,
            lines=tuple((_bought(one), one.quantity) for one in wanted),
            trial_end=read_trial(form, now=now),
            trial_settings=read_trial_settings(form),
            collection_method=_read_collection(form) or "charge_automatically",
            days_until_due=_read_days(form),
            payment_behavior=form.choice("payment_behavior", PAYMENT_BEHAVIORS)
            or "allow_incomplete",
            default_payment_method=_read_card(books, form, customer),
            description=form.text("description"),
            metadata=form.pairs("metadata"),
        ),
    )
    after = _read_end(form, subscription, now=now)
    return books.tell_change("customer.subscription.updated", subscription, after)


def _bought(wanted: Wanted) -> Price:
    if wanted.price is None:
        raise required("items[0][price]")
    if not wanted.price.active and wanted.price.lookup_key is not None:
        raise Refused(
            f"The price specified is inactive. This field only accepts active prices: "
            f"{wanted.price.id}",
            param="items[0][price]",
        )
    return wanted.price


def _read_collection(form: Form) -> str | None:
    method = form.choice("collection_method", COLLECTION_METHODS)
    if method == "send_invoice" and form.number("days_until_due", at_least=0) is None:
        raise invalid(
            "days_until_due",
            "You must provide `days_until_due` when `collection_method=send_invoice`.",
        )
    return method


def _read_days(form: Form) -> int | None:
    return form.number("days_until_due", at_least=0, at_most=TRIAL_DAYS_MAX)


def _read_card(books: Books, form: Form, customer: Customer) -> str | None:
    token = form.text("default_payment_method")
    return None if token is None else cards.attach(books, customer, token).id


def _read_end(form: Form, subscription: Subscription, *, now: int) -> Subscription:
    """Read whether, and when, the subscription is to end."""
    at_period_end = form.flag("cancel_at_period_end")
    at = form.moment("cancel_at")
    if at is not None and at_period_end:
        raise Refused("Pass one of `cancel_at` and `cancel_at_period_end`, not both.")
    if at is not None and at <= now:
        raise invalid("cancel_at", "cancel_at must be in the future.")
    if at is not None:
        return ending.scheduled(subscription, at=at, is_at_period_end=False, now=now)
    if at_period_end and not subscription.cancel_at_period_end:
        return ending.scheduled(
            subscription, at=period_end(subscription), is_at_period_end=True, now=now
        )
    is_taken_back = at_period_end is False and subscription.cancel_at_period_end
    if is_taken_back or (form.is_cleared("cancel_at") and subscription.cancel_at is not None):
        return ending.scheduled(subscription, at=None, is_at_period_end=False, now=now)
    return subscription


# Changing ---------------------------------------------------------------------------------------


def _update(call: Call) -> Subscription:
    form, books = call.form, call.books
    form.pass_over(*WITHOUT_EFFECT)
    before = books.get(Subscription, call.ids[0])
    if before.status in ENDED:
        raise Refused(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    now = books.now(before.test_clock)
    how = read_how(form, now=now)
    if how.payment_behavior == "pending_if_incomplete":
        _check_can_wait(form)
    after = _read_facts(call, before, now=now)
    books.tell_change("customer.subscription.updated", before, after)
    wanted = read_items(books, form)
    if wanted or how.is_reset or how.ends_trial or how.trial_end is not None:
        planned = subscribing.planned(books, after, wanted, how)
        after = subscribing.change(books, after, planned, how)
    return after


def _check_can_wait(form: Form) -> None:
    for name in form.names():
        if name not in CAN_WAIT:
            raise invalid(
                name,
                f"You cannot update `{name}` while `payment_behavior` is `pending_if_incomplete`.",
            )


def _read_facts(call: Call, before: Subscription, *, now: int) -> Subscription:
    """Read what changes without costing anything."""
    form, books = call.form, call.books
    customer = books.get(Customer, before.customer)
    after = _read_end(form, before, now=now)
    days = _read_days(form)
    return msgspec.structs.replace(
        after,
        cancellation_details=_read_details(form, after),
        collection_method=_read_collection(form) or after.collection_method,
        days_until_due=after.days_until_due if days is None else days,
        default_payment_method=_read_card(books, form, customer) or after.default_payment_method,
        description=form.text("description") if form.has("description") else after.description,
        metadata=form.pairs("metadata", after.metadata),
        pause_collection=_read_pause(form, after),
        trial_settings=read_trial_settings(form)
        if form.has("trial_settings")
        else after.trial_settings,
    )


def _read_details(form: Form, subscription: Subscription) -> CancellationDetails:
    said = form.within("cancellation_details")
    return msgspec.structs.replace(
        subscription.cancellation_details,
        comment=said.text("comment") or subscription.cancellation_details.comment,
        feedback=said.text("feedback") or subscription.cancellation_details.feedback,
    )


def _read_pause(form: Form, subscription: Subscription) -> PauseCollection | None:
    if form.is_cleared("pause_collection"):
        form.pass_over("pause_collection")
        return None
    pause = form.within("pause_collection")
    behavior = pause.choice("behavior", ("keep_as_draft", "mark_uncollectible", "void"))
    resumes_at = pause.moment("resumes_at")
    if behavior is None:
        return subscription.pause_collection
    return PauseCollection(behavior=behavior, resumes_at=resumes_at)


def _cancel(call: Call) -> Subscription:
    form, books = call.form, call.books
    form.pass_over("invoice_now", "prorate")
    before = books.get(Subscription, call.ids[0])
    if before.status in ENDED:
        raise Refused(
            f"No such subscription: '{before.id}'", status=404, code="resource_missing", param="id"
        )
    said = msgspec.structs.replace(before, cancellation_details=_read_details(form, before))
    return ending.end(books, said, reason="cancellation_requested")


def _resume(call: Call) -> Subscription:
    form, books = call.form, call.books
    form.pass_over("proration_behavior", "proration_date", "billing_cycle_anchor")
    before = books.get(Subscription, call.ids[0])
    if before.status != "paused":
        raise Refused("You can only resume a subscription whose status is `paused`.")
    now = books.now(before.test_clock)
    card = cards.card_of(books, before.customer, before)
    if not cards.is_good(card):
        raise declined_resume()
    how = How(at=now, is_reset=True, ends_trial=True, proration_behavior="none")
    planned = subscribing.planned(books, before, (), how)
    after = subscribing.change(books, before, planned, how)
    books.tell("customer.subscription.resumed", after)
    return after


def declined_resume() -> Refused:
    """Say that nothing resumes without money."""
    return Refused(
        "This customer has no payment method that can be charged.", code="resource_missing"
    )


# Reading ----------------------------------------------------------------------------------------


def _retrieve(call: Call) -> Subscription:
    return call.books.get(Subscription, call.ids[0])


def _list(call: Call) -> Listing:
    form = call.form
    status = form.text("status")
    price, clock = form.text("price"), form.text("test_clock")
    method = form.choice("collection_method", COLLECTION_METHODS)
    fits = created(call)

    def wanted(subscription: Subscription) -> bool:
        return (
            _has_status(subscription, status)
            and (price is None or price in {item.price.id for item in subscription.items.data})
            and method in {None, subscription.collection_method}
            and clock in {None, subscription.test_clock}
            and fits(subscription.created)
        )

    return page(call, Subscription, owner=form.text("customer"), wanted=wanted)


def _has_status(subscription: Subscription, status: str | None) -> bool:
    match status:
        case "all":
            return True
        case None:
            return subscription.status not in ENDED
        case "ended":
            return subscription.status in ENDED
        case _:
            return subscription.status == status


# Items ------------------------------------------------------------------------------------------


def _holder(books: Books, item: str) -> Subscription:
    for subscription in books.store.newest(Subscription):
        if any(one.id == item for one in subscription.items.data):
            return subscription
    raise Refused(
        f"No such subscription_item: '{item}'", status=404, code="resource_missing", param="item"
    )


def _change_one(call: Call, holder: Subscription, wanted: Wanted) -> Subscription:
    how = read_how(call.form, now=call.books.now(holder.test_clock))
    planned = subscribing.planned(call.books, holder, (wanted,), how)
    return subscribing.change(call.books, holder, planned, how)


def _create_item(call: Call) -> SubscriptionItem:
    id = call.form.wanted("subscription")  # noqa: A001 - the field's name
    holder = call.books.get(Subscription, id, param="subscription")
    after = _change_one(call, holder, read_item(call.books, call.form))
    return after.items.data[-1]


def _update_item(call: Call) -> SubscriptionItem:
    holder = _holder(call.books, call.ids[0])
    wanted = msgspec.structs.replace(read_item(call.books, call.form), id=call.ids[0])
    after = _change_one(call, holder, wanted)
    return next(item for item in after.items.data if item.id == call.ids[0])


def _delete_item(call: Call) -> Deleted:
    holder = _holder(call.books, call.ids[0])
    wanted = Wanted(id=call.ids[0], price=None, quantity=None, is_deleted=True)
    _change_one(call, holder, wanted)
    return Deleted(id=call.ids[0], object="subscription_item")


def _retrieve_item(call: Call) -> SubscriptionItem:
    holder = _holder(call.books, call.ids[0])
    return next(item for item in holder.items.data if item.id == call.ids[0])


def _list_items(call: Call) -> Listing:
    call.form.pass_over("limit", "starting_after", "ending_before")
    id = call.form.wanted("subscription")  # noqa: A001 - the field's name
    holder = call.books.get(Subscription, id, param="subscription")
    return Listing(data=holder.items.data, has_more=False, url=call.path)


ROUTES = (
    post("subscriptions", _create),
    get("subscriptions", _list),
    get("subscriptions/*", _retrieve),
    post("subscriptions/*", _update),
    delete("subscriptions/*", _cancel),
    post("subscriptions/*/resume", _resume),
    post("subscription_items", _create_item),
    get("subscription_items", _list_items),
    get("subscription_items/*", _retrieve_item),
    post("subscription_items/*", _update_item),
    delete("subscription_items/*", _delete_item),
)
