"""The event calls of the API, and the endpoints that are told."""

from __future__ import annotations

import hashlib

import msgspec

from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, created, delete, get, page, post
from deploy.stand_in.objects import API_VERSION, Deleted, Event, WebhookEndpoint
from deploy.stand_in.problems import invalid, required

#: Says of an endpoint that the command line named it.
REGISTERED = "named when the stand-in was started"
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with


def _retrieve(call: Call) -> Event:
    return call.books.get(Event, call.ids[0])


def _list(call: Call) -> Listing:
    type, types = call.form.text("type"), call.form.texts("types")  # noqa: A001 - the field's name
    call.form.flag("delivery_success")
    fits = created(call)
    return page(
        call,
        Event,
        wanted=lambda event: (
            (type is None or _matches(type, event.type))
            and (not types or any(_matches(one, event.type) for one in types))
            and fits(event.created)
        ),
    )


def _matches(pattern: str, type: str) -> bool:  # noqa: A002 - the field's name
    if pattern.endswith("*"):
        return type.startswith(pattern[:-1])
    return pattern == type


# Endpoints --------------------------------------------------------------------------------------


def register(books: Books, *, url: str, secret: str) -> WebhookEndpoint:
    """Register an endpoint that hears everything, under the id that this address always has."""
    named = hashlib.sha256(url.encode()).hexdigest()[:16]
    return books.keep(
        WebhookEndpoint(
            id=f"we_{named}",
            api_version=API_VERSION,
            created=books.now(None),
            description=REGISTERED,
            enabled_events=("*",),
            secret=secret,
            url=url,
        )
    )


def forget_registered(books: Books) -> None:
    """Forget the endpoints that were registered: nobody may be there any more."""
    for endpoint in list(books.store.newest(WebhookEndpoint)):
        if endpoint.description == REGISTERED:
            books.store.drop(endpoint)


def _create(call: Call) -> WebhookEndpoint:
    form, books = call.form, call.books
    url = _url(form.wanted("url"))
    enabled = form.texts("enabled_events")
    if not enabled:
        raise required("enabled_events")
    return books.keep(
        WebhookEndpoint(
            id=books.store.fresh_id("we_"),
            api_version=form.text("api_version"),
            created=books.now(None),
            description=form.text("description"),
            enabled_events=enabled,
            metadata=form.pairs("metadata"),
            secret=books.store.fresh_id(SECRET_PREFIX),
            url=url,
        )
    )


def _url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise invalid("url", f"Invalid URL: {url[:100]}")
    return url


def _without_secret(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return msgspec.structs.replace(endpoint, secret=None)


def _retrieve_endpoint(call: Call) -> WebhookEndpoint:
    return _without_secret(call.books.get(WebhookEndpoint, call.ids[0]))


def _update_endpoint(call: Call) -> WebhookEndpoint:
    form, books = call.form, call.books
    before = books.get(WebhookEndpoint, call.ids[0])
    is_disabled = form.flag("disabled")
    status = before.status
    if is_disabled is not None:
        status = "disabled" if is_disabled else "enabled"
    after = msgspec.structs.replace(
        before,
        enabled_events=form.texts("enabled_events") or before.enabled_events,
        metadata=form.pairs("metadata", before.metadata),
        status=status,
        url=_url(form.text("url") or before.url),
    )
    return _without_secret(books.keep(after))


def _delete_endpoint(call: Call) -> Deleted:
    endpoint = call.books.get(WebhookEndpoint, call.ids[0])
    call.books.store.drop(endpoint)
    return Deleted(id=endpoint.id, object=endpoint.object)


def _list_endpoints(call: Call) -> Listing:
    listing = page(call, WebhookEndpoint)
    shown = tuple(_without_secret(one) for one in listing.data if isinstance(one, WebhookEndpoint))
    return msgspec.structs.replace(listing, data=shown)


ROUTES = (
    get("events", _list),
    get("events/*", _retrieve),
    post("webhook_endpoints", _create),
    get("webhook_endpoints", _list_endpoints),
    get("webhook_endpoints/*", _retrieve_endpoint),
    post("webhook_endpoints/*", _update_endpoint),
    delete("webhook_endpoints/*", _delete_endpoint),
)
