"""Time: test clocks that are advanced by a call, and the real one that advances by itself."""

from __future__ import annotations

import time

import msgspec

from deploy.stand_in import checkout, collecting, customers, cycles
from deploy.stand_in.alarms import DAY_S, Deed
from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, delete, get, page, post
from deploy.stand_in.objects import (
    Advancing,
    CheckoutSession,
    ClockDetails,
    Customer,
    Deleted,
    TestClock,
)
from deploy.stand_in.problems import Refused, invalid, required
from deploy.stand_in.store import Alarm
from deploy.stand_in.subscription_objects import Invoice, Subscription

CLOCK_LIVES_S = 30 * DAY_S
#: So far ahead in one call: each renewal on the way is really made.
ADVANCE_S_MAX = 2 * 366 * DAY_S


def run(books: Books, *, clock: str | None, until: int) -> None:
    """Let everything happen that falls due, each at its own time."""
    while (alarm := books.store.next_alarm(clock, until=until)) is not None:
        if clock is not None:
            _move(books, clock, max(alarm.due, books.now(clock)))
        _ring(books, alarm)
    if clock is not None:
        _move(books, clock, until)


def tick(books: Books, *, limit: int) -> bool:
    """Let some of what is due by the real clock happen; say whether there may be more."""
    now = int(time.time())
    for _ in range(limit):
        alarm = books.store.next_alarm(None, until=now)
        if alarm is None:
            return False
        _ring(books, alarm)
    return True


def _move(books: Books, clock: str, to: int) -> None:
    books.keep(msgspec.structs.replace(books.get(TestClock, clock), frozen_time=to))


SUBSCRIPTION_DEEDS = {
    Deed.TURN: cycles.turn,
    Deed.END: cycles.end,
    Deed.EXPIRE: cycles.expire,
    Deed.TELL_TRIAL_END: cycles.tell_trial_end,
    Deed.TELL_RENEWAL: cycles.tell_renewal,
    Deed.COLLECT_AGAIN: cycles.collect_again,
    Deed.DROP_UPDATE: cycles.drop_update,
}


def _ring(books: Books, alarm: Alarm) -> None:
    # Whoever it was about may be deleted by now: then nothing is left to do.
    with books.store.attempt():
        _do(books, alarm)


def _do(books: Books, alarm: Alarm) -> None:
    deed = Deed(alarm.deed)
    if deed in SUBSCRIPTION_DEEDS:
        SUBSCRIPTION_DEEDS[deed](books, books.get(Subscription, alarm.subject))
    elif deed is Deed.EXPIRE_SESSION:
        checkout.expire(books, books.get(CheckoutSession, alarm.subject))
    else:
        _ring_invoice(books, deed, books.get(Invoice, alarm.subject))


def _ring_invoice(books: Books, deed: Deed, invoice: Invoice) -> None:
    match deed:
        case Deed.FINALIZE:
            cycles.finalize(books, invoice)
        case Deed.CHARGE:
            collecting.collect(books, invoice)
        case _:
            collecting.overdue(books, books.keep(invoice))


# Calls ------------------------------------------------------------------------------------------


def make(books: Books, *, at: int, name: str | None) -> TestClock:
    """Make a clock that stands still."""
    now = int(time.time())
    return books.keep(
        TestClock(
            id=books.store.fresh_id("clock_"),
            created=now,
            deletes_after=now + CLOCK_LIVES_S,
            frozen_time=at,
            name=name,
        )
    )


def _create(call: Call) -> TestClock:
    at = call.form.moment("frozen_time")
    if at is None:
        raise required("frozen_time")
    clock = make(call.books, at=at, name=call.form.text("name"))
    call.books.tell("test_helpers.test_clock.created", clock)
    return clock


def _advance(call: Call) -> TestClock:
    books = call.books
    clock = books.get(TestClock, call.ids[0])
    to = call.form.moment("frozen_time")
    if to is None:
        raise required("frozen_time")
    if to <= clock.frozen_time:
        raise invalid("frozen_time", "frozen_time must be later than the clock's current time.")
    if to > clock.frozen_time + ADVANCE_S_MAX:
        raise Refused("A clock advances by at most two years in one call.", param="frozen_time")
    advancing = msgspec.structs.replace(
        clock,
        status="advancing",
        status_details=ClockDetails(advancing=Advancing(target_frozen_time=to)),
    )
    books.tell("test_helpers.test_clock.advancing", advancing)
    run(books, clock=clock.id, until=to)
    books.tell("test_helpers.test_clock.ready", books.get(TestClock, clock.id))
    # As at Stripe, whoever wants to know when it has arrived asks again.
    return advancing


def _retrieve(call: Call) -> TestClock:
    return call.books.get(TestClock, call.ids[0])


def _delete(call: Call) -> Deleted:
    books = call.books
    clock = books.get(TestClock, call.ids[0])
    for customer in list(books.store.newest(Customer, owner=clock.id)):
        customers.remove(books, customer)
    books.store.drop(clock)
    return Deleted(id=clock.id, object=clock.object)


def _list(call: Call) -> Listing:
    return page(call, TestClock)


ROUTES = (
    post("test_helpers/test_clocks", _create),
    get("test_helpers/test_clocks", _list),
    get("test_helpers/test_clocks/*", _retrieve),
    post("test_helpers/test_clocks/*/advance", _advance),
    delete("test_helpers/test_clocks/*", _delete),
)
