"""Meters, and what they are told."""

from __future__ import annotations

import re

from deploy.stand_in import readings
from deploy.stand_in.alarms import DAY_S
from deploy.stand_in.books import Books
from deploy.stand_in.calls import Call, Listing, get, page, post
from deploy.stand_in.objects import (
    Customer,
    CustomerMapping,
    DefaultAggregation,
    Meter,
    MeterEvent,
    MeterEventSummary,
    MeterReading,
    ValueSettings,
)
from deploy.stand_in.problems import Refused, invalid, required

PAST_S_MAX = 35 * DAY_S
FUTURE_S_MAX = 300
#: An identifier counts once within this time.
ONCE_S = DAY_S
VALUE = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")


def _create(call: Call) -> Meter:
    form, books = call.form, call.books
    name = form.wanted("event_name")
    if _meter(books, name) is not None:
        raise Refused(f"An active meter already exists with event name {name}.", param="event_name")
    formula = form.within("default_aggregation").choice("formula", ("count", "last", "sum"))
    if formula is None:
        raise required("default_aggregation[formula]")
    mapping, values = form.within("customer_mapping"), form.within("value_settings")
    mapping.choice("type", ("by_id",))
    now = books.now(None)
    meter = books.keep(
        Meter(
            id=books.store.fresh_id("mtr_test_"),
            created=now,
            customer_mapping=CustomerMapping(
                event_payload_key=mapping.text("event_payload_key") or "stripe_customer_id"
            ),
            default_aggregation=DefaultAggregation(formula=formula),
            display_name=form.wanted("display_name"),
            event_name=name,
            event_time_window=form.choice("event_time_window", ("day", "hour")),
            updated=now,
            value_settings=ValueSettings(
                event_payload_key=values.text("event_payload_key") or "value"
            ),
        )
    )
    books.tell("billing.meter.created", meter)
    return meter


def _meter(books: Books, event_name: str) -> Meter | None:
    return next((m for m in books.store.newest(Meter) if m.event_name == event_name), None)


def _retrieve(call: Call) -> Meter:
    return call.books.get(Meter, call.ids[0])


def _list(call: Call) -> Listing:
    status = call.form.choice("status", ("active", "inactive"))
    return page(call, Meter, wanted=lambda meter: status in {None, meter.status})


def _tell(call: Call) -> MeterEvent:
    form, books = call.form, call.books
    name = form.wanted("event_name")
    meter = _meter(books, name)
    if meter is None:
        raise Refused(f"No active meter found for event name {name}.", param="event_name")
    payload = form.pairs("payload")
    customer = books.get(
        Customer,
        payload.get(meter.customer_mapping.event_payload_key, ""),
        param=f"payload[{meter.customer_mapping.event_payload_key}]",
    )
    value = payload.get(meter.value_settings.event_payload_key, "1")
    if VALUE.fullmatch(value) is None:
        raise invalid("payload[value]", f"Invalid value: {value[:40]}")
    now = books.now(customer.test_clock)
    timestamp = form.moment("timestamp")
    timestamp = now if timestamp is None else timestamp
    if not now - PAST_S_MAX <= timestamp <= now + FUTURE_S_MAX:
        raise invalid(
            "timestamp", "The timestamp must be within the past 35 days and the next 5 minutes."
        )
    identifier = form.text("identifier") or books.store.fresh_id("")
    _count_once(books, identifier, now=now)
    books.keep(
        MeterReading(
            id=identifier,
            created=now,
            customer=customer.id,
            event_name=name,
            timestamp=timestamp,
            value=float(value),
        )
    )
    return MeterEvent(
        created=now, event_name=name, identifier=identifier, payload=payload, timestamp=timestamp
    )


def _count_once(books: Books, identifier: str, *, now: int) -> None:
    known = books.store.find(MeterReading, identifier)
    if known is not None and now - known.created < ONCE_S:
        raise Refused(f"An event already exists with identifier {identifier}.", param="identifier")


def _summaries(call: Call) -> Listing:
    form, books = call.form, call.books
    form.pass_over("limit", "starting_after", "ending_before", "value_grouping_window")
    meter = books.get(Meter, call.ids[0])
    customer = form.wanted("customer")
    start, end = form.moment("start_time"), form.moment("end_time")
    if start is None or end is None:
        raise required("start_time" if start is None else "end_time")
    total = readings.total(books, meter, customer, start=start, end=end)
    summary = MeterEventSummary(
        id=books.store.fresh_id("mtrusg_test_"),
        aggregated_value=total,
        end_time=end,
        meter=meter.id,
        start_time=start,
    )
    return Listing(data=(summary,), has_more=False, url=call.path)


ROUTES = (
    post("billing/meters", _create),
    get("billing/meters", _list),
    get("billing/meters/*", _retrieve),
    get("billing/meters/*/event_summaries", _summaries),
    post("billing/meter_events", _tell),
)
