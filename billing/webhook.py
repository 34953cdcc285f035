"""POST /webhooks/stripe: a provider's event is checked, stored once, and answered at once.

Behind no door: what counts is the signature over the body, byte by byte as it came.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Router, post
from litestar.di import NamedDependency, Provide

from billing.desk import Desk

#: Far beyond any event of Stripe's; a body is read whole before its signature can be checked.
BODY_BYTES_MAX = 1_000_000


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The event is stored. ``is_new`` is false where it had been delivered before."""

    is_new: bool


@post(
    "/webhooks/stripe",
    status_code=200,
    tags=["billing"],
    summary="Stripe's events",
    security=[{}],
    request_max_body_size=BODY_BYTES_MAX,
)
async def take_event(request: Request[Any, Any, Any], desk: NamedDependency[Desk]) -> Taken:
    """400 for what Stripe didn't sign, or signed too long ago; after a 5xx Stripe sends it again.

    What an event says is never believed: it only tells whom to ask Stripe about.
    """
    return Taken(is_new=await desk.take(await request.body(), request.headers))


def webhook_router(desk: Desk) -> Router:
    """Make the route of the provider's events."""
    return Router(
        path="/",
        route_handlers=[take_event],
        dependencies={"desk": Provide(lambda: desk, sync_to_thread=False)},
    )
