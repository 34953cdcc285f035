"""New tenants are made at the revision of their wave; those that move arrive at the newest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from deploy.making import PlatformPlaces
from deploy.operations import make_runner
from deploy.promoting import Promoting
from deploy.provision import ProvisionData
from deploy.provisioning import Provisioning
from migrations.waves.plan import wave_of
from router.catalog import moves, tenants, waves
from router.catalog.moves import Goal
from router.catalog.operations import OperationState
from router.catalog.wave_words import EntryState, MigrationState, Rules
from router.errors import Conflict
from router.names import random_name
from router.words import TenantStatus, Tier
from tests.gateways import HEARD_S_MAX, gateway_world
from tests.migrations.twofold.worlds import BY, NEW, OLD, PRODUCT, Migrations

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from deploy.platform import Platform
    from router.catalog.operations import Operation
    from router.words import Placement, Tenant
    from tests.worlds import Clusters

PLANS = {Tier.ROWS: "starter", Tier.SCHEMA: "pro", Tier.DATABASE: "enterprise"}
REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"
PRETEND = "UPDATE gate.revision SET revision = $2 WHERE schema_name = $1 RETURNING revision"
NOTED = "SELECT array_agg(revision ORDER BY revision) FROM gate.applied WHERE schema_name = $1"


class Nursery(Migrations):
    """A fleet in which tenants are made while its revisions come and go."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform)
        self.platform = platform
        self.provisioning = Provisioning(platform)

    async def recorded(self, tier: Tier) -> tuple[Tenant, Operation]:
        """Record a tenant; nothing of its place is made."""
        slug = random_name("t-")
        async with self.platform.catalog.transaction() as connection:
            tenant = await tenants.create(connection, slug=slug, name=slug, plan=PLANS[tier])
            return tenant, await self.provisioning.record(connection, tenant)

    async def tenant(self, tier: Tier) -> Tenant:
        tenant, operation = await self.recorded(tier)
        return await self.born(tenant, operation)

    async def born(self, tenant: Tenant, operation: Operation) -> Tenant:
        ended = await self.provisioning.run(operation.id)
        assert ended.state is OperationState.DONE, ended.error
        return await self.look_up(tenant)

    async def look_up(self, tenant: Tenant) -> Tenant:
        async with self.platform.catalog.connection() as connection:
            found = await tenants.get_by_id(connection, tenant.id)
        assert found.status is TenantStatus.ACTIVE
        return found

    async def ask(self, place: Placement, statement: str, *values: object) -> object:
        async with self.platform.fleet.admin(place.cluster, place.database) as connection:
            return await connection.fetchval(statement, place.schema, *values)

    async def revision_of(self, tenant: Tenant) -> str:
        """Ask the place, which must have noted all that it has been through."""
        place = (await self.look_up(tenant)).placement
        assert place is not None
        revision = str(await self.ask(place, REVISION))
        assert await self.ask(place, NOTED) == ([OLD] if revision == OLD else [OLD, NEW])
        return revision

    async def move(self, move_id: UUID) -> None:
        """Carry a move out, and settle it."""
        await self._do(move_id)
        async with self.platform.catalog.transaction() as connection:
            settling = await moves.settle_now(connection, move_id, BY)
        await self._do(settling.id)

    async def _do(self, operation_id: UUID) -> None:
        ended = await self.work_at(operation_id)
        assert ended.state is OperationState.DONE, ended.error

    async def work_at(self, operation_id: UUID) -> Operation:
        runner = make_runner(self.platform)
        try:
            return await runner.run_one(operation_id)
        finally:
            await runner.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def nursery(clusters: Clusters) -> AsyncGenerator[Nursery]:
    async with gateway_world(clusters, product=PRODUCT, gateways=0) as world:
        made = Nursery(world.platform)
        yield made
        await made.provisioning.close()


async def test_a_new_place_is_at_the_newest_revision_and_says_so(nursery: Nursery) -> None:
    for tier in (Tier.SCHEMA, Tier.DATABASE):
        tenant = await nursery.tenant(tier)
        assert await nursery.revision_of(tenant) == NEW
        assert tenant.placement is not None
        async with asyncio.timeout(HEARD_S_MAX):
            while nursery.platform.directory.revision_of(tenant.placement).revision != NEW:
                await asyncio.sleep(0.02)
    document = await nursery.run(to=NEW)
    assert (document.state, document.places) == (MigrationState.DONE, 0)


async def test_where_the_fleet_was_taken_back_nobody_is_born_ahead(nursery: Nursery) -> None:
    assert (await nursery.run(to=OLD)).state is MigrationState.DONE
    for tier in (Tier.SCHEMA, Tier.DATABASE):
        assert await nursery.revision_of(await nursery.tenant(tier)) == OLD


async def test_who_is_behind_moves_after_the_migration(nursery: Nursery) -> None:
    tenant, promoting = await nursery.tenant(Tier.SCHEMA), Promoting(nursery.platform)
    goal = Goal(tenant=tenant.slug, tier=Tier.DATABASE)
    with pytest.raises(Conflict, match=f"at revision {OLD}, and rows are moved at {NEW} only"):
        await promoting.begin(goal, BY)
    canary = await nursery.place_of(tenant.slug)
    document = await nursery.run(Rules(canaries=(canary,), percents=(50,), wave_max=1), to=NEW)
    assert document.state is MigrationState.PAUSED, document.error
    begun = await promoting.begin(goal, BY)
    assert begun.operation is not None
    await nursery.move(begun.operation.id)
    moved = await nursery.look_up(tenant)
    assert moved.tier is Tier.DATABASE
    async with nursery.platform.catalog.connection() as connection:
        assert await waves.revision_at(connection, canary.key) is None
    assert await nursery.revision_of(moved) == NEW


async def test_in_a_migration_everybody_is_born_at_the_revision_of_a_wave(
    nursery: Nursery,
) -> None:
    async with nursery.platform.catalog.connection() as connection:
        going = await waves.find_open(connection)
    assert going is not None
    for _ in range(4):
        tenant = await nursery.tenant(Tier.SCHEMA)
        wave = wave_of(await nursery.place_of(tenant.slug), going.rules)
        assert await nursery.revision_of(tenant) == (NEW if wave <= going.wave else OLD)


async def test_a_migration_leaves_alone_whom_a_move_needs_as_it_is(nursery: Nursery) -> None:
    document = await nursery.resume()
    assert document.state is MigrationState.DONE, document.error
    tenant, promoting = await nursery.tenant(Tier.SCHEMA), Promoting(nursery.platform)
    begun = await promoting.begin(Goal(tenant=tenant.slug, tier=Tier.DATABASE), BY)
    assert begun.operation is not None
    document = await nursery.run(to=OLD)
    assert document.state is MigrationState.RUNNING
    (waiting,) = document.failures
    assert waiting.state is EntryState.PENDING
    assert f"the move {begun.operation.id} of tenant {tenant.slug}" in waiting.error
    assert await nursery.revision_of(tenant) == NEW
    async with nursery.platform.catalog.transaction() as connection:
        await moves.request_cancel(connection, begun.operation.id, BY)
    document = await nursery.resume()
    assert document.state is MigrationState.DONE, document.error
    assert await nursery.revision_of(tenant) == OLD


async def test_who_was_made_before_a_migration_and_recorded_after_it_is_made_again(
    nursery: Nursery,
) -> None:
    tenant, operation = await nursery.recorded(Tier.SCHEMA)
    place = operation.read(ProvisionData).placement
    await PlatformPlaces(nursery.platform).make(tenant.id, place, admits=True)
    assert await nursery.ask(place, REVISION) == OLD
    assert (await nursery.run(to=NEW)).state is MigrationState.DONE
    assert await nursery.revision_of(await nursery.born(tenant, operation)) == NEW


async def test_a_move_that_would_end_among_other_tables_turns_back(nursery: Nursery) -> None:
    tenant = await nursery.tenant(Tier.SCHEMA)
    place = tenant.placement
    assert place is not None
    begun = await Promoting(nursery.platform).begin(
        Goal(tenant=tenant.slug, tier=Tier.DATABASE), BY
    )
    assert begun.operation is not None
    await nursery.ask(place, PRETEND, OLD)
    ended = await nursery.work_at(begun.operation.id)
    await nursery.ask(place, PRETEND, NEW)
    assert ended.state is OperationState.FAILED
    assert f"at revision {OLD}" in (ended.error or "")
    assert f"at {NEW}" in (ended.error or "")
    assert (await nursery.look_up(tenant)).placement == place
