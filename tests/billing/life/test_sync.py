from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from billing import accounts, inbox
from billing.inbox import EventState
from billing.life_words import Cause
from billing.policy import BillingPolicy
from billing.seen import Seen, SubscriptionStatus
from billing.sync import Syncer
from router.words import Standing, TenantId, TenantStatus
from tests.billing.life.worlds import DAY, TardyProvider, World, world_on
from tests.billing.memory_provider import MemoryProvider
from tests.catalog.worlds import Server, add_tenant

S = SubscriptionStatus


async def test_what_is_bought_is_had_with_its_audit_and_its_message(world: World) -> None:
    tenant, customer_id = await world.add("buyer")
    world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    found = await world.tenant(tenant.id)
    assert (found.plan, found.limits.seats, found.standing) == ("pro", 50, Standing.GOOD)
    assert await world.changes(tenant.id) == [("starter", "pro")]
    async with world.catalog.connection() as connection:
        payload = await connection.fetchval(
            "SELECT payload FROM catalog.outbox WHERE kind = 'plan.changed' AND tenant_id = $1",
            tenant.id,
        )
    assert msgspec.json.decode(payload)["to"] == "pro"
    assert await world.wrong([tenant.id]) == []


async def test_a_debt_is_told_dated_and_ended_by_its_payment(world: World) -> None:
    tenant, customer_id = await world.add("debtor")
    bought = world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    world.provider.set_status(bought, S.PAST_DUE)
    await world.settle()
    found = await world.tenant(tenant.id)
    assert (found.plan, found.standing) == ("pro", Standing.GRACE)
    assert found.standing_until == world.provider.now + 14 * DAY
    assert [notice.kind for notice in await world.told(tenant.id)] == ["payment_overdue"]
    world.provider.set_status(bought, S.ACTIVE)
    await world.settle()
    found = await world.tenant(tenant.id)
    assert (found.standing, found.standing_until) == (Standing.GOOD, None)
    assert await world.told(tenant.id) == []


async def test_the_day_comes_without_any_event(world: World) -> None:
    tenant, customer_id = await world.add("silent")
    world.policy = BillingPolicy(grace_s=1.2, notice_s=1.2)
    world.provider.set_status(world.provider.buy(customer_id, "pro_monthly"), S.PAST_DUE)
    await world.settle()
    assert (await world.tenant(tenant.id)).standing is Standing.GRACE
    calls = world.provider.calls
    async with asyncio.timeout(20):
        while (await world.tenant(tenant.id)).standing is not Standing.READ_ONLY:
            await asyncio.sleep(0.1)
            await world.syncer.look()
    assert world.provider.calls == calls, "time was judged by what was seen already"
    kinds = [notice.kind for notice in await world.told(tenant.id)]
    assert sorted(kinds) == ["payment_overdue", "read_only"]


async def test_a_cancellation_taken_back_and_made_again_is_told_again(world: World) -> None:
    tenant, customer_id = await world.add("waverer")
    bought = world.provider.buy(customer_id, "pro_monthly")
    at = world.provider.now + 20 * DAY
    for date, kinds in ((at, ["plan_ends"]), (None, []), (at, ["plan_ends"])):
        world.provider.cancel_at(bought, date)
        await world.settle()
        assert [notice.kind for notice in await world.told(tenant.id)] == kinds


async def test_a_provider_that_fails_is_asked_again_and_nothing_is_lost(world: World) -> None:
    tenant, customer_id = await world.add("patient")
    await world.settle()
    world.provider.buy(customer_id, "pro_monthly")
    world.policy = BillingPolicy(retry_s_min=0.3, retry_s_max=0.3)
    world.provider.fail_next = 1
    await world.settle()
    account = await world.account(tenant.id)
    assert (account.attempts, account.synced < account.dirty) == (1, True)
    assert "told to fail" in (account.error or "")
    async with world.catalog.connection() as connection:
        told = await inbox.get(connection, world.provider.events()[-1].id)
    assert told.state is EventState.WAITING
    await asyncio.sleep(0.4)
    await world.syncer.look()
    assert await world.wrong([tenant.id]) == []
    account = await world.account(tenant.id)
    assert (account.attempts, account.error) == (0, None)


async def test_a_key_of_another_account_takes_nobodys_plan_away(world: World) -> None:
    tenant, customer_id = await world.add("mistaken")
    world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    world.policy = BillingPolicy()
    empty = MemoryProvider()
    syncer = Syncer(world.catalog, empty, world.policy)
    async with world.catalog.connection() as connection:
        await accounts.mark_dirty(connection, tenant.id)
    await syncer.look()
    account = await world.account(tenant.id)
    assert (await world.tenant(tenant.id)).plan == "pro"
    assert "knows no customer" in (account.problem or "")
    await world.syncer.sync(tenant.id)
    account = await world.account(tenant.id)
    assert (account.problem, account.error) == (None, None)


async def test_an_older_answer_that_comes_later_is_thrown_away(world: World) -> None:
    assert await _late_answer(world) == []


async def test_without_the_compare_and_set_the_same_check_finds_the_older_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_to_compare(monkeypatch)
    assert any("the provider says" in text for text in await _late_answer(world))


async def _late_answer(world: World) -> list[str]:
    """Have one syncer look before a change, another one after it, and the first one write last."""
    tenant, customer_id = await world.add("overtaken")
    await world.settle()
    slow = Answers(world.provider)
    async with world.catalog.connection() as connection:
        await accounts.mark_dirty(connection, tenant.id)
    first = asyncio.create_task(Syncer(world.catalog, slow, world.policy).sync(tenant.id))
    await slow.has_looked.wait()
    world.provider.buy(customer_id, "pro_monthly")
    await world.deliver()
    await world.syncer.sync(tenant.id)
    slow.may_answer.set()
    await first
    return await world.wrong([tenant.id])


def forget_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break what is to be proved: whoever writes last wins."""
    broken = dict(accounts._SQL)  # noqa: SLF001 - the statement itself is what is broken
    broken["lock_behind"] = broken["lock_behind"].replace("synced < $2", "$2::bigint > 0")
    broken["set_seen"] = broken["set_seen"].replace("synced = $3", "synced = greatest(synced, $3)")
    assert broken["lock_behind"] != accounts._SQL["lock_behind"]  # noqa: SLF001 - as above
    assert broken["set_seen"] != accounts._SQL["set_seen"]  # noqa: SLF001 - as above
    monkeypatch.setattr(accounts, "_SQL", broken)


class Answers(MemoryProvider):
    """Looks at once, and answers when it may."""

    def __init__(self, books: MemoryProvider) -> None:
        super().__init__(now=books.now)
        self._asked = books
        self.has_looked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def look(self, customer_id: str) -> Seen | None:
        seen = await self._asked.look(customer_id)
        self.has_looked.set()
        await self.may_answer.wait()
        return seen


async def test_a_syncer_that_dies_between_look_and_write_loses_nothing(world: World) -> None:
    tenant, customer_id = await world.add("killed")
    world.provider.buy(customer_id, "pro_monthly")
    await world.deliver()
    slow = Answers(world.provider)
    world.policy = BillingPolicy(claim_s=0.2)
    dying = asyncio.create_task(Syncer(world.catalog, slow, world.policy).look())
    await slow.has_looked.wait()
    dying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await dying
    assert (await world.tenant(tenant.id)).plan == "starter"
    await asyncio.sleep(0.3)
    await world.syncer.look()
    assert await world.wrong([tenant.id]) == []


async def test_a_customer_nobody_knew_is_adopted_by_the_tenant_it_names(world: World) -> None:
    tenant = await add_tenant(world.catalog, "adopted")
    customer_id = world.provider.customer_of(tenant.id)
    world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    assert (await world.account(tenant.id)).customer_id == customer_id
    assert await world.wrong([tenant.id]) == []
    async with world.catalog.connection() as connection:
        for told in world.provider.events():
            assert (await inbox.get(connection, told.id)).state is EventState.HANDLED


async def test_an_event_of_nobodys_customer_waits_and_is_kept_in_the_end(world: World) -> None:
    stranger = world.provider.strange_customer()
    world.policy = BillingPolicy(retry_s_min=0.05, retry_s_max=0.05, give_up_s=0.3)
    await world.settle()
    told = world.provider.events()[-1]
    async with world.catalog.connection() as connection:
        found = await inbox.get(connection, told.id)
        assert (found.state, found.customer_id) == (EventState.WAITING, stranger)
        assert "bears no tenant's id" in (found.error or "")
        await asyncio.sleep(0.4)
        await world.syncer.look()
        assert (await inbox.get(connection, told.id)).state is EventState.KEPT


async def test_a_tenant_keeps_its_customer_where_another_one_bears_its_id(world: World) -> None:
    tenant, customer_id = await world.add("doubled")
    world.policy = BillingPolicy()
    world.provider.buy(world.provider.customer_of(tenant.id), "enterprise_monthly")
    await world.settle()
    assert (await world.account(tenant.id)).customer_id == customer_id
    assert (await world.tenant(tenant.id)).plan == "starter"
    async with world.catalog.connection() as connection:
        found = await inbox.get(connection, world.provider.events()[-1].id)
    assert "who has another one" in (found.error or "")


async def test_an_unknown_price_is_named_and_takes_nothing_away(world: World) -> None:
    tenant, customer_id = await world.add("gilded")
    world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    async with world.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.price SET lookup_key = 'x', is_current = false")
        await connection.execute("UPDATE catalog.price SET id = 'x' || id, product_id = 'x'")
        await accounts.mark_dirty(connection, tenant.id)
    await world.syncer.look()
    assert (await world.tenant(tenant.id)).plan == "pro"
    named = world.provider.price("pro_monthly").id
    assert named in ((await world.account(tenant.id)).problem or "")


async def test_an_erased_tenant_is_left_alone(world: World) -> None:
    tenant, customer_id = await world.add("erased")
    async with world.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.tenant SET status = $2 WHERE id = $1", tenant.id, TenantStatus.ERASED
        )
    world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    assert await world.changes(tenant.id) == []
    account = await world.account(tenant.id)
    assert account.synced == account.dirty


async def test_what_does_not_fit_is_named_and_closes_only_after_its_date(world: World) -> None:
    tenant, customer_id = await world.add("large")
    bought = world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    await store(world, tenant.id, 30_000_000_000)
    world.provider.cancel_at(bought, world.provider.now + 10 * DAY)
    await world.settle()
    (warning,) = await world.told(tenant.id)
    assert warning.detail == {"plan": "starter", "misfits": ["storage_bytes"]}
    world.provider.pass_time(10 * DAY + timedelta(hours=1))
    await world.settle()
    found = await world.tenant(tenant.id)
    assert (found.plan, found.standing) == ("starter", Standing.GRACE)
    assert (await world.account(tenant.id)).cause is Cause.STORAGE
    kinds = sorted(notice.kind for notice in await world.told(tenant.id))
    assert kinds == ["plan_left", "storage_over"]
    await store(world, tenant.id, 1_000)
    async with world.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.billing SET judge_at = now()")
    await world.syncer.look()
    assert (await world.tenant(tenant.id)).standing is Standing.GOOD


async def store(world: World, tenant_id: TenantId, quantity: int) -> None:
    async with world.catalog.connection() as connection:
        await connection.execute(
            "INSERT INTO catalog.usage_gauge (tenant_id, metric, quantity)"
            " VALUES ($1, 'storage_bytes', $2)"
            " ON CONFLICT (tenant_id, metric) DO UPDATE SET quantity = excluded.quantity",
            tenant_id,
            quantity,
        )


async def test_a_syncer_that_listens_is_woken_by_an_event(world: World) -> None:
    tenant, customer_id = await world.add("woken")
    world.policy = BillingPolicy(poll_s=60)
    keeping = asyncio.create_task(world.syncer.keep())
    try:
        await _until_in_sync(world, tenant.id)
        world.provider.buy(customer_id, "pro_monthly")
        await world.deliver()
        async with asyncio.timeout(30):
            while (await world.tenant(tenant.id)).plan != "pro":
                await asyncio.sleep(0.02)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _until_in_sync(world: World, tenant_id: TenantId) -> None:
    async with asyncio.timeout(30):
        while await world.wrong([tenant_id]):
            await asyncio.sleep(0.02)


async def test_one_account_that_cannot_be_read_does_not_stop_the_others(
    running: Server,
) -> None:
    provider = Broken()
    async with world_on(running, provider) as world:
        sick, provider.broken = await world.add("sick")
        well, customer_id = await world.add("well")
        provider.buy(customer_id, "pro_monthly")
        world.policy = BillingPolicy()
        await world.settle()
        assert (await world.tenant(well.id)).plan == "pro"
        assert "KeyError" in ((await world.account(sick.id)).error or "")


class Broken(MemoryProvider):
    broken = ""

    async def look(self, customer_id: str) -> Seen | None:
        if customer_id == self.broken:
            raise KeyError("what no provider ever says")
        return await super().look(customer_id)


async def test_no_more_is_asked_at_once_than_the_policy_allows(running: Server) -> None:
    provider = Counting(seed=1, tail_s=0.01)
    async with world_on(running, provider) as world:
        for number in range(12):
            await world.add(f"bounded-{number}")
        world.policy = BillingPolicy(looks_at_once=3)
        await world.settle()
        assert provider.most == 3


class Counting(TardyProvider):
    most = 0
    _now = 0

    async def look(self, customer_id: str) -> Seen | None:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return await super().look(customer_id)
        finally:
            self._now -= 1


async def test_a_seen_account_is_kept_as_the_provider_said_it(world: World) -> None:
    tenant, customer_id = await world.add("kept")
    world.provider.buy(customer_id, "pro_yearly", trial_days=7)
    await world.settle()
    seen = await world.provider.look(customer_id)
    assert seen is not None
    account = await world.account(tenant.id)
    assert account.seen is not None
    assert replace(account.seen, at=seen.at) == seen
