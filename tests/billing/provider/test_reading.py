"""Stripe's objects in our words, and what becomes of garbage: ProviderFailed, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.seen import SeenInvoice, SeenItem, SeenSubscription, SubscriptionStatus
from billing.stripe_reading import (
    AddressShape,
    ClockShape,
    CustomerShape,
    InvoiceShape,
    MeterShape,
    PageShape,
    PreviewShape,
    PriceShape,
    ProductShape,
    SubscriptionShape,
    WantedPrice,
    read,
    read_event,
    read_signed_event,
)
from router.errors import BadRequest, ProviderFailed

_TENANT = "9d2fbd3b-1c7e-4b0e-8f57-5b7d4cf2a1de"


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _price(**more: object) -> dict[str, object]:
    return {
        "id": "price_1",
        "object": "price",
        "product": "stepwell_pro",
        "lookup_key": "pro_monthly",
        "currency": "usd",
        "unit_amount": 9_900,
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        **more,
    }


def _item(number: int = 1, *, start: int = 100, end: int = 200) -> dict[str, object]:
    return {
        "id": f"si_{number}",
        "price": _price(),
        "quantity": 1,
        "current_period_start": start,
        "current_period_end": end,
    }


def _subscription(**more: object) -> dict[str, object]:
    return {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "items": {"object": "list", "data": [_item()], "has_more": False},
        "created": 50,
        "collection_method": "charge_automatically",
        "cancel_at_period_end": False,
        "cancel_at": None,
        "ended_at": None,
        "trial_end": None,
        "pause_collection": None,
        "latest_invoice": "in_1",
        **more,
    }


def _invoice(**more: object) -> dict[str, object]:
    return {
        "id": "in_1",
        "object": "invoice",
        "currency": "usd",
        "amount_due": 9_900,
        "amount_paid": 0,
        "created": 60,
        "status": "open",
        "due_date": None,
        "hosted_invoice_url": "https://invoice.invalid/1",
        **more,
    }


def _event(**more: object) -> dict[str, object]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": "invoice.paid",
        "api_version": "2020-08-27",
        "created": 70,
        "data": {"object": _invoice(customer="cus_1")},
        **more,
    }


def _seen(**more: object) -> SeenSubscription:
    return read(_subscription(**more), SubscriptionShape).seen()


def test_a_subscription_is_read_whole() -> None:
    assert _seen() == SeenSubscription(
        id="sub_1",
        status=SubscriptionStatus.ACTIVE,
        items=(
            SeenItem(
                id="si_1",
                price_id="price_1",
                product_id="stepwell_pro",
                lookup_key="pro_monthly",
                quantity=1,
            ),
        ),
        created_at=_at(50),
        period_start=_at(100),
        period_end=_at(200),
    )


@pytest.mark.parametrize("status", list(SubscriptionStatus))
def test_each_status_is_read(status: SubscriptionStatus) -> None:
    assert _seen(status=status.value).status is status


def test_a_status_that_we_do_not_know_is_not_guessed() -> None:
    with pytest.raises(ProviderFailed, match="hibernating"):
        _seen(status="hibernating")


def test_the_item_that_is_charged_first_gives_the_period() -> None:
    items = [_item(1, start=10, end=900), _item(2, start=20, end=300)]
    seen = _seen(items={"data": items})
    assert (seen.period_start, seen.period_end) == (_at(20), _at(300))


def test_a_period_of_an_older_version_is_found_at_the_subscription() -> None:
    item = {"id": "si_1", "price": _price(), "quantity": 1}
    seen = _seen(items={"data": [item]}, current_period_start=5, current_period_end=6)
    assert (seen.period_start, seen.period_end) == (_at(5), _at(6))


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"cancel_at_period_end": True}, 200),
        ({"cancel_at_period_end": True, "cancel_at": 200}, 200),
        ({"cancel_at": 777}, 777),
        ({}, None),
    ],
)
def test_a_cancellation_has_its_day(more: dict[str, object], at: int | None) -> None:
    assert _seen(**more).cancel_at == (None if at is None else _at(at))


def test_what_is_paused_and_what_is_invoiced_is_seen() -> None:
    seen = _seen(pause_collection={"behavior": "void"}, collection_method="send_invoice")
    assert seen.is_collection_paused
    assert seen.is_invoiced


def test_an_expanded_object_is_as_good_as_its_name() -> None:
    item = {**_item(), "price": _price(product={"id": "stepwell_pro", "object": "product"})}
    shape = read(
        _subscription(customer={"id": "cus_1", "object": "customer"}, items={"data": [item]}),
        SubscriptionShape,
    )
    assert shape.customer_id == "cus_1"
    assert shape.seen().items[0].product_id == "stepwell_pro"


def test_what_is_counted_by_usage_has_no_quantity() -> None:
    item = _item()
    del item["quantity"]
    assert _seen(items={"data": [item]}).items[0].quantity is None


def test_an_invoice_is_read_whole() -> None:
    assert read(_invoice(due_date=90), InvoiceShape).seen() == SeenInvoice(
        id="in_1",
        status="open",
        amount_due=9_900,
        amount_paid=0,
        currency="usd",
        created_at=_at(60),
        due_at=_at(90),
        url="https://invoice.invalid/1",
    )


@pytest.mark.parametrize(
    ("metadata", "tenant_id"),
    [
        ({"tenant": _TENANT}, UUID(_TENANT)),
        ({"tenant": "acme"}, None),
        ({"tenant": ""}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_customer_names_its_tenant_or_none(
    metadata: dict[str, str] | None, tenant_id: UUID | None
) -> None:
    assert read({"id": "cus_1", "metadata": metadata}, CustomerShape).tenant_id == tenant_id


_PRORATED = {
    "amount": -5_000,
    "description": "Unused time on Pro",
    "parent": {"subscription_item_details": {"proration": True}},
    "period": {"start": 100, "end": 200},
}
_REGULAR = {"amount": 2_000, "description": None, "period": {"start": 100, "end": 300}}


def _preview(*lines: Mapping[str, object]) -> PreviewShape:
    amounts = [line["amount"] for line in lines]
    total = sum(amount for amount in amounts if isinstance(amount, int))
    whole = {
        "currency": "usd",
        "total": total,
        "amount_due": max(total, 0),
        "lines": {"data": [*lines]},
    }
    return read(whole, PreviewShape)


def test_what_is_owed_to_the_customer_is_credited() -> None:
    preview = _preview(_PRORATED, _REGULAR).seen(
        regular=_preview(_REGULAR), is_trial_over=False, period_end=_at(200)
    )
    assert (preview.due_now, preview.next_invoice) == (-3_000, 2_000)
    assert preview.next_invoice_at == _at(300)
    assert [(line.said, line.is_proration) for line in preview.lines] == [
        ("Unused time on Pro", True),
        ("", False),
    ]


def test_what_is_invoiced_later_is_not_due_now() -> None:
    regular = _preview(_REGULAR)
    later = regular.seen(regular=regular, is_trial_over=False, period_end=_at(200))
    assert (later.due_now, later.next_invoice, later.lines) == (0, 2_000, ())
    assert later.next_invoice_at == _at(200)
    ended = regular.seen(regular=regular, is_trial_over=True, period_end=_at(200))
    assert (ended.due_now, ended.next_invoice_at) == (2_000, _at(300))


@pytest.mark.parametrize(
    ("thing", "customer_id"),
    [
        ({"object": "customer", "id": "cus_1"}, "cus_1"),
        ({"object": "customer", "id": "cus_1", "deleted": True}, "cus_1"),
        ({"object": "subscription", "id": "sub_1", "customer": "cus_1"}, "cus_1"),
        ({"object": "invoice", "customer": {"object": "customer", "id": "cus_1"}}, "cus_1"),
        ({"object": "checkout.session", "customer": None}, None),
        ({"object": "product", "id": "prod_1"}, None),
        ({"object": "something.new", "customer": ["cus_1"]}, None),
        ({"object": "customer", "id": "cus 1\0"}, None),
        ({}, None),
    ],
)
def test_an_event_names_its_customer_whatever_it_is_about(
    thing: dict[str, object], customer_id: str | None
) -> None:
    assert read_event(_event(data={"object": thing})).customer_id == customer_id


@pytest.mark.parametrize("data", [None, {}, {"object": None}])
def test_an_event_about_nothing_is_an_event(data: object) -> None:
    assert read_event(_event(data=data, type="v9.unheard.of")).customer_id is None


def test_a_thin_event_says_its_time_as_text() -> None:
    thin = {"id": "evt_1", "type": "v2.x", "created": "2026-01-01T01:00:00+01:00"}
    assert read_event(thin).created_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_signed_and_a_listed_event_are_the_same() -> None:
    body = msgspec.json.encode(_event())
    assert read_signed_event(body) == read_event(_event())


def test_a_price_is_as_wanted_or_it_is_another_one() -> None:
    wanted = WantedPrice(
        product_id="stepwell_pro",
        currency="usd",
        amount=9_900,
        interval="month",
        usage_type="licensed",
        meter_id=None,
    )
    assert read(_price(), PriceShape).is_as(wanted)
    others: list[dict[str, object]] = [
        {"unit_amount": 10_000},
        {"unit_amount": None},
        {"currency": "eur"},
        {"product": "stepwell_other"},
        {"active": False},
        {"recurring": None},
        {"recurring": {"interval": "year"}},
        {"recurring": {"interval": "month", "interval_count": 3}},
        {"recurring": {"interval": "month", "usage_type": "metered", "meter": "mtr_1"}},
    ]
    for other in others:
        assert not read(_price(**other), PriceShape).is_as(wanted), other


# ── Garbage ──────────────────────────────────────────────────────────────────────────────────────

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | None"
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["active", "cus_1", "customer", "\0", "\ud800", "usd", 253_402_300_800, -1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "object", "customer", "items", "data", "price", "created"])
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
_WHOLE: tuple[tuple[type[msgspec.Struct], Mapping[str, object]], ...] = (
    (SubscriptionShape, _subscription(latest_invoice=_invoice())),
    (InvoiceShape, _invoice()),
    (PriceShape, _price()),
    (CustomerShape, {"id": "cus_1", "metadata": {"tenant": _TENANT}, "test_clock": "clock_1"}),
    (ClockShape, {"frozen_time": 5}),
    (ProductShape, {"id": "stepwell_pro", "name": "Pro"}),
    (MeterShape, {"id": "mtr_1", "event_name": "api_calls"}),
    (AddressShape, {"url": "https://pay.invalid/"}),
    (PageShape, {"data": [{"id": "x"}], "has_more": True}),
    (
        PreviewShape,
        {"currency": "usd", "total": 1, "amount_due": 1, "lines": {"data": [{"amount": 1}]}},
    ),
)


def _say(shape: object) -> object:  # noqa: PLR0911 - one for each kind of shape
    """Go through everything that a shape says, as the provider does."""
    match shape:
        case SubscriptionShape():
            return shape.seen(), shape.customer_id
        case InvoiceShape() | ClockShape():
            return shape.seen() if isinstance(shape, InvoiceShape) else shape.at
        case PriceShape():
            return shape.seen("pro_monthly")
        case CustomerShape():
            return shape.tenant_id, shape.clock_id
        case PageShape():
            return shape.last_id()
        case PreviewShape():
            return shape.seen(regular=shape, is_trial_over=True, period_end=None)
        case ProductShape() | MeterShape():
            return shape.id  # the rest is compared and never stored
        case _:
            return shape


def _is_storable(said: object) -> bool:
    """Say whether PostgreSQL can hold it as jsonb."""
    text = msgspec.json.encode(said).decode()
    return "\\u0000" not in text


def _spoil(data: st.DataObject, whole: Json) -> Json:
    """Put garbage in the place of any part."""
    if isinstance(whole, dict) and whole and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(whole)))
        return {**whole, key: _spoil(data, whole[key])}
    if isinstance(whole, list) and whole and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(whole) - 1))
        return [*whole[:place], _spoil(data, whole[place]), *whole[place + 1 :]]
    return cast("Json", data.draw(_JSON))


@given(data=st.data())
def test_garbage_in_place_of_any_part_is_a_failure_or_can_be_stored(data: st.DataObject) -> None:
    shape, whole = data.draw(st.sampled_from(_WHOLE))
    spoiled = _spoil(data, cast("Json", whole))
    try:
        said = _say(read(spoiled, shape))
    except ProviderFailed as failure:
        failure.detail.encode()
    else:
        assert _is_storable(said)


@given(garbage=_JSON)
def test_garbage_alone_is_a_failure(garbage: object) -> None:
    is_object = isinstance(garbage, dict)
    for shape, _ in _WHOLE:
        try:
            _say(read(garbage, shape))
        except ProviderFailed as failure:
            failure.detail.encode()
        else:
            assert is_object


@given(garbage=st.dictionaries(st.text(max_size=5), _JSON, max_size=4), key=st.text(max_size=8))
def test_a_garbled_event_is_a_failure_or_an_event_that_can_be_stored(
    garbage: dict[str, object], key: str
) -> None:
    for event in (garbage, _event(**{key: garbage}), _event(data=garbage), _event(id=key)):
        try:
            seen = read_event(event)
        except ProviderFailed:
            continue
        texts = (seen.payload, seen.id, seen.type, seen.customer_id or "", seen.api_version or "")
        assert "\0" not in "".join(texts)
        "".join(texts).encode()


@given(
    body=st.binary(max_size=200) | _JSON.map(lambda thing: repr(thing).encode("utf-8", "replace"))
)
def test_a_garbled_body_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_signed_event(body)
