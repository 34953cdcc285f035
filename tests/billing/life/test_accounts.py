from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from billing import accounts
from billing.current import current
from billing.life_words import Basis
from billing.seen import SubscriptionStatus
from router.catalog import accounts as people
from router.catalog import members
from router.errors import Conflict, ProviderFailed, Unprocessable
from router.words import Standing
from tests.billing.life.worlds import DAY, World
from tests.catalog.worlds import add_tenant

S = SubscriptionStatus


async def test_two_at_once_make_one_customer(world: World) -> None:
    tenant = await add_tenant(world.catalog, "once")
    world.provider.delay_s = 0.02
    made = await asyncio.gather(
        *(
            accounts.ensure_customer(world.catalog, world.provider, tenant, "a@once.example")
            for _ in range(10)
        )
    )
    assert len(set(made)) == 1
    assert [told.type for told in world.provider.events()] == ["customer.created"]
    assert (await world.account(tenant.id)).customer_id == made[0]


async def test_a_provider_that_fails_leaves_a_tenant_without_customer_and_no_harm(
    world: World,
) -> None:
    tenant = await add_tenant(world.catalog, "later")
    world.provider.fail_next = 1
    with pytest.raises(ProviderFailed):
        await accounts.ensure_customer(world.catalog, world.provider, tenant, "a@later.example")
    assert (await world.account(tenant.id)).customer_id is None
    await accounts.ensure_customer(world.catalog, world.provider, tenant, "a@later.example")
    await world.settle()
    assert await world.wrong([tenant.id]) == []


async def test_a_deleted_customer_is_replaced_by_a_new_one(world: World) -> None:
    tenant, first = await world.add("reborn")
    world.provider.buy(first, "pro_monthly")
    await world.settle()
    world.provider.delete(first)
    await world.settle()
    assert (await world.tenant(tenant.id)).plan == "starter"
    second = await accounts.ensure_customer(world.catalog, world.provider, tenant, "a@b.example")
    assert second != first
    world.provider.buy(second, "pro_monthly")
    await world.settle()
    assert await world.wrong([tenant.id]) == []
    assert (await world.tenant(tenant.id)).plan == "pro"


async def test_the_bill_goes_to_the_first_owner(world: World) -> None:
    tenant = await add_tenant(world.catalog, "owned")
    with pytest.raises(Conflict, match="no owner"):
        await accounts.payer_email(world.catalog, tenant.id)
    for name, role in (("guest", "viewer"), ("first", "owner"), ("second", "owner")):
        async with world.catalog.transaction() as connection:
            person = await people.create(connection, email=f"{name}@owned.example")
            await members.add(connection, tenant.id, person.id, role=role)
    assert await accounts.payer_email(world.catalog, tenant.id) == "first@owned.example"


async def test_a_contract_holds_at_once_over_a_debt_and_gives_way_when_released(
    world: World,
) -> None:
    tenant, customer_id = await world.add("agreed")
    bought = world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    world.provider.set_status(bought, S.UNPAID)
    await world.settle()
    assert (await world.tenant(tenant.id)).standing is Standing.GRACE
    async with world.catalog.transaction() as connection:
        found = await accounts.set_contract(
            connection, tenant.id, plan="enterprise", reason="order 7"
        )
    assert (found.plan, found.standing) == ("enterprise", Standing.GOOD)
    await world.settle()
    assert await world.wrong([tenant.id]) == []
    assert await world.told(tenant.id) == []
    async with world.catalog.transaction() as connection:
        await accounts.release_contract(connection, tenant.id)
    await world.settle()
    found = await world.tenant(tenant.id)
    assert (found.plan, found.standing) == ("pro", Standing.GRACE)
    assert await world.wrong([tenant.id]) == []


async def test_a_tenant_the_provider_never_heard_of_can_have_a_contract(world: World) -> None:
    tenant = await add_tenant(world.catalog, "offline")
    until = datetime.now(UTC) + timedelta(seconds=1.2)
    async with world.catalog.transaction() as connection:
        await accounts.set_contract(
            connection, tenant.id, plan="pro", reason="a pilot", until=until
        )
    await world.syncer.look()
    assert (await world.tenant(tenant.id)).plan == "pro"
    async with asyncio.timeout(20):
        while (await world.tenant(tenant.id)).plan != "starter":
            await asyncio.sleep(0.1)
            await world.syncer.look()
    account = await world.account(tenant.id)
    assert (account.contract, account.has_bought) == (None, True)
    assert await world.changes(tenant.id) == [("starter", "pro"), ("pro", "starter")]


async def test_a_contract_that_cannot_be_is_refused(world: World) -> None:
    tenant = await add_tenant(world.catalog, "refused")
    past = datetime.now(UTC) - DAY
    for plan, reason, until in (
        ("gold", "order", None),
        ("pro", "  ", None),
        ("pro", "order", past),
    ):
        with pytest.raises(Unprocessable):
            async with world.catalog.transaction() as connection:
                await accounts.set_contract(
                    connection, tenant.id, plan=plan, reason=reason, until=until
                )
    with pytest.raises(Conflict, match="refused has no contract"):
        async with world.catalog.transaction() as connection:
            await accounts.release_contract(connection, tenant.id)


async def test_nothing_is_dirty_where_there_is_no_account(world: World) -> None:
    async with world.catalog.connection() as connection:
        assert not await accounts.mark_dirty(connection, uuid4())


async def test_what_holds_is_shown_with_what_is_to_come(world: World) -> None:
    tenant, customer_id = await world.add("shown")
    async with world.catalog.connection() as connection:
        other = await add_tenant(world.catalog, "blank")
        assert (await current(connection, other)).basis is Basis.NOTHING
    bought = world.provider.buy(customer_id, "pro_monthly")
    at = world.provider.now + 12 * DAY
    world.provider.cancel_at(bought, at)
    await world.settle()
    async with world.catalog.connection() as connection:
        shown = await current(connection, await world.tenant(tenant.id))
    assert (shown.plan, shown.basis, shown.standing) == (
        "pro",
        Basis.SUBSCRIPTION,
        Standing.GOOD,
    )
    assert shown.subscription is not None
    assert (shown.subscription.plan, shown.subscription.cancel_at) == ("pro", at)
    assert shown.ending is not None
    assert (shown.ending.plan, shown.ending.at) == ("starter", at)
    assert [notice.kind for notice in shown.notices] == ["plan_ends"]
    assert [bill.status for bill in shown.invoices] == ["paid"]
    assert not shown.is_behind
