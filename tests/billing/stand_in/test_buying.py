"""Buying on a page and changing on another: what a browser does, and what it costs to the cent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import stripe

from tests.billing.stand_in.shop import DAY_S, LEFT, START, Shop

if TYPE_CHECKING:
    from stripe.params import (
        InvoiceCreatePreviewParamsSubscriptionDetailsItem as PreviewedItem,
    )


async def _paid(shop: Shop, customer: str, price: str | None = None) -> stripe.Subscription:
    session = await shop.checkout(customer, price)
    assert session.url is not None
    await shop.running.pay(session.url)
    listed = await shop.client.v1.subscriptions.list_async({"customer": customer})
    return listed.data[0]


# Checkout ---------------------------------------------------------------------------------------


async def test_whoever_pays_has_an_active_subscription(shop: Shop) -> None:
    customer = await shop.customer()
    session = await shop.checkout(customer)
    assert session.url is not None
    assert (session.status, session.payment_status, session.amount_total) == (
        "open",
        "unpaid",
        9_900,
    )
    sent_to = await shop.running.pay(session.url)
    assert sent_to == f"https://shop.invalid/paid?session={session.id}"
    session = await shop.client.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["subscription", "line_items"]}
    )
    assert (session.status, session.payment_status) == ("complete", "paid")
    assert session.client_reference_id == "the tenant"
    assert isinstance(session.subscription, stripe.Subscription)
    assert session.subscription.status == "active"
    assert session.subscription.metadata["tenant"] == "the tenant"
    assert session.line_items is not None
    assert session.line_items.data[0].amount_total == 9_900
    told = [event.type for event in await shop.events(customer)]
    assert told == [
        "customer.created",
        "customer.updated",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "checkout.session.completed",
    ]


async def test_nobody_pays_twice(shop: Shop) -> None:
    customer = await shop.customer()
    session = await shop.checkout(customer)
    assert session.url is not None
    await shop.running.pay(session.url)
    async with httpx.AsyncClient() as browser:
        again = await browser.post(session.url, data={"action": "pay"})
    assert again.status_code == 400
    assert "complete" in again.text
    assert len(await shop.invoices(customer)) == 1


async def test_a_card_that_fails_buys_nothing(shop: Shop) -> None:
    customer = await shop.customer()
    session = await shop.checkout(customer)
    assert session.url is not None
    async with httpx.AsyncClient() as browser:
        page = await browser.post(session.url, data={"action": "fail"})
    assert page.status_code == 402
    assert "declined" in page.text
    assert [event.type for event in await shop.events(customer)] == ["customer.created"]
    await shop.running.pay(session.url)
    assert (await shop.invoices(customer))[0].status == "paid"


async def test_whoever_cancels_comes_back_with_nothing(shop: Shop) -> None:
    customer = await shop.customer()
    session = await shop.checkout(customer)
    assert session.url is not None
    assert await shop.running.pay(session.url, action="cancel") == LEFT
    expired = await shop.client.v1.checkout.sessions.expire_async(session.id)
    assert expired.status == "expired"
    assert await shop.invoices(customer) == []


async def test_a_checkout_expires_after_a_day(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock)
    session = await shop.checkout(customer)
    await shop.running.advance(clock, START + DAY_S)
    session = await shop.client.v1.checkout.sessions.retrieve_async(session.id)
    assert (session.status, session.url) == ("expired", None)


async def test_a_trial_costs_nothing_today(shop: Shop) -> None:
    customer = await shop.customer()
    session = await shop.checkout(customer, trial_days=14)
    assert session.url is not None
    await shop.running.pay(session.url, action="fail")
    held = (await shop.client.v1.subscriptions.list_async({"customer": customer})).data[0]
    assert held.status == "trialing"
    assert held.trial_end == held.created + 14 * DAY_S
    (invoice,) = await shop.invoices(customer)
    assert (invoice.status, invoice.total) == ("paid", 0)


# Changing ---------------------------------------------------------------------------------------


async def test_a_change_on_the_portal_is_told(shop: Shop) -> None:
    customer = await shop.customer()
    held = await _paid(shop, customer)
    portal = await shop.portal(customer)
    async with httpx.AsyncClient() as browser:
        page = await browser.get(portal)
    assert "Change to Enterprise" in page.text
    pressed = await shop.running.press(
        portal, "change", subscription=held.id, price=shop.enterprise
    )
    assert pressed.status_code == 303
    assert shop.item(await shop.subscription(held.id)).price.id == shop.enterprise
    updated = [
        event
        for event in await shop.events(customer)
        if event.type == "customer.subscription.updated"
    ]
    assert len(updated) == 1
    assert "items" in updated[0].data.to_dict()["previous_attributes"]
    assert (await shop.invoices(customer))[0].total == 150_000 - 9_900


async def test_a_portal_changes_nothing_that_cannot_be_paid(shop: Shop) -> None:
    customer = await shop.customer()
    held = await _paid(shop, customer)
    portal = await shop.portal(customer)
    await shop.running.press(portal, "bad_card")
    pressed = await shop.running.press(
        portal, "change", subscription=held.id, price=shop.enterprise
    )
    assert pressed.status_code == 402
    assert "declined" in pressed.text
    assert shop.item(await shop.subscription(held.id)).price.id == shop.pro


async def test_a_portal_cancels_and_takes_it_back(shop: Shop) -> None:
    customer = await shop.customer()
    held = await _paid(shop, customer)
    portal = await shop.portal(customer)
    await shop.running.press(portal, "cancel", subscription=held.id)
    canceling = await shop.subscription(held.id)
    assert canceling.cancel_at_period_end
    assert canceling.cancel_at == shop.item(canceling).current_period_end
    await shop.running.press(portal, "resume", subscription=held.id)
    resumed = await shop.subscription(held.id)
    assert (resumed.cancel_at_period_end, resumed.cancel_at) == (False, None)


async def test_a_portal_shows_and_changes_its_own_customer_only(shop: Shop) -> None:
    other = await _paid(shop, await shop.customer())
    portal = await shop.portal(await shop.customer())
    for action in ("cancel", "resume", "change"):
        pressed = await shop.running.press(
            portal, action, subscription=other.id, price=shop.enterprise
        )
        assert pressed.status_code == 404
    assert not (await shop.subscription(other.id)).cancel_at_period_end


async def test_a_preview_counts_the_seconds_that_are_left(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock, card="pm_card_visa")
    held = await shop.subscribe(customer)
    # A month of thirty days: after twelve days and an hour, 17 days and 23 hours are left.
    await shop.running.advance(clock, START + 12 * DAY_S + 3_600)
    items: list[PreviewedItem] = [{"id": shop.item(held).id, "price": shop.enterprise}]
    now = await shop.client.v1.invoices.create_preview_async(
        {
            "subscription": held.id,
            "subscription_details": {"items": items, "proration_behavior": "always_invoice"},
        }
    )
    # 9,900 and 150,000 cents times 431/720, rounded.
    assert [line.amount for line in now.lines.data] == [-5_926, 89_792]
    assert (now.total, now.amount_due) == (83_866, 83_866)
    later = await shop.client.v1.invoices.create_preview_async(
        {"subscription": held.id, "subscription_details": {"items": items}}
    )
    assert [line.amount for line in later.lines.data] == [-5_926, 89_792, 150_000]
    unchanged = await shop.subscription(held.id)
    assert shop.item(unchanged).price.id == shop.pro
    assert len(await shop.invoices(customer)) == 1


async def test_a_change_costs_what_its_preview_said(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock, card="pm_card_visa")
    held = await shop.subscribe(customer)
    await shop.running.advance(clock, START + 777_777)
    item = shop.item(held).id
    preview = await shop.client.v1.invoices.create_preview_async(
        {
            "subscription": held.id,
            "subscription_details": {
                "items": [{"id": item, "price": shop.enterprise, "quantity": 3}],
                "proration_behavior": "always_invoice",
            },
        }
    )
    await shop.client.v1.subscriptions.update_async(
        held.id,
        {
            "items": [{"id": item, "price": shop.enterprise, "quantity": 3}],
            "proration_behavior": "always_invoice",
        },
    )
    assert (await shop.invoices(customer))[0].total == preview.total


async def test_prorations_wait_for_the_next_invoice_unless_that_is_made_now(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock, card="pm_card_visa")
    held = await shop.subscribe(customer)
    await shop.running.advance(clock, START + 15 * DAY_S)
    await shop.client.v1.subscriptions.update_async(
        held.id, {"items": [{"id": shop.item(held).id, "quantity": 2}]}
    )
    assert len(await shop.invoices(customer)) == 1
    await shop.running.advance(clock, START + 31 * DAY_S)
    renewal = (await shop.invoices(customer))[0]
    assert [line.amount for line in renewal.lines.data] == [-4_950, 9_900, 19_800]
    assert renewal.status == "paid"


async def test_another_interval_begins_a_new_period(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock, card="pm_card_visa")
    held = await shop.subscribe(customer)
    at = START + 10 * DAY_S
    await shop.running.advance(clock, at)
    changed = await shop.client.v1.subscriptions.update_async(
        held.id, {"items": [{"id": shop.item(held).id, "price": shop.pro_yearly}]}
    )
    assert changed.billing_cycle_anchor == at
    assert shop.item(changed).current_period_end == at + 366 * DAY_S, "2024 has a 29 February"
    assert (await shop.invoices(customer))[0].total == 99_000 - 6_600


async def test_a_change_waits_for_its_payment_when_asked_to(shop: Shop) -> None:
    customer = await shop.customer()
    held = await _paid(shop, customer)
    await shop.running.card(customer, "fails")
    waiting = await shop.client.v1.subscriptions.update_async(
        held.id,
        {
            "items": [{"id": shop.item(held).id, "price": shop.enterprise}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )
    assert (waiting.status, shop.item(waiting).price.id) == ("active", shop.pro)
    assert waiting.pending_update is not None
    await shop.running.card(customer, "good")
    (invoice, _) = await shop.invoices(customer)
    assert invoice.status == "open"
    await shop.client.v1.invoices.pay_async(invoice.id)
    given = await shop.subscription(held.id)
    assert (given.pending_update, shop.item(given).price.id) == (None, shop.enterprise)


async def test_a_change_that_nobody_pays_is_given_up(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock)
    held = await _paid(shop, customer)
    await shop.running.card(customer, "fails")
    await shop.client.v1.subscriptions.update_async(
        held.id,
        {
            "items": [{"id": shop.item(held).id, "price": shop.enterprise}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )
    await shop.running.advance(clock, START + DAY_S)
    after = await shop.subscription(held.id)
    assert (after.status, after.pending_update, shop.item(after).price.id) == (
        "active",
        None,
        shop.pro,
    )
    assert (await shop.invoices(customer))[0].status == "void"


async def test_what_can_wait_takes_no_other_field(shop: Shop) -> None:
    held = await _paid(shop, await shop.customer())
    with pytest.raises(stripe.InvalidRequestError, match="metadata"):
        await shop.client.v1.subscriptions.update_async(
            held.id, {"payment_behavior": "pending_if_incomplete", "metadata": {"a": "b"}}
        )


async def test_a_downgrade_leaves_credit_that_pays_later(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock, card="pm_card_visa")
    held = await shop.subscribe(customer, shop.enterprise)
    await shop.running.advance(clock, START + 15 * DAY_S)
    await shop.client.v1.subscriptions.update_async(
        held.id,
        {
            "items": [{"id": shop.item(held).id, "price": shop.pro}],
            "proration_behavior": "always_invoice",
        },
    )
    credited = (await shop.invoices(customer))[0]
    assert (credited.total, credited.amount_due, credited.status) == (4_950 - 75_000, 0, "paid")
    assert (await shop.client.v1.customers.retrieve_async(customer)).balance == 4_950 - 75_000
    await shop.running.advance(clock, START + 31 * DAY_S)
    renewal = (await shop.invoices(customer))[0]
    assert (renewal.total, renewal.amount_due, renewal.status) == (9_900, 0, "paid")


# Prices -----------------------------------------------------------------------------------------


async def test_a_lookup_key_leads_to_one_price_and_moves_when_asked(shop: Shop) -> None:
    v1, key = shop.client.v1, "moving_monthly"
    product = await v1.products.create_async({"name": "Moving"})

    async def make(amount: int, *, transfers: bool) -> stripe.Price:
        return await v1.prices.create_async(
            {
                "product": product.id,
                "currency": "usd",
                "unit_amount": amount,
                "recurring": {"interval": "month"},
                "lookup_key": key,
                "transfer_lookup_key": transfers,
            }
        )

    old = await make(1, transfers=False)
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        await make(2, transfers=False)
    new = await make(2, transfers=True)
    listed = await v1.prices.list_async({"lookup_keys": [key]})
    assert [price.id for price in listed.data] == [new.id]
    assert (await v1.prices.retrieve_async(old.id)).lookup_key is None


async def test_a_failing_first_payment_leaves_it_incomplete_then_expired(shop: Shop) -> None:
    clock = await shop.clock()
    customer = await shop.customer(clock=clock, card="pm_card_chargeCustomerFail")
    held = await shop.subscribe(customer)
    assert held.status == "incomplete"
    await shop.running.advance(clock, START + DAY_S)
    assert (await shop.subscription(held.id)).status == "incomplete_expired"
    assert (await shop.invoices(customer))[0].status == "void"


async def test_nobody_subscribes_without_a_card(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        await shop.subscribe(await shop.customer())
