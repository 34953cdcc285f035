"""What a handler gets, and how it answers with a page of a list."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from deploy.stand_in.books import Books
from deploy.stand_in.forms import Form
from deploy.stand_in.objects import Resource
from deploy.stand_in.problems import Refused

R = TypeVar("R", bound=Resource)

LIMIT_DEFAULT = 10
LIMIT_MAX = 100


class Call(Struct, frozen=True, kw_only=True):
    """One call. ``ids`` are what stood in the path where its route has holes."""

    books: Books
    form: Form
    ids: tuple[str, ...]
    path: str


class Listing(Struct, frozen=True, kw_only=True):
    """One page."""

    object: str = "list"
    data: tuple[Resource, ...]
    has_more: bool
    url: str


Handler = Callable[[Call], Struct]


class Route(Struct, frozen=True, kw_only=True):
    """Which handler answers; ``*`` in a pattern takes any one segment."""

    method: str
    pattern: str
    handler: Handler


def get(pattern: str, handler: Handler) -> Route:
    """Route a question."""
    return Route(method="GET", pattern=pattern, handler=handler)


def post(pattern: str, handler: Handler) -> Route:
    """Route a change."""
    return Route(method="POST", pattern=pattern, handler=handler)


def delete(pattern: str, handler: Handler) -> Route:
    """Route an end."""
    return Route(method="DELETE", pattern=pattern, handler=handler)


def page(
    call: Call,
    kind: type[R],
    *,
    owner: str | None = None,
    wanted: Callable[[R], bool] = lambda _: True,
) -> Listing:
    """Return one page of things, newest first, as the call's cursors say."""
    limit = call.form.number("limit", at_least=1, at_most=LIMIT_MAX) or LIMIT_DEFAULT
    after = call.form.text("starting_after")
    before = call.form.text("ending_before")
    if after is not None and before is not None:
        raise Refused("You cannot use both starting_after and ending_before.")
    cursor = after or before
    if cursor is not None:
        call.books.get(kind, cursor, param="starting_after" if after else "ending_before")
    through = call.books.store.newest if before is None else call.books.store.oldest
    found = list(
        islice(filter(wanted, through(kind, owner=owner, after=cursor)), limit + 1),
    )
    things = found[:limit]
    return Listing(
        data=tuple(things if before is None else reversed(things)),
        has_more=len(found) > limit,
        url=call.path,
    )


def created(call: Call) -> Callable[[int], bool]:
    """Read the filter on times: exact, or created[gte] and its kin."""
    if not call.form.is_object("created"):
        exact = call.form.moment("created")
        return lambda at: exact is None or at == exact
    bounds = call.form.within("created")
    gte, gt = bounds.moment("gte"), bounds.moment("gt")
    lte, lt = bounds.moment("lte"), bounds.moment("lt")

    def fits(at: int) -> bool:
        return (
            (gte is None or at >= gte)
            and (gt is None or at > gt)
            and (lte is None or at <= lte)
            and (lt is None or at < lt)
        )

    return fits
