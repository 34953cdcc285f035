"""A catalog with tenants on one side, a provider in memory on the other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from billing import accounts, inbox, life, notices, prices, verdicts
from billing.life_words import Account
from billing.notices import GivenNotice
from billing.policy import BillingPolicy
from billing.price_list import listed_plans
from billing.seen import Seen, SeenEvent
from billing.sweep import Sweep
from billing.sync import Syncer
from billing.verdicts import Case
from router.catalog import Catalog, tenants
from router.words import Tenant, TenantId
from tests.billing.memory_provider import MemoryProvider
from tests.catalog.worlds import Server, add_cluster, add_tenant, catalog_on

DAY = timedelta(days=1)
#: A claim that is over before most answers come: several syncers ask about one tenant at once.
HASTY = BillingPolicy(claim_s=0.02, poll_s=0.05, retry_s_min=0.2, retry_s_max=0.5, looks_at_once=3)


class TardyProvider(MemoryProvider):
    """Its answers are old when they arrive: each one is true and then takes its time."""

    def __init__(self, *, seed: int, tail_s: float) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._tail_s = tail_s

    async def look(self, customer_id: str) -> Seen | None:
        seen = await super().look(customer_id)
        await asyncio.sleep(self._random.expovariate(1 / self._tail_s))
        return seen


class World:
    """Events go nowhere by themselves: a test delivers them, or doesn't."""

    def __init__(self, catalog: Catalog, provider: MemoryProvider) -> None:
        self.catalog = catalog
        self.provider = provider
        self.policy = BillingPolicy(retry_s_min=0, retry_s_max=0)
        self.delivered = 0

    @property
    def syncer(self) -> Syncer:
        return Syncer(self.catalog, self.provider, self.policy)

    @property
    def sweep(self) -> Sweep:
        return Sweep(self.catalog, self.provider, self.policy, self.syncer)

    async def add(self, slug: str, *, plan: str = "starter") -> tuple[Tenant, str]:
        """Make a tenant with a customer."""
        tenant = await add_tenant(self.catalog, slug, plan=plan)
        customer_id = await accounts.ensure_customer(
            self.catalog, self.provider, tenant, f"owner@{slug}.example"
        )
        return tenant, customer_id

    async def deliver(self) -> None:
        """Deliver every event that wasn't delivered yet, once and in order."""
        events = self.provider.events()[self.delivered :]
        self.delivered += len(events)
        async with self.catalog.connection() as connection:
            for event in events:
                await inbox.store(connection, self.provider.name, event)

    async def settle(self) -> None:
        """Deliver everything, and let a syncer do what is due."""
        await self.deliver()
        await self.syncer.look()

    async def tenant(self, tenant_id: TenantId) -> Tenant:
        async with self.catalog.connection() as connection:
            return await tenants.get_by_id(connection, tenant_id)

    async def account(self, tenant_id: TenantId) -> Account:
        async with self.catalog.connection() as connection:
            account = await accounts.get(connection, tenant_id)
        assert account is not None
        return account

    async def told(self, tenant_id: TenantId) -> list[GivenNotice]:
        async with self.catalog.connection() as connection:
            return await notices.list_all(connection, tenant_id)

    async def changes(self, tenant_id: TenantId) -> list[tuple[str, str]]:
        """Return the changes of plan that the audit knows."""
        async with self.catalog.connection() as connection:
            rows = await connection.fetch(
                "SELECT detail::text AS detail FROM catalog.audit"
                " WHERE tenant_id = $1 AND action = 'plan.changed' ORDER BY id",
                tenant_id,
            )
        found = [msgspec.json.decode(row["detail"], type=dict[str, str]) for row in rows]
        return [(each["from"], each["to"]) for each in found]

    async def wrong(self, tenant_ids: Iterable[TenantId]) -> list[str]:
        """Compare tenants with the provider as it is now: the check by which all is measured."""
        return [text for each in tenant_ids for text in await self._wrong(each)]

    async def truth(self, customer_id: str) -> Seen:
        """Look into the provider's books, without its delays."""
        seen = await MemoryProvider.look(self.provider, customer_id)
        assert seen is not None
        return seen

    async def behind(self) -> int:
        async with self.catalog.connection() as connection:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM catalog.billing WHERE synced < dirty"
            )
        return count

    async def _wrong(self, tenant_id: TenantId) -> list[str]:
        account = await self.account(tenant_id)
        if account.customer_id is None:
            return [f"{tenant_id} has no customer"]
        seen = await self.truth(account.customer_id)
        found = list[str]()
        if account.seen is None or replace(account.seen, at=seen.at) != seen:
            found.append(f"{tenant_id} holds {account.seen}, the provider says {seen}")
        if account.synced < account.dirty:
            found.append(f"{tenant_id} is behind: {account.synced} of {account.dirty}")
        case = await self.case(account)
        verdict = life.judge(case.held, seen, case.offer, now=seen.at, policy=self.policy)
        ours = (case.held.plan, account.standing, account.standing_until)
        theirs = (verdict.plan, verdict.standing, verdict.standing_until)
        if ours != theirs:
            found.append(f"{tenant_id} has {ours}, the provider says {theirs}")
        return found

    async def case(self, account: Account) -> Case:
        async with self.catalog.connection() as connection:
            return await verdicts.read_case(connection, account)


@asynccontextmanager
async def world_on(
    running: Server, provider: MemoryProvider | None = None
) -> AsyncGenerator[World]:
    async with catalog_on(running) as catalog:
        await add_cluster(catalog)
        provider = provider or MemoryProvider()
        await list_prices(catalog, provider)
        yield World(catalog, provider)


async def list_prices(catalog: Catalog, provider: MemoryProvider) -> None:
    plans = listed_plans()
    seen = await provider.list_prices(plans)
    async with catalog.connection() as connection:
        await prices.sync(connection, provider.name, plans, seen)


def event(number: int, customer_id: str | None, *, kind: str = "invoice.paid") -> SeenEvent:
    """Make an event that the provider in memory never told of."""
    return SeenEvent(
        id=f"evt_x{number}",
        type=kind,
        api_version="2019-01-01",
        created_at=datetime.now(UTC),
        customer_id=customer_id,
        payload="{}",
    )
