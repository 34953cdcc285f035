"""The private address of tests: switches, cards, clocks. Stripe has nothing like it."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from deploy.stand_in import cards, clocks, customers
from deploy.stand_in.collecting import DUNNING_ENDS
from deploy.stand_in.desk import Desk
from deploy.stand_in.faults import Faults
from deploy.stand_in.forms import MOMENT_MAX
from deploy.stand_in.objects import Customer, TestClock
from deploy.stand_in.problems import Refused

T = TypeVar("T")

FLUSH_S = 30.0


class CardSwitch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which card a customer has from now on: good or fails."""

    customer: str
    card: str


class ClockSwitch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a clock for all new customers stands; None binds them to no clock."""

    frozen_time: Annotated[int, Meta(ge=0, le=MOMENT_MAX)] | None = None


class DunningSwitch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a subscription whose last attempt has failed."""

    ends: str


class FlushLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait for deliveries."""

    limit_s: Annotated[float, Meta(ge=0, le=600)] = FLUSH_S


class Flushed(Struct, frozen=True, kw_only=True):
    """How many deliveries are still to be made."""

    left: int


class Alive(Struct, frozen=True, kw_only=True):
    """The stand-in answers."""

    status: str = "alive"


AnyRequest = Request[None, None, State]


async def read(request: AnyRequest, desk: Desk, kind: type[T]) -> T:
    """Read a switch from whoever has the key."""
    desk.check_key(request.headers.get("authorization"))
    body = await request.body() or b"{}"
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The switch can't be read: {error}") from error


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """Make the handlers."""
    return [*_of_faults(desk), *_of_books(desk)]


def _of_faults(desk: Desk) -> list[HTTPRouteHandler]:
    @get("/_stand_in/health")
    async def health() -> Alive:
        return Alive()

    @get("/_stand_in/faults")
    async def show_faults(request: AnyRequest) -> Faults:
        desk.check_key(request.headers.get("authorization"))
        return desk.faults

    @post("/_stand_in/faults", status_code=200)
    async def set_faults(request: AnyRequest) -> Faults:
        desk.switch(await read(request, desk, Faults))
        return desk.faults

    @post("/_stand_in/flush", status_code=200)
    async def flush(request: AnyRequest) -> Flushed:
        limit = await read(request, desk, FlushLimit)
        return Flushed(left=await desk.deliveries.flush(limit_s=limit.limit_s))

    return [health, show_faults, set_faults, flush]


def _of_books(desk: Desk) -> list[HTTPRouteHandler]:
    @post("/_stand_in/cards", status_code=200)
    async def set_card(request: AnyRequest) -> Customer:
        switch = await read(request, desk, CardSwitch)
        if switch.card not in {"good", "fails"}:
            raise Refused(f"A card is good or fails, not {switch.card[:40]}.", param="card")
        with desk.books() as books:
            customer = books.get(Customer, switch.customer, param="customer")
            return cards.set_card(books, customer, is_good=switch.card == "good")

    @post("/_stand_in/clock", status_code=200)
    async def set_clock(request: AnyRequest) -> TestClock | None:
        switch = await read(request, desk, ClockSwitch)
        with desk.books() as books:
            if switch.frozen_time is None:
                books.store.set(customers.CLOCK_FOR_NEW, "")
                return None
            clock = clocks.make(books, at=switch.frozen_time, name="for new customers")
            books.store.set(customers.CLOCK_FOR_NEW, clock.id)
            return clock

    @post("/_stand_in/dunning", status_code=200)
    async def set_dunning(request: AnyRequest) -> DunningSwitch:
        switch = await read(request, desk, DunningSwitch)
        if switch.ends not in DUNNING_ENDS:
            raise Refused(f"Dunning ends as one of {', '.join(DUNNING_ENDS)}.", param="ends")
        with desk.books() as books:
            books.store.set("dunning_ends", switch.ends)
        return switch

    return [set_card, set_clock, set_dunning]
