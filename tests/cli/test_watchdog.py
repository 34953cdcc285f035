"""What outlived its limits is ended, whoever lifted them; what keeps them is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest

from deploy.cli.reach import settings_for
from deploy.platform import Platform, running
from deploy.stack.probes import ASYNCPG_ERRORS
from deploy.watchdog import end_overdue
from router.lease import Lease
from router.words import Mode, Tier
from tests.cli.worlds import Stack

SHORT = dict.fromkeys(Tier, 0.3)
CLUSTER_OF = {"corner-records": "shared-1", "world-records": "dedicated-1"}


@asynccontextmanager
async def impatient(stack: Stack, *, deadline_s: float = 60.0) -> AsyncGenerator[Platform]:
    settings = msgspec.structs.replace(
        settings_for(stack.state, environ={}), watchdog_margin_s=0.1, request_deadline_s=deadline_s
    )
    async with running(Platform(settings)) as platform:
        yield platform


@asynccontextmanager
async def lease_of(platform: Platform, slug: str) -> AsyncGenerator[Lease]:
    tenant = await platform.directory.resolve_slug(slug)
    assert tenant is not None
    lease = await platform.dispatch.open(tenant, Mode.WRITE)
    try:
        yield lease
    finally:
        await lease.rollback()


@pytest.mark.parametrize("slug", CLUSTER_OF)
async def test_a_statement_that_lifted_its_timeout_is_ended(stack: Stack, slug: str) -> None:
    async with impatient(stack) as platform:
        cluster = platform.fleet.cluster(CLUSTER_OF[slug])
        async with lease_of(platform, slug) as lease, lease_of(platform, slug) as innocent:
            await lease.fetch("SELECT set_config('statement_timeout', '0', true)")
            sleeping = asyncio.ensure_future(lease.fetch("SELECT pg_sleep(60)"))
            await asyncio.sleep(1)
            assert await innocent.fetch("SELECT 1")
            assert await end_overdue(platform, cluster, SHORT) == 1
            with pytest.raises(ASYNCPG_ERRORS):
                await sleeping
            assert await innocent.fetch("SELECT 1")


async def test_a_transaction_that_outlived_its_request_is_ended(stack: Stack) -> None:
    async with impatient(stack, deadline_s=0.5) as platform:
        cluster = platform.fleet.cluster("shared-1")
        async with lease_of(platform, "corner-records") as lease:
            await lease.fetch("SELECT 1")
            assert await end_overdue(platform, cluster, dict.fromkeys(Tier, 60.0)) == 0
            await asyncio.sleep(1)
            assert await end_overdue(platform, cluster, dict.fromkeys(Tier, 60.0)) == 1
            with pytest.raises(ASYNCPG_ERRORS):
                await lease.fetch("SELECT 1")


async def test_the_platforms_own_work_is_left_alone(stack: Stack) -> None:
    async with impatient(stack, deadline_s=0.1) as platform:
        cluster = platform.fleet.cluster("shared-1")
        working = platform.fleet.admin("shared-1", "postgres")
        async with working as connection, connection.transaction():
            await connection.execute("SELECT pg_sleep(1)")
            assert await end_overdue(platform, cluster, SHORT) == 0
            assert await connection.fetchval("SELECT 1") == 1
