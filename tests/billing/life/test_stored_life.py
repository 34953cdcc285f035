"""Any life of a subscription again, over a real catalog, with a post that can't be relied on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from itertools import count
from typing import ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from billing import accounts, inbox
from billing.policy import BillingPolicy
from billing.seen import SubscriptionStatus
from router.catalog import Catalog
from router.connect import Address
from router.words import Standing
from tests.billing.life.rules import CustomerRules
from tests.billing.life.worlds import World, list_prices
from tests.billing.memory_provider import MemoryProvider
from tests.catalog.worlds import Server, add_cluster, catalog_on

EXAMPLES, STEPS = 60, 25
_NUMBERS = count(1)
_ResultT = TypeVar("_ResultT")


class Post:
    """Carries what was told: at once, twice, late or never."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bag = 0

    async def carry(self, *, times: int) -> None:
        events = self.world.provider.events()[self.bag :]
        self.bag += len(events)
        async with self.world.catalog.connection() as connection:
            for told in reversed(events * times):
                await inbox.store(connection, self.world.provider.name, told)

    def lose(self) -> None:
        self.bag = len(self.world.provider.events())


class StoredLife(CustomerRules):
    """Runs in a loop of its own: Hypothesis waits for nobody."""

    address: ClassVar[Address]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def run(self, work: Coroutine[object, object, _ResultT]) -> _ResultT:
        return self.runner.run(work)

    @initialize(plan=st.sampled_from(["starter", "pro"]))
    def sign_up(self, plan: str) -> None:
        number = next(_NUMBERS)
        provider = MemoryProvider()
        provider.name = f"memory{number}"  # customers of two examples have the same ids
        self.world = World(Catalog(self.address), provider)
        self.world.policy = BillingPolicy(retry_s_min=0, retry_s_max=0)
        self.post = Post(self.world)
        self.run(list_prices(self.world.catalog, provider))
        tenant, customer_id = self.run(self.world.add(f"life-{number}", plan=plan))
        self.tenant_id: UUID = tenant.id
        self.begin(provider, customer_id)

    @rule(times=st.integers(1, 3))
    def the_post_comes(self, times: int) -> None:
        self.run(self.post.carry(times=times))
        self.run(self.world.syncer.look())

    @rule()
    def the_post_is_lost(self) -> None:
        self.post.lose()

    @rule()
    def a_sweep_repairs_everything(self) -> None:
        report = self.run(self.world.sweep.run())
        assert report.is_complete
        self.run(self.world.syncer.look())
        assert self.run(self.world.wrong([self.tenant_id])) == []
        assert self.run(self.world.sweep.run()).differences == ()

    @rule(
        plan=st.sampled_from(["starter", "pro", "enterprise"]),
        days=st.one_of(st.none(), st.integers(1, 90)),
    )
    def sales_agree(self, plan: str, days: int | None) -> None:
        self.run(self._agree(plan, days))
        assert self.run(self.world.tenant(self.tenant_id)).plan == plan

    @rule()
    def sales_release(self) -> None:
        self.run(self._release())

    @invariant()
    def nobody_is_closed_without_a_warning_in_time(self) -> None:
        account = self.run(self.world.account(self.tenant_id))
        if account.standing is not Standing.READ_ONLY:
            return
        told = self.run(self.world.told(self.tenant_id))
        kinds = {notice.kind for notice in told if notice.due_at == account.standing_until}
        assert kinds & {"payment_overdue", "payment_stopped", "storage_over"}

    @invariant()
    def what_is_owed_never_raises_a_plan(self) -> None:
        statuses = {each.status for each in self.seen.subscriptions}
        never_paid = statuses <= {SubscriptionStatus.INCOMPLETE}
        account = self.run(self.world.account(self.tenant_id))
        if never_paid and not account.has_bought:
            assert self.run(self.world.changes(self.tenant_id)) == []

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.a_sweep_repairs_everything()
            self.run(self._forget())
            self.run(self.world.catalog.close())
        self.runner.close()

    async def _agree(self, plan: str, days: int | None) -> None:
        until = None if days is None else self.provider.now + timedelta(days=days)
        async with self.world.catalog.transaction() as connection:
            await accounts.set_contract(
                connection, self.tenant_id, plan=plan, reason="order", until=until
            )

    async def _release(self) -> None:
        account = await self.world.account(self.tenant_id)
        if account.contract is None:
            return
        async with self.world.catalog.transaction() as connection:
            await accounts.release_contract(connection, self.tenant_id)

    async def _forget(self) -> None:
        """Take the provider's name off: another example's sweep has nothing to do with this one."""
        async with self.world.catalog.connection() as connection:
            await connection.execute(
                "DELETE FROM catalog.billing WHERE tenant_id = $1", self.tenant_id
            )


@pytest.fixture
async def address(running: Server) -> AsyncIterator[Address]:
    async with catalog_on(running) as made:
        await add_cluster(made)
        yield made.address


@pytest.mark.timeout(240)
def test_any_stored_life_comes_to_equal_the_provider(address: Address) -> None:
    StoredLife.address = address
    run_state_machine_as_test(
        StoredLife,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
