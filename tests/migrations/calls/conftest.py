"""One gateway over a product with several revisions, some tenants, and a worker on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.operations import make_runner
from router.words import Tier
from tests.gateways import Customer, GatewayWorld, expect, gateway_world, make_tenant, ops
from tests.plans import roomy_plans
from tests.worlds import Clusters

PRODUCT = "tests.migrations.calls.product:product"
TIERS = (Tier.ROWS, Tier.SCHEMA, Tier.SCHEMA, Tier.SCHEMA, Tier.DATABASE)
NEWEST, BEFORE = "0003_stars", "0002_mood"
WAIT_S_MAX = 60.0
PATH = "/api/ops/migrations"


class Diary:
    """The world, as the tests of migrations use it."""

    def __init__(self, made: GatewayWorld, customers: list[Customer]) -> None:
        self.made = made
        self.customers = customers

    async def get(self, path: str = "", status: int = 200) -> dict[str, Any]:
        return expect(await self.made.client.get(PATH + path, headers=ops()), status)

    async def post(self, path: str, status: int, body: object = None) -> dict[str, Any]:
        answer = await self.made.client.post(PATH + path, json=body, headers=ops())
        return expect(answer, status)

    async def begin(self, **body: object) -> str:
        return str((await self.post("", 202, body))["id"])

    async def until(
        self, migration_id: str, state: str, registry: CollectorRegistry | None = None
    ) -> dict[str, Any]:
        """Wait until a migration is so, while a worker works."""
        async with working(self.made, registry), asyncio.timeout(WAIT_S_MAX):
            while (told := await self.get(f"/{migration_id}"))["state"] != state:
                await asyncio.sleep(0.05)
        return told

    async def bring_to(self, revision: str) -> dict[str, Any]:
        return await self.until(await self.begin(to=revision, percents=[]), "done")


@contextlib.asynccontextmanager
async def working(
    made: GatewayWorld, registry: CollectorRegistry | None = None
) -> AsyncGenerator[None]:
    """Let a worker's runner work meanwhile; ``registry`` gets what it counts."""
    stop = asyncio.Event()
    runner = make_runner(made.platform, registry or CollectorRegistry())
    task = asyncio.get_running_loop().create_task(runner.run_forever(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture(scope="package")
async def diary(clusters: Clusters) -> AsyncIterator[Diary]:
    async with gateway_world(clusters, product=PRODUCT, plans=roomy_plans()) as made:
        yield Diary(made, [await make_tenant(made, tier) for tier in TIERS])
