"""What every provider does, alike: the border is one only where nobody can tell them apart."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from billing.price_list import listed_plans
from billing.provider import Agreement, NewCustomer, Purchase, Usage
from billing.seen import Charge, Line, Seen, SeenSubscription, SubscriptionStatus
from router.errors import BadRequest, ProviderFailed, ProviderRefused
from tests.billing.provider.worlds import World

_SECOND = timedelta(seconds=1)


class Bought:
    """A tenant that has bought something, and how to look at it."""

    def __init__(self, world: World, customer_id: str, tenant_id: UUID) -> None:
        self.world = world
        self.customer_id = customer_id
        self.tenant_id = tenant_id

    async def seen(self) -> Seen:
        seen = await self.world.provider.look(self.customer_id)
        assert seen is not None
        return seen

    async def subscription(self) -> SeenSubscription:
        (subscription,) = (await self.seen()).subscriptions
        return subscription

    async def keys(self) -> list[str | None]:
        return [item.lookup_key for item in (await self.subscription()).items]


async def _customer(world: World) -> Bought:
    tenant_id = uuid4()
    customer = NewCustomer(tenant_id=tenant_id, name="Acme", email="owner@acme.invalid")
    customer_id = await world.provider.make_customer(customer, key=f"tenant-{tenant_id}")
    return Bought(world, customer_id, tenant_id)


async def _line(world: World, key: str) -> Line:
    listed = await world.provider.list_prices(listed_plans())
    return next(Line(price_id=price.id) for price in listed if price.lookup_key == key)


async def _bought(
    world: World, key: str = "pro_monthly", *, trial_days: int | None = None
) -> Bought:
    bought = await _customer(world)
    await _pay(world, bought, (await _line(world, key),), trial_days=trial_days)
    return bought


async def _pay(
    world: World, bought: Bought, lines: tuple[Line, ...], *, trial_days: int | None = None
) -> None:
    purchase = Purchase(
        customer_id=bought.customer_id,
        tenant_id=bought.tenant_id,
        lines=lines,
        success_url="https://site.invalid/paid",
        cancel_url="https://site.invalid/left",
        trial_days=trial_days,
    )
    await world.pay(await world.provider.checkout(purchase, key=uuid4().hex))


# ── Customers ────────────────────────────────────────────────────────────────────────────────────


async def test_a_new_customer_bears_its_tenant_and_has_nothing(world: World) -> None:
    bought = await _customer(world)
    seen = await bought.seen()
    assert seen.customer_id == bought.customer_id
    assert seen.tenant_id == bought.tenant_id
    assert not seen.is_deleted
    assert (seen.subscriptions, seen.invoices) == ((), ())


async def test_the_same_key_makes_one_customer(world: World) -> None:
    customer = NewCustomer(tenant_id=uuid4(), name="Acme", email="owner@acme.invalid")
    key = uuid4().hex
    made = {await world.provider.make_customer(customer, key=key) for _ in range(3)}
    assert len(made) == 1


async def test_nobody_is_seen_where_there_is_no_customer(world: World) -> None:
    assert await world.provider.look("cus_of_nobody") is None


async def test_a_deleted_customer_is_seen_as_such(world: World) -> None:
    bought = await _bought(world)
    await world.delete(bought.customer_id)
    seen = await bought.seen()
    assert seen.is_deleted
    assert all(each.status is SubscriptionStatus.CANCELED for each in seen.subscriptions)


# ── Buying ───────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_paid_is_seen(world: World) -> None:
    bought = await _bought(world)
    seen = await bought.seen()
    subscription = await bought.subscription()
    line = await _line(world, "pro_monthly")
    (item,) = subscription.items
    assert subscription.status is SubscriptionStatus.ACTIVE
    assert (item.price_id, item.lookup_key, item.quantity) == (line.price_id, "pro_monthly", 1)
    assert subscription.period_start is not None
    assert subscription.period_end is not None
    days = (subscription.period_end - subscription.period_start).days
    assert 28 <= days <= 31
    assert subscription.period_start - _SECOND <= seen.at <= subscription.period_end
    assert not subscription.is_invoiced
    assert not subscription.is_collection_paused
    assert (subscription.cancel_at, subscription.ended_at) == (None, None)
    (invoice,) = seen.invoices
    assert (invoice.status, invoice.amount_paid, invoice.currency) == ("paid", 9_900, "usd")


async def test_nothing_is_bought_before_it_is_paid(world: World) -> None:
    bought = await _customer(world)
    purchase = Purchase(
        customer_id=bought.customer_id,
        tenant_id=bought.tenant_id,
        lines=(await _line(world, "pro_monthly"),),
        success_url="https://site.invalid/paid",
        cancel_url="https://site.invalid/left",
    )
    key = uuid4().hex
    urls = {await world.provider.checkout(purchase, key=key) for _ in range(2)}
    assert len(urls) == 1
    assert urls.pop().startswith(("http://", "https://"))
    assert (await bought.seen()).subscriptions == ()


async def test_a_trial_has_its_end(world: World) -> None:
    subscription = await (await _bought(world, trial_days=14)).subscription()
    assert subscription.status is SubscriptionStatus.TRIALING
    assert subscription.trial_end is not None
    left = subscription.trial_end - subscription.created_at
    assert abs(left - timedelta(days=14)) < timedelta(minutes=1)


async def test_a_price_that_nobody_has_is_refused(world: World) -> None:
    bought = await _bought(world)
    subscription = await bought.subscription()
    foreign = Line(price_id="price_of_nobody")
    with pytest.raises(ProviderRefused, match="price_of_nobody"):
        await world.provider.change(subscription.id, [foreign], key=uuid4().hex)
    assert await bought.keys() == ["pro_monthly"]


async def test_the_portal_has_an_address_for_customers_only(world: World) -> None:
    bought = await _customer(world)
    url = await world.provider.portal(bought.customer_id, return_url="https://site.invalid/")
    assert url.startswith(("http://", "https://"))
    with pytest.raises(ProviderRefused, match="cus_of_nobody"):
        await world.provider.portal("cus_of_nobody", return_url="https://site.invalid/")


# ── Changing ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_upgrade_is_had_once_it_is_paid(world: World) -> None:
    bought = await _bought(world)
    before = await bought.subscription()
    line = await _line(world, "enterprise_monthly")
    key = uuid4().hex
    for _ in range(2):
        await world.provider.change(before.id, [line], key=key)
    after = await bought.subscription()
    assert [item.price_id for item in after.items] == [line.price_id]
    assert after.status is SubscriptionStatus.ACTIVE
    assert after.period_end == before.period_end
    assert all(bill.status == "paid" for bill in (await bought.seen()).invoices)


async def test_an_upgrade_that_is_not_paid_is_not_had(world: World) -> None:
    bought = await _bought(world)
    await world.set_card(bought.customer_id, is_good=False)
    line = await _line(world, "enterprise_monthly")
    with contextlib.suppress(ProviderRefused):  # a provider may say so at once
        await world.provider.change((await bought.subscription()).id, [line], key=uuid4().hex)
    assert await bought.keys() == ["pro_monthly"]
    assert (await bought.subscription()).status is SubscriptionStatus.ACTIVE


async def test_a_preview_names_the_difference_and_changes_nothing(world: World) -> None:
    bought = await _bought(world)
    before = await bought.seen()
    subscription = await bought.subscription()
    upgrade = await world.provider.preview(
        subscription.id, [await _line(world, "enterprise_monthly")]
    )
    # Bought a moment ago: nearly the whole period is credited and charged anew.
    assert upgrade.currency == "usd"
    assert abs(upgrade.due_now - (150_000 - 9_900)) <= 150
    assert upgrade.due_now == sum(line.amount for line in upgrade.lines)
    assert upgrade.next_invoice == 150_000
    assert upgrade.next_invoice_at == subscription.period_end
    assert all(line.is_proration and line.said for line in upgrade.lines)
    after = await bought.seen()
    assert replace(after, at=before.at) == before


async def test_seats_and_usage_are_bought_and_changed_with_the_plan(world: World) -> None:
    await world.provider.list_prices(listed_plans())
    pro = listed_plans()[1]
    seat = replace(pro.price[0], lookup_key="pro_seat", charge=Charge.SEAT, amount=500)
    calls = replace(
        pro.price[0], lookup_key="pro_calls", charge=Charge.USAGE, amount=1, metric="api_calls"
    )
    (monthly, seats, counted) = await world.provider.list_prices(
        [replace(pro, price=(pro.price[0], seat, calls))]
    )
    bought = await _customer(world)
    lines = (
        Line(price_id=monthly.id),
        Line(price_id=seats.id, quantity=3),
        Line(price_id=counted.id, quantity=None),
    )
    await _pay(world, bought, lines)
    before = await bought.subscription()
    assert {item.lookup_key: item.quantity for item in before.items} == {
        "pro_monthly": 1,
        "pro_seat": 3,
        "pro_calls": None,
    }
    more = (lines[0], replace(lines[1], quantity=5), lines[2])
    preview = await world.provider.preview(before.id, more)
    assert abs(preview.due_now - 2 * 500) <= 1
    await world.provider.change(before.id, more, key=uuid4().hex)
    after = {item.lookup_key: item.quantity for item in (await bought.subscription()).items}
    assert after == {"pro_monthly": 1, "pro_seat": 5, "pro_calls": None}


async def test_going_down_is_credited(world: World) -> None:
    bought = await _bought(world, "enterprise_monthly")
    subscription = await bought.subscription()
    line = await _line(world, "pro_monthly")
    preview = await world.provider.preview(subscription.id, [line])
    assert abs(preview.due_now + (150_000 - 9_900)) <= 150
    assert preview.next_invoice == 9_900
    await world.provider.change(subscription.id, [line], key=uuid4().hex)
    assert await bought.keys() == ["pro_monthly"]


async def test_a_trial_costs_nothing_until_it_is_ended(world: World) -> None:
    bought = await _bought(world, trial_days=14)
    subscription = await bought.subscription()
    lines = [await _line(world, "pro_monthly")]
    assert (await world.provider.preview(subscription.id, lines)).due_now == 0
    ended = await world.provider.preview(subscription.id, lines, ends_trial=True)
    assert ended.due_now == 9_900


async def test_a_cancellation_comes_at_the_periods_end_and_can_be_taken_back(world: World) -> None:
    bought = await _bought(world)
    subscription = await bought.subscription()
    await world.provider.cancel(subscription.id, key=uuid4().hex)
    cancelled = await bought.subscription()
    assert cancelled.status is SubscriptionStatus.ACTIVE
    assert cancelled.cancel_at == subscription.period_end
    await world.provider.resume(subscription.id, key=uuid4().hex)
    assert (await bought.subscription()).cancel_at is None


async def test_what_is_not_cancelled_is_resumed_without_a_word(world: World) -> None:
    bought = await _bought(world)
    before = await bought.subscription()
    await world.provider.resume(before.id, key=uuid4().hex)
    assert await bought.subscription() == before


async def test_a_subscription_of_nobody_is_refused(world: World) -> None:
    provider, line = world.provider, await _line(world, "pro_monthly")
    with pytest.raises(ProviderRefused, match="sub_of_nobody"):
        await provider.change("sub_of_nobody", [line], key=uuid4().hex)
    with pytest.raises(ProviderRefused, match="sub_of_nobody"):
        await provider.preview("sub_of_nobody", [line])
    with pytest.raises(ProviderRefused, match="sub_of_nobody"):
        await provider.cancel("sub_of_nobody", key=uuid4().hex)
    with pytest.raises(ProviderRefused, match="sub_of_nobody"):
        await provider.resume("sub_of_nobody", key=uuid4().hex)


# ── Contracts and usage ──────────────────────────────────────────────────────────────────────────


async def test_a_contract_is_invoiced_with_net_terms_for_its_own_amount(world: World) -> None:
    bought = await _customer(world)
    listed = await world.provider.list_prices(listed_plans())
    product_id = next(
        price.product_id for price in listed if price.lookup_key == "enterprise_monthly"
    )
    agreement = Agreement(
        customer_id=bought.customer_id,
        tenant_id=bought.tenant_id,
        product_id=product_id,
        currency="usd",
        amount=1_234_500,
        interval="year",
        net_days=45,
    )
    key = uuid4().hex
    invoice = await world.provider.agree(agreement, key=key)
    assert await world.provider.agree(agreement, key=key) == invoice
    assert invoice is not None
    assert invoice.amount_due == 1_234_500
    assert invoice.status in {"draft", "open"}
    subscription = await bought.subscription()
    assert subscription.is_invoiced
    assert subscription.status is SubscriptionStatus.ACTIVE
    (item,) = subscription.items
    assert (item.product_id, item.lookup_key) == (product_id, None)
    # Net terms are a credit: what changes is had at once, and invoiced.
    line = await _line(world, "enterprise_monthly")
    await world.provider.change(subscription.id, [line], key=uuid4().hex)
    assert await bought.keys() == ["enterprise_monthly"]


async def test_usage_told_twice_is_counted_once(world: World) -> None:
    bought = await _customer(world)
    await world.make_meter("api_calls")
    for quantity, hour in ((3, "one"), (3, "one"), (4, "two")):
        await world.provider.report(
            Usage(
                meter="api_calls",
                customer_id=bought.customer_id,
                quantity=quantity,
                identifier=f"{bought.customer_id}-{hour}",
                at=datetime.now(UTC).replace(minute=0, second=0, microsecond=0),
            )
        )
    assert await world.counted("api_calls", bought.customer_id) == 7


# ── Prices ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_price_list_is_made_once(world: World) -> None:
    first = await world.provider.list_prices(listed_plans())
    assert [price.lookup_key for price in first] == [
        price.lookup_key for plan in listed_plans() for price in plan.price
    ]
    before = await world.count()
    assert await world.provider.list_prices(listed_plans()) == first
    assert await world.count() == before


async def test_price_lists_made_at_once_are_one(world: World) -> None:
    pro = listed_plans()[1]
    gold = replace(
        pro,
        name="gold",
        title="Gold",
        price=tuple(replace(price, lookup_key=f"gold_{n}") for n, price in enumerate(pro.price)),
    )
    before = await world.count()
    made = await asyncio.gather(*(world.provider.list_prices([gold]) for _ in range(3)))
    assert made[0] == made[1] == made[2]
    assert await world.count() - before in {2, 3}  # the prices, and a product where one is made


async def test_a_changed_amount_is_a_new_price_and_the_old_one_stays_bought(world: World) -> None:
    bought = await _bought(world)
    (old,) = (await bought.subscription()).items
    pro = listed_plans()[1]
    try:
        for amount in (12_900, 9_900, 12_900):
            monthly = replace(pro.price[0], amount=amount)
            raised = replace(pro, price=(monthly, *pro.price[1:]))
            (new, _) = await world.provider.list_prices([raised])
            assert new.id != old.price_id
            assert new.product_id == old.product_id
        (still,) = (await bought.subscription()).items
        assert still.price_id == old.price_id
    finally:
        await world.provider.list_prices(listed_plans())


# ── What is told ─────────────────────────────────────────────────────────────────────────────────


async def test_each_customer_with_a_subscription_comes_once(world: World) -> None:
    nothing = await _customer(world)
    bought = await _bought(world)
    since = (await bought.subscription()).created_at
    for at in (None, since):
        customers = [each async for each in world.provider.customers_since(at)]
        assert customers.count(bought.customer_id) == 1
        assert nothing.customer_id not in customers
    late = since + timedelta(days=2)
    assert [each async for each in world.provider.customers_since(late)] == []


async def test_events_come_oldest_first_and_name_their_customer(world: World) -> None:
    bought = await _bought(world)
    since = (await bought.seen()).at - timedelta(days=1)
    events = [event async for event in world.provider.events_since(since)]
    assert len({event.id for event in events}) == len(events)
    told = [event for event in events if event.customer_id == bought.customer_id]
    times = [event.created_at for event in told]
    assert times == sorted(times)
    own = [event.type for event in told]
    assert own.index("customer.created") < own.index("customer.subscription.created")


async def test_events_of_before_are_left_out(world: World) -> None:
    await _bought(world)
    late = datetime.now(UTC) + timedelta(days=400)
    assert [event async for event in world.provider.events_since(late)] == []


async def test_a_delivery_is_the_event_that_is_listed(world: World) -> None:
    bought = await _bought(world)
    since = (await bought.seen()).at - timedelta(days=1)
    events = [event async for event in world.provider.events_since(since)]
    event = next(event for event in events if event.customer_id == bought.customer_id)
    body, headers = world.signed(event)
    assert world.provider.verify(body, headers) == event
    with pytest.raises(BadRequest):
        world.provider.verify(body + b" ", headers)
    with pytest.raises(BadRequest):
        world.provider.verify(body, {})


async def test_a_provider_that_is_down_is_a_failure(world: World) -> None:
    bought = await _customer(world)
    await world.break_down()
    try:
        with pytest.raises(ProviderFailed):
            await bought.seen()
        with pytest.raises(ProviderFailed):
            [each async for each in world.provider.customers_since(None)]
    finally:
        await world.mend()
    assert (await bought.seen()).tenant_id == bought.tenant_id


async def test_time_renews_what_is_paid_and_dims_what_is_not(world: World) -> None:
    bought = await world.customer_in_time()
    customer = Bought(world, *bought)
    subscription_id = await world.subscribe(customer.customer_id, "pro_monthly")
    first = await customer.subscription()
    assert first.id == subscription_id
    await world.pass_time(customer.customer_id, timedelta(days=32))
    renewed = await customer.subscription()
    assert renewed.status is SubscriptionStatus.ACTIVE
    assert renewed.period_start == first.period_end
    assert (await customer.seen()).at >= first.created_at + timedelta(days=32)
    await world.set_card(customer.customer_id, is_good=False)
    await world.pass_time(customer.customer_id, timedelta(days=32))
    late = await customer.subscription()
    assert late.status is SubscriptionStatus.PAST_DUE
    assert any(bill.status == "open" for bill in (await customer.seen()).invoices)
    await world.set_card(customer.customer_id, is_good=True)
    await world.provider.cancel(late.id, key=uuid4().hex)
    await world.pass_time(customer.customer_id, timedelta(days=62))
    ended = await customer.subscription()
    assert ended.status is SubscriptionStatus.CANCELED
    assert ended.ended_at is not None
