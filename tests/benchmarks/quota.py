"""What it costs to count: CPU of the gateway's process for each admission, flushes included."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from uuid import uuid4

from asyncpg.pgproto.pgproto import UUID

from billing.usage.quota import UsageQuota
from billing.usage.tokens import QuotaLimits
from deploy.stack.binaries import find_valkey
from router.catalog import Catalog
from router.connect import parse_dsn
from router.words import Isolation, Limits, Tenant, TenantId, TenantStatus
from tests.benchmarks.figures import Figure
from tests.billing.usage.worlds import UPGRADE_URL, Valkey
from tests.stack.worlds import open_folder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from tests.benchmarks.world import BenchWorld

ADMISSION_US_MAX = 5.0
_TENANTS = 1_500
#: About what one gateway process answers.
_RATE = 2_000
_STEP_S = 0.01
#: Longer than a flush, so that each block pays for its own.
_BLOCK_S = 2.0
_BLOCKS = 7
_BURST = 100_000
_LIMITS = Limits(api_calls_per_month=1_000_000, requests_per_second=10_000, requests_at_once=10_000)


async def quota(world: BenchWorld) -> list[Figure]:
    """Measure at the pace of a busy gateway, over Redis and over the ledger alone."""
    catalog = Catalog(parse_dsn(world.settings.database_url, name="the catalog"))
    found = await _paced(catalog, None, "without Redis")
    async with _valkey() as valkey:
        if valkey is not None:
            found = [*await _paced(catalog, valkey.url, "with Redis"), *found]
    await catalog.close()
    return found


async def _paced(catalog: Catalog, redis_url: str | None, how: str) -> list[Figure]:
    made = UsageQuota(catalog, QuotaLimits(), redis_url=redis_url, upgrade_url=UPGRADE_URL)
    tenants = [_tenant() for _ in range(_TENANTS)]
    by_id: dict[TenantId, Tenant] = {tenant.id: tenant for tenant in tenants}
    await made.start()
    while redis_url is not None and not made.counts_ahead:
        await asyncio.sleep(0.05)

    async def admit(tenant: Tenant) -> None:
        admission = made.try_admit(tenant, "GET", time.monotonic())
        if admission is None:
            admission = await made.admit(tenant, "GET")
        admission.release()

    async def look_up(tenant: Tenant) -> None:
        by_id.get(tenant.id)

    for tenant in tenants:
        await admit(tenant)
    counted_us: list[float] = []
    looked_us: list[float] = []
    for _ in range(_BLOCKS):
        counted_us.append(await _block(admit, tenants))
        looked_us.append(await _block(look_up, tenants))
    burst_us = _burst(made, tenants)
    await made.close()
    # Each beside its neighbour in time, as a busy machine makes both dearer.
    cost_us = median(one - other for one, other in zip(counted_us, looked_us, strict=True))
    return [
        Figure(
            name=f"CPU of an admission beside a dict's look-up, {_TENANTS:,} tenants at random, "
            f"{_RATE:,} a second, flushes included, {how}",
            value=cost_us,
            unit="µs",
            value_max=ADMISSION_US_MAX,
        ),
        Figure(name=f"an admission from memory, {how}", value=burst_us, unit="µs"),
    ]


async def _block(ask: Callable[[Tenant], Awaitable[None]], tenants: list[Tenant]) -> float:
    """Ask at the pace for a while; returns the CPU of this process in µs for each time."""
    asked, each = 0, round(_RATE * _STEP_S)
    ends_s, begun_s = time.monotonic() + _BLOCK_S, time.process_time()
    while time.monotonic() < ends_s:
        for tenant in random.choices(tenants, k=each):
            await ask(tenant)
        asked += each
        await asyncio.sleep(_STEP_S)
    return (time.process_time() - begun_s) / asked * 1e6


def _burst(made: UsageQuota, tenants: list[Tenant]) -> float:
    asked = random.choices(tenants, k=_BURST)
    begun_s, admitted = time.perf_counter(), 0
    for tenant in asked:
        admission = made.try_admit(tenant, "GET", time.monotonic())
        if admission is not None:
            admission.release()
            admitted += 1
    spent_s = time.perf_counter() - begun_s
    if admitted < _BURST / 2:
        raise SystemExit(f"only {admitted:,} of {_BURST:,} admissions came from memory")
    return spent_s / _BURST * 1e6


def _tenant() -> Tenant:
    return Tenant(
        # As the catalog's rows have them: the driver's own, of another make than uuid's.
        id=UUID(uuid4().bytes),
        slug="bench",
        name="Bench",
        status=TenantStatus.ACTIVE,
        isolation=Isolation.SHARED,
        plan="starter",
        limits=_LIMITS,
        placement=None,
    )


@contextlib.asynccontextmanager
async def _valkey() -> AsyncGenerator[Valkey | None]:
    program = find_valkey()
    if program is None:
        yield None
        return
    with open_folder() as folder:
        valkey = Valkey(Path(folder) / "valkey", program)
        await valkey.start()
        try:
            yield valkey
        finally:
            await valkey.stop()
