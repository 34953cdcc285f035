"""A Valkey that a test may kill, quotas that share it as gateways do, and clients that hurry."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import msgspec
import redis.asyncio

from billing.usage.counters import RedisCounter
from billing.usage.quota import UsageQuota
from billing.usage.tokens import QuotaLimits
from deploy.stack.parts import valkey_part
from deploy.stack.ports import LOOPBACK, free_port
from deploy.stack.probes import answers
from deploy.stack.processes import spawn
from deploy.stack.valkey import ValkeyServer, prepare
from router.catalog import Catalog
from router.errors import LimitReached
from router.words import Isolation, Limits, Tenant, TenantId, TenantStatus

UPGRADE_URL = "https://stepwell.test/api/billing"
#: Everything ten times as fast as in production.
HASTY = QuotaLimits(flush_s=0.1, beat_s=0.05, fence_s=0.4, fresh_s=0.2, told_s=0.5)
_START_S_MAX = 20.0
_MONTH = "SELECT coalesce(sum(quantity), 0)::bigint FROM catalog.usage_month WHERE tenant_id = $1"
_HOURS = "SELECT coalesce(sum(quantity), 0)::bigint FROM catalog.usage_hour WHERE tenant_id = $1"
_EVENTS = "SELECT coalesce(sum(quantity), 0)::bigint FROM catalog.usage_event WHERE tenant_id = $1"


class Valkey:
    """One server on loopback, its data in an append-only file as in the stack."""

    def __init__(self, folder: Path, program: str) -> None:
        self._server = ValkeyServer(
            program=program, folder=str(folder), port=free_port(), password="loopback-only"
        )
        self._log = folder.parent / "valkey.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return self._server.url()

    async def start(self) -> None:
        await prepare(self._server)
        self._process = await spawn(self._server.argv(), env=dict(os.environ), log=self._log)
        probe = valkey_part(self._server).probe
        async with asyncio.timeout(_START_S_MAX):
            while not await answers(probe):
                await asyncio.sleep(0.02)

    async def stop(self, number: int = signal.SIGKILL) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            await process.wait()

    async def forget(self) -> None:
        """Lose everything, as FLUSHALL does."""
        async with self._client() as client:
            await client.flushall()

    async def stand(self, tenant_id: TenantId) -> tuple[int, int]:
        """Return what is used of a tenant's month, and what is held beyond that."""
        async with self._client() as client:
            used = held = 0
            async for key in client.scan_iter(match=f"*:{tenant_id}:*"):
                account = await client.hgetall(key)
                used += int(account.get("used", 0))
                held += sum(int(value) for name, value in account.items() if name[:2] == "o:")
        return used, held

    def _client(self) -> Any:  # noqa: ANN401 - the library leaves much of it untyped
        return cast("Any", redis.asyncio.Redis).from_url(self.url, decode_responses=True)


@contextlib.asynccontextmanager
async def quotas(
    catalog: Catalog,
    count: int,
    *,
    redis_url: str | None,
    limits: QuotaLimits = HASTY,
    wall: Callable[[], float] = time.time,
) -> AsyncGenerator[list[UsageQuota]]:
    """Run the quotas of some gateways in this process."""
    made = [
        UsageQuota(catalog, limits, redis_url=redis_url, upgrade_url=UPGRADE_URL, wall=wall)
        for _ in range(count)
    ]
    try:
        for quota in made:
            await quota.start()
        if redis_url is not None:
            await until_ahead(*made)
        yield made
    finally:
        for quota in made:
            await quota.close()


async def vanish(quota: UsageQuota) -> None:
    """End a quota as kill -9 ends its process: nothing is recorded, nothing is given back."""
    quota._is_closing = True  # noqa: SLF001 - as below
    tasks = quota._tasks  # noqa: SLF001 - what a process loses isn't offered to anybody
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    counter = quota._tokens._counter  # noqa: SLF001 - as above
    if counter is not None:
        await counter.close()


async def until_ahead(*made: UsageQuota) -> None:
    """Wait until Redis grants."""
    async with asyncio.timeout(_START_S_MAX):
        while not all(quota.counts_ahead for quota in made):
            await asyncio.sleep(0.01)


def tenant_of(limits: Limits, tenant_id: TenantId | None = None) -> Tenant:
    """Make a tenant as a directory remembers one."""
    return Tenant(
        id=tenant_id or uuid4(),
        slug="shop",
        name="Shop",
        status=TenantStatus.ACTIVE,
        isolation=Isolation.SHARED,
        plan="starter",
        limits=limits,
        placement=None,
    )


def calls(limit: int | None) -> Limits:
    """Limit the calls of a month, and nothing else."""
    return Limits(api_calls_per_month=limit)


async def call(quota: UsageQuota, tenant: Tenant, method: str = "GET") -> LimitReached | None:
    """Make one request as the entrance does; returns why it was refused."""
    try:
        admission = quota.try_admit(tenant, method, time.monotonic())
        if admission is None:
            admission = await quota.admit(tenant, method)
    except LimitReached as refusal:
        return refusal
    # As long as a quick handler takes.
    await asyncio.sleep(0)
    admission.release()
    return None


class Client:
    """Someone who calls until there is nothing left, and counts what was let in."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.admitted = 0
        self.refusal: LimitReached | None = None

    async def run(self, quota: UsageQuota, *, pause_s: float = 0) -> None:
        """Call until the month is used up, coming back when that is said to be worth it."""
        while True:
            self.refusal = await call(quota, self._tenant)
            if self.refusal is None:
                self.admitted += 1
                await asyncio.sleep(pause_s)
            elif self.refusal.retry_after_s == 1:
                await asyncio.sleep(0.1)
            else:
                return


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has of one tenant, in its three forms."""

    events: int
    hours: int
    months: int


async def books(catalog: Catalog, tenant_id: TenantId) -> Books:
    """Read the ledger."""
    async with catalog.connection() as connection:
        return Books(
            events=await connection.fetchval(_EVENTS, tenant_id),
            hours=await connection.fetchval(_HOURS, tenant_id),
            months=await connection.fetchval(_MONTH, tenant_id),
        )


def even(quantity: int) -> Books:
    """Say what the books must have, all three alike."""
    return Books(events=quantity, hours=quantity, months=quantity)


@contextlib.asynccontextmanager
async def counter(url: str) -> AsyncGenerator[RedisCounter]:
    """Lend a way to Redis."""
    made = RedisCounter(url, fence_s=HASTY.fence_s, fresh_s=HASTY.fresh_s)
    try:
        yield made
    finally:
        await made.close()


def address() -> str:
    """Answer where no Redis listens."""
    return f"redis://{LOOPBACK}:{free_port()}/0"
