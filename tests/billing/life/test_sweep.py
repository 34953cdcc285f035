from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from billing import sweep
from billing.seen import Seen, SubscriptionStatus
from billing.sweep import FAILURES_MAX, Report
from router.errors import ProviderFailed
from router.words import Standing
from tests.billing.life.worlds import DAY, World, world_on
from tests.billing.memory_provider import MemoryProvider
from tests.catalog.worlds import Server, add_tenant

S = SubscriptionStatus


async def test_with_every_webhook_lost_the_tenants_still_come_to_equal_the_provider(
    world: World,
) -> None:
    known = [await world.add(f"lost-{number}") for number in range(6)]
    unknown = await add_tenant(world.catalog, "lost-stranger")
    provider = world.provider
    bought = [provider.buy(customer_id, "pro_monthly") for _, customer_id in known]
    provider.buy(provider.customer_of(unknown.id), "enterprise_monthly")
    provider.buy(provider.strange_customer(), "pro_monthly")
    provider.set_status(bought[0], S.PAST_DUE)
    provider.set_status(bought[1], S.CANCELED)
    report = await world.sweep.run()
    assert report.is_complete
    assert (report.failures, report.accounts_looked, report.customers_adopted) == ((), 6, 1)
    assert report.events_found == len(provider.events())
    assert len(report.differences) == 6
    first = next(each for each in report.differences if each.tenant_id == known[2][0].id)
    assert (first.ours.plan, first.theirs.plan, first.done) == (
        "starter",
        "pro",
        "plan starter → pro",
    )
    assert first.theirs.subscriptions == (f"{bought[2]} active",)
    world.policy = replace(world.policy, retry_s_min=60, retry_s_max=60)
    await world.syncer.look()
    tenant_ids = [tenant.id for tenant, _ in known]
    assert await world.wrong([*tenant_ids, unknown.id]) == []
    assert (await world.tenant(unknown.id)).plan == "enterprise"


async def test_a_second_sweep_finds_nothing_and_asks_for_nothing_more(world: World) -> None:
    tenant, customer_id = await world.add("twice")
    world.provider.buy(customer_id, "pro_monthly")
    await world.sweep.run()
    await world.syncer.look()
    before = await world.account(tenant.id)
    report = await world.sweep.run()
    assert (report.differences, report.events_found, report.customers_adopted) == ((), 0, 0)
    assert await world.account(tenant.id) == before


async def test_a_sweep_finds_what_time_did_at_the_provider(world: World) -> None:
    tenant, customer_id = await world.add("aged")
    bought = world.provider.buy(customer_id, "pro_monthly")
    world.provider.set_status(bought, S.PAST_DUE)
    await world.settle()
    world.provider.now += 15 * DAY  # nothing happens there but time
    (difference,) = (await world.sweep.run()).differences
    assert difference.done == "standing grace → read_only"
    assert (await world.tenant(tenant.id)).standing is Standing.READ_ONLY
    assert await world.wrong([tenant.id]) == []


async def test_a_plan_that_somebody_wrote_by_hand_is_set_right(world: World) -> None:
    tenant, customer_id = await world.add("written")
    world.provider.buy(customer_id, "pro_monthly")
    await world.settle()
    async with world.catalog.connection() as connection:
        await connection.execute("UPDATE catalog.tenant SET plan = 'starter', plan_version = 1")
    assert [each.done for each in (await world.sweep.run()).differences] == ["plan starter → pro"]
    assert (await world.tenant(tenant.id)).plan == "pro"


async def test_a_provider_that_is_away_ends_the_sweep_with_its_reason(world: World) -> None:
    for number in range(FAILURES_MAX + 5):
        await world.add(f"away-{number}")
    world.provider.fail_next = 10_000
    report = await world.sweep.run()
    assert not report.is_complete
    assert FAILURES_MAX <= len(report.failures) <= FAILURES_MAX + world.policy.looks_at_once
    assert "told to fail" in report.failures[0].reason
    world.provider.fail_next = 0
    assert (await world.sweep.run()).is_complete


async def test_the_next_sweep_goes_on_where_a_broken_one_stopped(
    running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PAGE_ITEMS", 2)
    monkeypatch.setattr(sweep, "FAILURES_MAX", 1)
    provider = Refusing()
    reports: list[Report] = []

    def told(report: Report) -> None:
        reports.append(report)
        provider.refused = ""
        if len(reports) == 2:
            raise asyncio.CancelledError

    async with world_on(running, provider) as world:
        world.policy = replace(world.policy, reconcile_s=0)
        made = [await world.add(f"broken-{number}") for number in range(5)]
        made.sort(key=lambda pair: pair[0].id)
        provider.refused = made[2][1]
        with pytest.raises(asyncio.CancelledError):
            await world.sweep.keep(told)
    broken, repaired = reports
    assert (broken.is_complete, broken.stopped_after) == (False, made[1][0].id)
    assert (repaired.is_complete, repaired.accounts_looked) == (True, 3)


class Refusing(MemoryProvider):
    refused = ""

    async def look(self, customer_id: str) -> Seen | None:
        if customer_id == self.refused:
            raise ProviderFailed("the provider is away")
        return await super().look(customer_id)


async def test_a_sweep_goes_on_after_a_tenant_and_tells_how_far_it_is(world: World) -> None:
    made = sorted([(await world.add(f"paged-{number}"))[0].id for number in range(4)])
    told: list[Report] = []
    report = await world.sweep.run(after=made[1], progress=told.append)
    assert report.accounts_looked == 2
    assert told[-1] == report
    assert [each.accounts_looked for each in told[:2]] == [1, 2]
