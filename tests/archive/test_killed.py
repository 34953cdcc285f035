"""Workers that die in the midst of a restore or an erasure, and those that go on for them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from deploy import archiving
from deploy.archiving import WantedRestore
from promotion.faults import ERASE_POINTS
from router.catalog import archives, operations, tenants
from router.catalog.operations import Operation, OperationState
from router.words import TenantStatus, Tier
from tests.archive.test_round_trip import BY, PLANS, filled
from tests.gateways import Customer, GatewayWorld, gateway_world, new_slug
from tests.promotion.workers import Nursery, nursery
from tests.worlds import Clusters

_LIMIT_S = 60.0
RESTORE_POINTS = {
    Tier.ROWS: ("restore.landed", "restore.table", "restore.merged", "restore.admitted"),
    Tier.SCHEMA: ("restore.made", "restore.index", "restore.verified"),
    Tier.DATABASE: ("restore.loaded", "restore.built", "restore.admitted"),
}


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    made: GatewayWorld
    home: Nursery
    customer: Customer
    file: Path

    async def until_killed(self, point: str) -> None:
        worker = await self.home.bear(self.made.settings, {"STEPWELL_FAULT_POINT": point})
        assert await worker.died_of() is signal.SIGKILL, worker.said()

    async def until_ended(self, operation_id: UUID) -> Operation:
        worker = await self.home.bear(self.made.settings, {})
        async with asyncio.timeout(_LIMIT_S):
            while True:
                async with self.made.platform.catalog.connection() as connection:
                    found = await operations.get(connection, operation_id)
                if found.state.is_ended:
                    await worker.stop()
                    return found
                await asyncio.sleep(0.05)

    async def begin(self, tier: Tier, *, is_rehearsal: bool = False) -> tuple[UUID, str]:
        slug = new_slug()
        wanted = WantedRestore(
            file=self.file, slug=slug, plan=PLANS[tier], is_rehearsal=is_rehearsal
        )
        begun = await archiving.begin_restore(self.made.platform, wanted, BY)
        async with self.made.platform.catalog.connection() as connection:
            await connection.execute(
                "UPDATE catalog.operation SET not_before = now() WHERE id = $1", begun.operation.id
            )
        return begun.operation.id, slug


@pytest.fixture(scope="module")
async def scene(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("killed")
    async with gateway_world(clusters) as made, nursery(folder) as home:
        customer = await filled(made, Tier.ROWS)
        file = folder / "shop.zip"
        await archiving.export(made.platform, customer.slug, file, BY)
        yield Scene(made=made, home=home, customer=customer, file=file)


@pytest.mark.parametrize(
    ("tier", "point"),
    [
        # The tiers differ in how the place is made, which provisioning's own tests kill.
        pytest.param(tier, each, marks=[] if tier is Tier.ROWS else pytest.mark.soak)
        for tier, points in RESTORE_POINTS.items()
        for each in points
    ],
)
async def test_a_restore_goes_on_where_its_worker_died(
    scene: Scene, tier: Tier, point: str
) -> None:
    operation_id, slug = await scene.begin(tier)
    await scene.until_killed(point)
    ended = await scene.until_ended(operation_id)
    assert ended.state is OperationState.DONE, ended.error
    async with scene.made.platform.catalog.connection() as connection:
        found = (await tenants.get(connection, slug)).tenant
    assert (found.status, found.tier) == (TenantStatus.ACTIVE, tier)


@pytest.mark.parametrize("point", ["restore.taking_away", "settle.dropped", "restore.taken_away"])
async def test_what_is_taken_away_is_gone_whoever_dies_over_it(scene: Scene, point: str) -> None:
    tier = Tier.DATABASE if point == "settle.dropped" else Tier.ROWS
    operation_id, slug = await scene.begin(tier, is_rehearsal=True)
    await scene.until_killed(point)
    ended = await scene.until_ended(operation_id)
    assert ended.state is OperationState.DONE, ended.error
    async with scene.made.platform.catalog.connection() as connection:
        assert not await connection.fetchval("SELECT 1 FROM catalog.slug WHERE slug = $1", slug)


@pytest.mark.parametrize("point", ERASE_POINTS)
async def test_an_erasure_ends_whoever_dies_over_it(scene: Scene, point: str) -> None:
    tier = [*Tier][ERASE_POINTS.index(point) % 3]
    restored, slug = await scene.begin(tier)
    assert (await scene.until_ended(restored)).state is OperationState.DONE
    begun = await archiving.begin_erasure(scene.made.platform, slug, slug, BY)
    await scene.until_killed(point)
    ended = await scene.until_ended(begun.id)
    assert ended.state is OperationState.DONE, ended.error
    async with scene.made.platform.catalog.connection() as connection:
        found = (await tenants.get(connection, slug)).tenant
        kept = await archives.get_certificate(connection, found)
    assert sum(each.rows for each in kept.certificate.tables) >= 2
    assert found.placement is None
