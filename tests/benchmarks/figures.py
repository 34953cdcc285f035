"""What is measured as it is, not against a floor: look-ups, memory, connections, provisioning."""

from __future__ import annotations

import asyncio
import random
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from statistics import median

import asyncpg
import msgspec

from deploy.platform import Platform, running
from router.catalog import placements, tenants
from router.words import Isolation, TenantStatus, Tier
from tests.benchmarks.client import Client, request
from tests.benchmarks.world import CATALOG_DATABASE, PLANS, BenchWorld, Server, cluster_of, slug_of

RATIO = "ratio"
LOOKUP_NS_MAX = 1_000
TENANT_BYTES_MAX = 2_048
PROVISION_MS_MAX = {Tier.ROWS: 100, Tier.SCHEMA: 500, Tier.DATABASE: 2_000}
_LOOKUPS = 200_000
_CALLERS = 32
_CALLS_EACH = 40
_PROVISIONED = {Tier.ROWS: 15, Tier.SCHEMA: 9, Tier.DATABASE: 5}
_OURS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'stepwell router' AND datname <> $1
"""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number with its unit, and what it may be at most, or at least."""

    name: str
    value: float
    unit: str
    value_max: float | None = None
    value_min: float | None = None

    @property
    def is_missed(self) -> bool:
        is_above = self.value_max is not None and self.value > self.value_max
        return is_above or (self.value_min is not None and self.value < self.value_min)

    @property
    def limit(self) -> str:
        """Say what it may be; nothing where it may be anything."""
        if self.value_max is not None:
            return f"{self.shown(self.value_max)} at most"
        return "" if self.value_min is None else f"{self.shown(self.value_min)} at least"

    def shown(self, value: float) -> str:
        """Spell a number of this unit."""
        return f"{value:,.2f}" if self.unit == RATIO else f"{value:,.1f} {self.unit}"


async def look_up(world: BenchWorld) -> list[Figure]:
    """Time the directory's answer for a tenant drawn at random among those it knows."""
    async with _knowing(world) as (platform, slugs):
        asked = random.choices(slugs, k=_LOOKUPS)
        by_slug = platform.directory.by_slug
        begun_ns = time.perf_counter_ns()
        for slug in asked:
            by_slug(slug)
        spent_ns = time.perf_counter_ns() - begun_ns
    return [
        Figure(
            name=f"directory look-up among {len(slugs):,} tenants",
            value=spent_ns / _LOOKUPS,
            unit="ns",
            value_max=LOOKUP_NS_MAX,
        )
    ]


async def memory(world: BenchWorld) -> list[Figure]:
    """Count the bytes that a tenant costs a gateway that has met it, with and without its key."""
    async with running(Platform(world.settings)) as platform:
        tracemalloc.start()
        slugs = [slug_of(tier, n) for tier in Tier for n in range(len(world.tokens[tier]))]
        empty = tracemalloc.get_traced_memory()[0]
        for slug in slugs:
            await platform.directory.resolve_slug(slug)
        known = tracemalloc.get_traced_memory()[0]
        for tokens in world.tokens.values():
            for token in tokens:
                await platform.directory.credentials.resolve(token)
        with_keys = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return [
        Figure(
            name="memory of a tenant in the directory",
            value=(known - empty) / len(slugs),
            unit="B",
            value_max=TENANT_BYTES_MAX,
        ),
        Figure(
            name="memory of an API key in use", value=(with_keys - known) / len(slugs), unit="B"
        ),
    ]


async def connections(world: BenchWorld, gateway: Server) -> list[Figure]:
    """Let many callers ask for tenants of every tier at once, and count what the gateway opened."""
    tokens = [token for held in world.tokens.values() for token in held]

    async def call() -> None:
        client = Client(gateway.port)
        for _ in range(_CALLS_EACH):
            # Every tier alike, as twenty databases are what a budget is there for.
            token = random.choice(random.choice([*world.tokens.values()]))
            await client.ask(request("GET", "/fast/artists/1", token=token))
        await client.close()

    await asyncio.gather(*[call() for _ in range(_CALLERS)])
    opened = 0
    for cluster in (world.clusters.shared, world.clusters.dedicated):
        admin = await asyncpg.connect(cluster.dsn(), ssl=False)
        # What the catalog gets has a bound of its own.
        opened += await admin.fetchval(_OURS, CATALOG_DATABASE)
        await admin.close()
    return [
        Figure(
            name=f"connections of one gateway for {len(tokens):,} tenants",
            value=opened,
            unit="connections",
            value_max=world.settings.connections_max,
        )
    ]


async def provision(world: BenchWorld) -> list[Figure]:
    """Time how a tenant comes to be: recorded, given its place with all tables, and opened."""
    async with running(Platform(world.settings)) as platform:
        return [await _provision(platform, tier) for tier in Tier]


async def _provision(platform: Platform, tier: Tier) -> Figure:
    store, cluster = platform.stores[tier], platform.fleet.cluster(cluster_of(tier))
    isolation = Isolation.STRICT if tier is Tier.DATABASE else Isolation.SHARED
    spent_ms: list[float] = []
    for number in range(_PROVISIONED[tier]):
        begun_s = time.perf_counter()
        placement = store.draw(cluster, isolation)
        async with platform.catalog.transaction() as connection:
            tenant = await tenants.create(
                connection, slug=f"new-{tier}-{number}", name="New", plan=PLANS[tier]
            )
        await store.provision(tenant.id, placement)
        async with platform.catalog.transaction() as connection:
            await placements.record(connection, tenant.id, placement)
            await tenants.set_status(connection, tenant.id, TenantStatus.ACTIVE)
        spent_ms.append((time.perf_counter() - begun_s) * 1_000)
    return Figure(
        name=f"provisioning of tier {tier}, eleven tables, p50",
        value=median(spent_ms),
        unit="ms",
        value_max=PROVISION_MS_MAX[tier],
    )


@asynccontextmanager
async def _knowing(world: BenchWorld) -> AsyncGenerator[tuple[Platform, list[str]]]:
    async with running(Platform(world.settings)) as platform:
        slugs = [slug_of(tier, n) for tier in Tier for n in range(len(world.tokens[tier]))]
        for slug in slugs:
            assert await platform.directory.resolve_slug(slug) is not None
        yield platform, slugs
