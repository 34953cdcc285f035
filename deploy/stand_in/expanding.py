"""Ids that a caller wants to see as objects: expand[]=data.customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from deploy.stand_in.books import Books, shown
from deploy.stand_in.checkout import Order
from deploy.stand_in.objects import (
    Customer,
    DeletedCustomer,
    PaymentMethod,
    Price,
    Product,
    Resource,
    TestClock,
)
from deploy.stand_in.problems import Refused
from deploy.stand_in.subscription_objects import Invoice, Subscription

DEPTH_MAX = 5
Document = dict[str, object]

KINDS: Mapping[str, tuple[type[Resource], ...]] = {
    "customer": (Customer, DeletedCustomer),
    "default_payment_method": (PaymentMethod,),
    "default_price": (Price,),
    "invoice": (Invoice,),
    "latest_invoice": (Invoice,),
    "payment_method": (PaymentMethod,),
    "price": (Price,),
    "product": (Product,),
    "subscription": (Subscription,),
    "test_clock": (TestClock,),
}


def expand(books: Books, document: Document, paths: tuple[str, ...]) -> Document:
    """Replace the ids that are asked for; raises Refused for what can't be expanded."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEPTH_MAX:
            raise Refused(f"You cannot expand more than {DEPTH_MAX} levels of a property: {path}")
        _expand(books, document, steps, path)
    return document


def _expand(books: Books, value: object, steps: list[str], path: str) -> None:
    if isinstance(value, list):
        for one in cast("list[object]", value):
            _expand(books, one, steps, path)
        return
    if not isinstance(value, dict) or not steps:
        return
    document = cast("Document", value)
    name = steps[0]
    if name not in document:
        _include(books, document, name, path)
    elif isinstance(document[name], str):
        document[name] = _thing(books, name, cast("str", document[name]), path)
    elif document[name] is not None and not isinstance(document[name], dict | list):
        raise _not_expandable(path)
    _expand(books, document[name], steps[1:], path)


def _thing(books: Books, name: str, id: str, path: str) -> Document:  # noqa: A002 - the field's name
    for kind in KINDS.get(name, ()):
        found = books.store.find(kind, id)
        if found is not None:
            return shown(found)
    raise _not_expandable(path)


def _not_expandable(path: str) -> Refused:
    return Refused(f"This property cannot be expanded ({path}).", param="expand")


# What isn't shown unless it is asked for --------------------------------------------------------


def _include(books: Books, document: Document, name: str, path: str) -> None:
    include = INCLUDED.get((str(document.get("object")), name))
    if include is None:
        raise _not_expandable(path)
    document[name] = include(books, str(document["id"]))


def _line_items(books: Books, session: str) -> Document:
    lines = books.get(Order, session).lines
    return _listed([shown(line) for line in lines], f"/v1/checkout/sessions/{session}/line_items")


def _subscriptions(books: Books, customer: str) -> Document:
    living = [
        shown(subscription)
        for subscription in books.store.newest(Subscription, owner=customer)
        if subscription.ended_at is None
    ]
    return _listed(living, f"/v1/customers/{customer}/subscriptions")


def _listed(data: list[Document], url: str) -> Document:
    return {"object": "list", "data": data, "has_more": False, "url": url}


INCLUDED: Mapping[tuple[str, str], Callable[[Books, str], Document]] = {
    ("checkout.session", "line_items"): _line_items,
    ("customer", "subscriptions"): _subscriptions,
}
