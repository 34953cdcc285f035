"""Ten thousand deliveries, as bad as they come: in the end each tenant equals the provider."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from billing import inbox, life, verdicts
from billing.seen import SeenEvent, SubscriptionStatus
from billing.sync import Syncer
from router.catalog import Catalog
from router.words import Tenant, TenantId
from tests.billing.life.plays import held
from tests.billing.life.worlds import HASTY, TardyProvider, World, event, list_prices, world_on
from tests.catalog.worlds import Server, add_tenant

DELIVERIES = 10_000
TENANTS = 48
STRANGERS = 6
POSTMEN = 6
S = SubscriptionStatus


class Town:
    """Tenants whose customers buy, fail, pay and leave; and the post, which is bad."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.customers: dict[TenantId, str] = {}
        self.bought: dict[TenantId, str] = {}
        self.truth: dict[TenantId, list[str]] = {}
        self.late: list[SeenEvent] = []
        self.made = 0
        self.delivered = 0
        self._told = 0

    async def settle_down(self) -> None:
        async with self.world.catalog.connection() as connection:
            name = self.world.provider.name
            self.offer = await verdicts.read_offer(connection, name, uuid4())
        for number in range(TENANTS):
            tenant, customer_id = await self.world.add(f"town-{number}")
            self._enter(tenant, customer_id)
        for number in range(STRANGERS):
            tenant = await add_tenant(self.world.catalog, f"stranger-{number}")
            self._enter(tenant, self.world.provider.customer_of(tenant.id))

    def _enter(self, tenant: Tenant, customer_id: str) -> None:
        self.customers[tenant.id] = customer_id
        self.truth[tenant.id] = ["starter"]

    async def live_on(self, times: int) -> None:
        for tenant_id in self.random.choices(list(self.customers), k=times):
            await self.live(tenant_id)

    async def live(self, tenant_id: TenantId) -> None:
        """Let one thing happen to one customer, and note what the tenant has a right to then."""
        provider, choose = self.world.provider, self.random
        now = self.bought.get(tenant_id)
        price = choose.choice(["pro_monthly", "pro_yearly", "enterprise_monthly"])
        if now is None:
            days = choose.choice([None, 14])
            self.bought[tenant_id] = provider.buy(self.customers[tenant_id], price, trial_days=days)
        elif choose.random() < 0.15:
            provider.set_status(self.bought.pop(tenant_id), S.CANCELED)
        elif choose.random() < 0.5:
            provider.swap(now, price)
        else:
            statuses = [S.ACTIVE, S.ACTIVE, S.PAST_DUE, S.UNPAID]
            provider.set_status(now, choose.choice(statuses))
        await self._note(tenant_id)

    async def _note(self, tenant_id: TenantId) -> None:
        seen = await self.world.truth(self.customers[tenant_id])
        before = held(self.truth[tenant_id][-1])
        verdict = life.judge(before, seen, self.offer, now=seen.at, policy=self.world.policy)
        if verdict.plan != self.truth[tenant_id][-1]:
            self.truth[tenant_id].append(verdict.plan)

    def bag(self) -> list[SeenEvent]:
        """Take what was told since the last bag, and spoil it."""
        events = self.world.provider.events()
        fresh, self._told = list(events[self._told :]), len(events)
        bag = list[SeenEvent]()
        for told in fresh:
            luck = self.random.random()
            if luck < 0.08:
                continue  # dropped: only the sweep will know
            if luck < 0.16:
                self.late.append(told)
                continue
            if luck < 0.3:
                told = replace(told, type="some.new.type", api_version="2031-01-01")  # noqa: PLW2901 - the post spoils what it carries
            bag += [told] * self.random.choice([1, 1, 2, 3])
        for _ in range(len(bag) // 10):
            self.made += 1
            bag.append(
                event(self.made, self.random.choice([None, f"cus_of_nobody_{self.made % 20}"]))
            )
        self.random.shuffle(bag)
        return bag

    async def post(self, catalog: Catalog, bag: Sequence[SeenEvent]) -> None:
        for told in bag:
            async with catalog.connection() as connection:
                await inbox.store(connection, self.world.provider.name, told)
            self.delivered += 1


@pytest.mark.timeout(240)
async def test_after_ten_thousand_bad_deliveries_each_tenant_equals_the_provider(
    running: Server,
) -> None:
    seed = 20_261_121
    async with world_on(running, TardyProvider(seed=seed, tail_s=0.01)) as world:
        world.policy = HASTY
        town = Town(world, seed)
        await town.settle_down()
        await _storm(town)
        assert town.delivered >= DELIVERIES
        report = await world.sweep.run()
        assert report.is_complete
        assert report.differences, "dropped events leave something to find"
        await _until_settled(world)
        assert await world.wrong(town.customers) == [], f"seed {seed}"
        for tenant_id, truth in town.truth.items():
            changes = await world.changes(tenant_id)
            assert len(changes) <= len(truth) - 1, f"seed {seed}: {changes} of {truth}"


async def _storm(town: Town) -> None:
    world = town.world
    others = [Catalog(world.catalog.address) for _ in range(3)]
    keeping = [
        asyncio.create_task(Syncer(catalog, world.provider, HASTY).keep()) for catalog in others
    ]
    try:
        while town.delivered < DELIVERIES:
            await town.live_on(200)
            bag = town.bag()
            await asyncio.gather(
                *(town.post(world.catalog, bag[n::POSTMEN]) for n in range(POSTMEN))
            )
        # Three days late: what was told in the meantime is long handled.
        world.provider.now += timedelta(days=3)
        await town.post(world.catalog, town.late)
        # Nothing ever tells of these.
        await town.live_on(30)
        assert not any(task.done() for task in keeping), "a syncer gave up"
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        for catalog in others:
            await catalog.close()


async def _until_settled(world: World) -> None:
    """Let whoever was cancelled in the middle of an account be followed by another one."""
    async with asyncio.timeout(30):
        while await world.behind():
            await Syncer(world.catalog, world.provider, world.policy).look()
            await asyncio.sleep(0.05)


async def test_the_plan_is_as_the_last_subscription_says_by_another_reckoning(
    running: Server,
) -> None:
    """The judge is not believed here: three lives whose ends anybody can tell."""
    async with world_on(running) as world:
        await list_prices(world.catalog, world.provider)
        ends = {"enterprise": S.ACTIVE, "pro": S.TRIALING, "starter": S.CANCELED}
        for plan, status in ends.items():
            tenant, customer_id = await world.add(f"end-{plan}")
            price = "enterprise_monthly" if plan == "enterprise" else "pro_monthly"
            bought = world.provider.buy(customer_id, price)
            world.provider.set_status(bought, S.PAST_DUE)
            if status is not S.CANCELED:
                world.provider.set_status(bought, S.ACTIVE)
            world.provider.set_status(bought, status)
            await world.settle()
            assert (await world.tenant(tenant.id)).plan == plan
