from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from billing import inbox
from billing.inbox import EventState, InboxFilter
from router.errors import NotFound
from tests.billing.life.worlds import World, event


async def test_an_event_is_stored_once_and_its_deliveries_are_counted(world: World) -> None:
    tenant, customer_id = await world.add("stored")
    await world.settle()
    before = await world.account(tenant.id)
    told = event(1, customer_id)
    async with world.catalog.connection() as connection:
        first = await inbox.store(connection, world.provider.name, told)
        second = await inbox.store(connection, world.provider.name, told)
        found = await inbox.get(connection, told.id)
    assert (first.is_new, first.tenant_id) == (True, tenant.id)
    assert (second.is_new, second.tenant_id) == (False, None)
    assert (found.deliveries, found.state, found.tenant_id) == (2, EventState.WAITING, tenant.id)
    assert (await world.account(tenant.id)).dirty == before.dirty + 1


async def test_fifty_deliveries_at_one_moment_make_one_event(world: World) -> None:
    tenant, customer_id = await world.add("stormed")
    await world.settle()
    before = await world.account(tenant.id)
    told = event(1, customer_id)

    async def deliver() -> bool:
        async with world.catalog.connection() as connection:
            return (await inbox.store(connection, world.provider.name, told)).is_new

    assert sum(await asyncio.gather(*(deliver() for _ in range(50)))) == 1
    async with world.catalog.connection() as connection:
        assert (await inbox.get(connection, told.id)).deliveries == 50
    assert (await world.account(tenant.id)).dirty > before.dirty
    await world.syncer.look()
    assert (await world.account(tenant.id)).error is None


async def test_an_event_is_handled_once_its_customer_was_looked_at(world: World) -> None:
    _, customer_id = await world.add("handled")
    async with world.catalog.connection() as connection:
        await inbox.store(connection, world.provider.name, event(1, customer_id, kind="new.kind"))
        await world.syncer.look()
        found = await inbox.get(connection, "evt_x1")
    assert (found.state, found.type, found.api_version) == (
        EventState.HANDLED,
        "new.kind",
        "2019-01-01",
    )
    assert found.handled_at is not None


async def test_an_event_that_names_no_customer_has_nothing_to_wait_for(world: World) -> None:
    async with world.catalog.connection() as connection:
        await inbox.store(connection, world.provider.name, event(1, None, kind="price.created"))
        assert (await inbox.get(connection, "evt_x1")).state is EventState.HANDLED


async def test_a_replayed_event_has_its_customer_looked_at_again(world: World) -> None:
    tenant, customer_id = await world.add("replayed")
    await world.settle()
    world.provider.buy(customer_id, "pro_monthly")  # its event is lost
    told = world.provider.events()[0]
    async with world.catalog.transaction() as connection:
        assert (await inbox.replay(connection, told.id)).state is EventState.WAITING
    await world.syncer.look()
    assert (await world.tenant(tenant.id)).plan == "pro"
    async with world.catalog.connection() as connection:
        assert (await inbox.get(connection, told.id)).state is EventState.HANDLED
        with pytest.raises(NotFound, match="evt_none"):
            await inbox.replay(connection, "evt_none")


async def test_a_list_of_events_goes_on_where_it_stopped(world: World) -> None:
    tenant, customer_id = await world.add("listed")
    async with world.catalog.connection() as connection:
        for number in range(5):
            await inbox.store(connection, world.provider.name, event(number, customer_id))
        chosen = InboxFilter(tenant_id=tenant.id, type="invoice.paid", state=EventState.WAITING)
        found: list[str] = []
        before: str | None = None
        while True:
            page = await inbox.list_page(connection, chosen, before=before, items_max=2)
            found += [item.id for item in page.items]
            before = page.next
            if before is None:
                break
        other = InboxFilter(tenant_id=uuid4())
        assert (await inbox.list_page(connection, other)).items == ()
    assert found == [f"evt_x{number}" for number in reversed(range(5))]


async def test_the_pressure_counts_what_waits(world: World) -> None:
    async with world.catalog.connection() as connection:
        assert await inbox.pressure(connection) == inbox.Pressure(waiting=0, kept=0, oldest_s=0)
        await inbox.store(connection, world.provider.name, event(1, "cus_unheard"))
        found = await inbox.pressure(connection)
    assert (found.waiting, found.kept) == (1, 0)
    assert found.oldest_s >= 0


async def test_only_what_was_handled_long_ago_is_forgotten(world: World) -> None:
    await world.add("forgotten")
    await world.settle()
    async with world.catalog.connection() as connection:
        await inbox.store(connection, world.provider.name, event(1, "cus_unheard"))
        await inbox.store(connection, world.provider.name, event(2, None))
        await inbox.store(connection, world.provider.name, event(3, None))
        await connection.execute(
            "UPDATE catalog.inbox SET received_at = now() - interval '31 days'"
            " WHERE id IN ('evt_x1', 'evt_x2')"
        )
        await inbox.forget_old(connection)
        left = {item.id for item in (await inbox.list_page(connection, InboxFilter())).items}
    assert {"evt_x1", "evt_x3"} <= left
    assert "evt_x2" not in left
