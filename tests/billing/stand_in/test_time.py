"""Test clocks: renewals, trials, dunning and ends, each at its simulated time."""

from __future__ import annotations

import httpx
import pytest
import stripe

from tests.billing.stand_in.shop import DAY_S, HOUR_S, START, Shop

MONTH_S = 30 * DAY_S  # from START


async def _clocked(shop: Shop, *, card: str | None = "pm_card_visa") -> tuple[str, str]:
    clock = await shop.clock()
    return clock, await shop.customer(clock=clock, card=card)


async def _told(shop: Shop, customer: str, since: int) -> list[tuple[int, str]]:
    return [
        (event.created - START, event.type)
        for event in await shop.events(customer)
        if event.created > since
    ]


async def test_a_renewal_is_announced_drafted_and_paid(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.running.advance(clock, START + MONTH_S + 2 * HOUR_S)
    assert await _told(shop, customer, START) == [
        (MONTH_S - 3 * DAY_S, "invoice.upcoming"),
        (MONTH_S, "customer.subscription.updated"),
        (MONTH_S, "invoice.created"),
        (MONTH_S + HOUR_S, "invoice.finalized"),
        (MONTH_S + HOUR_S, "invoice.paid"),
        (MONTH_S + HOUR_S, "invoice.payment_succeeded"),
    ]
    renewed = await shop.subscription(held.id)
    assert shop.item(renewed).current_period_start == START + MONTH_S
    assert [invoice.status for invoice in await shop.invoices(customer)] == ["paid", "paid"]


async def test_a_year_has_twelve_renewals(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    await shop.subscribe(customer)
    await shop.running.advance(clock, START + 366 * DAY_S + HOUR_S)
    invoices = await shop.client.v1.invoices.list_async({"customer": customer, "limit": 100})
    assert len(invoices.data) == 13
    assert {invoice.status for invoice in invoices.data} == {"paid"}


async def test_a_clock_stands_where_it_was_put_and_never_goes_back(shop: Shop) -> None:
    clock = await shop.clock()
    clocks = shop.client.v1.test_helpers.test_clocks
    moving = await clocks.advance_async(clock, {"frozen_time": START + 5})
    assert moving.status == "advancing"
    found = await clocks.retrieve_async(clock)
    assert (found.frozen_time, found.status) == (START + 5, "ready")
    with pytest.raises(stripe.InvalidRequestError):
        await clocks.advance_async(clock, {"frozen_time": START})


async def test_a_clock_takes_its_customers_with_it(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.client.v1.test_helpers.test_clocks.delete_async(clock)
    gone = await shop.client.v1.customers.retrieve_async(customer)
    assert gone.deleted
    assert (await shop.subscription(held.id)).status == "canceled"


# Trials -----------------------------------------------------------------------------------------


async def test_a_trial_ends_in_a_paid_period(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer, trial_period_days=14)
    assert held.status == "trialing"
    await shop.running.advance(clock, START + 15 * DAY_S)
    active = await shop.subscription(held.id)
    assert active.status == "active"
    assert active.billing_cycle_anchor == START + 14 * DAY_S
    assert [invoice.amount_paid for invoice in await shop.invoices(customer)] == [9_900, 0]
    told = await _told(shop, customer, START)
    assert told[0] == (11 * DAY_S, "customer.subscription.trial_will_end")


@pytest.mark.parametrize(
    ("missing", "status", "told"),
    [
        ("pause", "paused", "customer.subscription.paused"),
        ("cancel", "canceled", "customer.subscription.deleted"),
        ("create_invoice", "past_due", "invoice.payment_failed"),
    ],
)
async def test_a_trial_without_a_card_ends_as_agreed(
    shop: Shop, missing: str, status: str, told: str
) -> None:
    clock, customer = await _clocked(shop, card=None)
    held = await shop.subscribe(
        customer,
        trial_period_days=14,
        trial_settings={"end_behavior": {"missing_payment_method": missing}},
    )
    await shop.running.advance(clock, START + 14 * DAY_S + HOUR_S)
    assert (await shop.subscription(held.id)).status == status
    assert told in [type_ for _, type_ in await _told(shop, customer, START)]


async def test_a_paused_subscription_resumes_with_a_card(shop: Shop) -> None:
    clock, customer = await _clocked(shop, card=None)
    held = await shop.subscribe(
        customer,
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
    )
    await shop.running.advance(clock, START + 8 * DAY_S)
    with pytest.raises(stripe.InvalidRequestError):
        await shop.client.v1.subscriptions.resume_async(held.id)
    await shop.running.card(customer, "good")
    resumed = await shop.client.v1.subscriptions.resume_async(held.id)
    assert resumed.status == "active"
    assert (await shop.invoices(customer))[0].amount_paid == 9_900


async def test_a_trial_can_be_ended_at_once(shop: Shop) -> None:
    _, customer = await _clocked(shop)
    held = await shop.subscribe(customer, trial_period_days=14)
    ended = await shop.client.v1.subscriptions.update_async(held.id, {"trial_end": "now"})
    assert (ended.status, ended.trial_end) == ("active", START)
    assert (await shop.invoices(customer))[0].amount_paid == 9_900


# Failing payments -------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["unpaid", "canceled", "past_due"])
async def test_dunning_tries_again_after_three_five_and_seven_days(shop: Shop, ends: str) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.running.card(customer, "fails")
    await shop.running.dunning_ends(ends)
    try:
        due = MONTH_S + HOUR_S
        await shop.running.advance(clock, START + due)
        assert (await shop.subscription(held.id)).status == "past_due"
        await shop.running.advance(clock, START + due + 15 * DAY_S - 1)
        assert (await shop.subscription(held.id)).status == "past_due"
        await shop.running.advance(clock, START + due + 15 * DAY_S)
        assert (await shop.subscription(held.id)).status == ends
    finally:
        await shop.running.dunning_ends("unpaid")
    failed = [
        at for at, type_ in await _told(shop, customer, START) if type_ == "invoice.payment_failed"
    ]
    assert failed == [due, due + 3 * DAY_S, due + 8 * DAY_S, due + 15 * DAY_S]
    assert (await shop.client.v1.customers.retrieve_async(customer)).delinquent


async def test_whoever_pays_late_is_active_again(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.running.card(customer, "fails")
    await shop.running.advance(clock, START + MONTH_S + 20 * DAY_S)
    assert (await shop.subscription(held.id)).status == "unpaid"
    await shop.running.card(customer, "good")
    await shop.client.v1.invoices.pay_async((await shop.invoices(customer))[0].id)
    assert (await shop.subscription(held.id)).status == "active"
    assert not (await shop.client.v1.customers.retrieve_async(customer)).delinquent


async def test_a_retry_that_succeeds_ends_dunning(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.running.card(customer, "fails")
    await shop.running.advance(clock, START + MONTH_S + DAY_S)
    await shop.running.card(customer, "good")
    await shop.running.advance(clock, START + MONTH_S + 4 * DAY_S)
    assert (await shop.subscription(held.id)).status == "active"
    assert (await shop.invoices(customer))[0].attempt_count == 2


async def test_an_unpaid_subscription_drafts_invoices_that_nobody_is_charged_for(
    shop: Shop,
) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.running.card(customer, "fails")
    await shop.running.advance(clock, START + MONTH_S + 40 * DAY_S)
    assert (await shop.subscription(held.id)).status == "unpaid"
    newest = (await shop.invoices(customer))[0]
    assert (newest.status, newest.auto_advance) == ("draft", False)


# Ends -------------------------------------------------------------------------------------------


async def test_a_cancellation_waits_for_the_period_to_end(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.client.v1.subscriptions.update_async(held.id, {"cancel_at_period_end": True})
    await shop.running.advance(clock, START + MONTH_S - 1)
    assert (await shop.subscription(held.id)).status == "active"
    await shop.running.advance(clock, START + MONTH_S)
    ended = await shop.subscription(held.id)
    assert (ended.status, ended.ended_at) == ("canceled", START + MONTH_S)
    assert (await _told(shop, customer, START))[-1] == (MONTH_S, "customer.subscription.deleted")
    assert len(await shop.invoices(customer)) == 1


async def test_a_date_in_the_middle_of_a_period_ends_it_there(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    at = START + 10 * DAY_S
    await shop.client.v1.subscriptions.update_async(held.id, {"cancel_at": at})
    await shop.running.advance(clock, START + 20 * DAY_S)
    assert (await shop.subscription(held.id)).ended_at == at


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("keep_as_draft", "draft"), ("void", "void"), ("mark_uncollectible", "uncollectible")],
)
async def test_paused_collection_charges_nobody_until_it_resumes(
    shop: Shop, behavior: str, status: str
) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    await shop.client.v1.subscriptions.update_async(
        held.id,
        {"pause_collection": {"behavior": behavior, "resumes_at": START + 45 * DAY_S}},
    )
    await shop.running.advance(clock, START + 40 * DAY_S)
    paused = await shop.subscription(held.id)
    assert (paused.status, (await shop.invoices(customer))[0].status) == ("active", status)
    await shop.running.advance(clock, START + 70 * DAY_S)
    assert (await shop.subscription(held.id)).pause_collection is None
    assert (await shop.invoices(customer))[0].status == "paid"


# Net terms --------------------------------------------------------------------------------------


async def test_an_invoice_that_is_sent_is_due_later_and_overdue_after_that(shop: Shop) -> None:
    clock, customer = await _clocked(shop, card=None)
    held = await shop.subscribe(customer, collection_method="send_invoice", days_until_due=30)
    assert held.status == "active"
    await shop.running.advance(clock, START + HOUR_S)
    (invoice,) = await shop.invoices(customer)
    due = START + HOUR_S + 30 * DAY_S
    assert (invoice.status, invoice.due_date) == ("open", due)
    assert invoice.hosted_invoice_url is not None
    await shop.client.v1.subscriptions.update_async(held.id, {"cancel_at": START + 90 * DAY_S})
    await shop.running.advance(clock, START + 29 * DAY_S)
    assert (await shop.subscription(held.id)).status == "active"


async def test_a_yearly_contract_that_is_not_paid_becomes_past_due(shop: Shop) -> None:
    clock, customer = await _clocked(shop, card=None)
    held = await shop.subscribe(
        customer, shop.pro_yearly, collection_method="send_invoice", days_until_due=14
    )
    await shop.running.advance(clock, START + HOUR_S + 14 * DAY_S)
    assert (await shop.subscription(held.id)).status == "past_due"
    await shop.running.advance(clock, START + HOUR_S + 29 * DAY_S)
    assert (await shop.subscription(held.id)).status == "unpaid"
    invoice = (await shop.invoices(customer))[0]
    await shop.client.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    assert (await shop.subscription(held.id)).status == "active"


async def test_whoever_gets_an_invoice_pays_it_on_its_page(shop: Shop) -> None:
    clock, customer = await _clocked(shop, card=None)
    await shop.subscribe(customer, collection_method="send_invoice", days_until_due=30)
    await shop.running.advance(clock, START + HOUR_S)
    (invoice,) = await shop.invoices(customer)
    assert invoice.hosted_invoice_url is not None
    async with httpx.AsyncClient() as browser:
        page = await browser.get(invoice.hosted_invoice_url)
        assert "99.00 USD" in page.text
        await browser.post(invoice.hosted_invoice_url, data={"action": "pay"})
    assert (await shop.invoices(customer))[0].status == "paid"


async def test_an_open_invoice_is_paid_on_the_portal_with_a_card_that_works(shop: Shop) -> None:
    clock, customer = await _clocked(shop)
    held = await shop.subscribe(customer)
    portal = await shop.portal(customer)
    await shop.running.press(portal, "bad_card")
    await shop.running.advance(clock, START + MONTH_S + HOUR_S)
    owed = (await shop.invoices(customer))[0].id
    refused = await shop.running.press(portal, "pay", invoice=owed)
    assert (refused.status_code, (await shop.subscription(held.id)).status) == (402, "past_due")
    await shop.running.press(portal, "good_card")
    await shop.running.press(portal, "pay", invoice=owed)
    assert (await shop.subscription(held.id)).status == "active"


# Meters -----------------------------------------------------------------------------------------


async def test_what_a_meter_counted_is_charged_once_after_the_period(shop: Shop) -> None:
    v1, (clock, customer) = shop.client.v1, await _clocked(shop)
    meter = await v1.billing.meters.create_async(
        {
            "display_name": "Calls",
            "event_name": "calls_counted",
            "default_aggregation": {"formula": "sum"},
        }
    )
    product = await v1.products.create_async({"name": "Calls"})
    price = await v1.prices.create_async(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount_decimal": "0.5",  # type: ignore[typeddict-item]  # as it is on the wire
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    await shop.subscribe(customer, price.id)

    async def tell(identifier: str, value: int) -> None:
        await v1.billing.meter_events.create_async(
            {
                "event_name": "calls_counted",
                "identifier": identifier,
                "payload": {"stripe_customer_id": customer, "value": str(value)},
            }
        )

    await tell(f"{customer}:1", 1_000)
    await tell(f"{customer}:2", 235)
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier"):
        await tell(f"{customer}:2", 235)
    summaries = await v1.billing.meters.event_summaries.list_async(
        meter.id, {"customer": customer, "start_time": START, "end_time": START + DAY_S}
    )
    assert summaries.data[0].aggregated_value == 1_235
    await shop.running.advance(clock, START + MONTH_S + HOUR_S)
    newest = (await shop.invoices(customer))[0]
    assert [(line.quantity, line.amount) for line in newest.lines.data] == [(1_235, 618)]
    assert newest.status == "paid"
