"""What a request costs on the wire, counted by a proxy in between."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import select

from examples.store.models import Artist
from router.errors import PlacementStale
from router.gateway.loads import Loads
from router.gateway.visit import Visit
from router.statement import Statement
from router.words import Consistency, Mode, Tier
from tests.proxy import proxied
from tests.stack.worlds import until
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from router.lease import Lease
    from router.pool import Pool
    from router.words import Tenant
    from tests.proxy import Proxy
    from tests.worlds import Clusters, World

TIERS = pytest.mark.parametrize("tier", list(Tier))
CLUSTER = {Tier.ROWS: "shared-1", Tier.SCHEMA: "shared-1", Tier.DATABASE: "dedicated-1"}
ARTISTS = Statement(select(Artist.artist_id, Artist.name))


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A world whose leases go through proxies."""

    made: World
    proxies: Mapping[str, Proxy]

    @contextlib.contextmanager
    def costs(self, tier: Tier, round_trips: int) -> Generator[None]:
        """Hold that what happens inside takes exactly so many round trips."""
        proxy = self.proxies[CLUSTER[tier]]
        before = proxy.round_trips
        yield
        assert proxy.round_trips - before == round_trips

    async def warm(self, tier: Tier) -> Tenant:
        """Provision a tenant and use both lanes once, so that all is connected and prepared."""
        tenant = await self.made.tenant(tier)
        for _ in range(2):
            async with self.made.lease(tenant) as lease:
                session = await lease.session()
                await session.scalars(select(Artist))
                await lease.fetch(ARTISTS)
        return tenant


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire(clusters: Clusters) -> AsyncGenerator[Wire]:
    async with contextlib.AsyncExitStack() as stack:
        made = await stack.enter_async_context(world(clusters))
        proxies: dict[str, Proxy] = {}
        for name in set(CLUSTER.values()):
            cluster = made.fleet.cluster(name)
            proxy = await stack.enter_async_context(proxied(cluster.host, cluster.port))
            made.through(name, proxy.address, keeps_statements=True)
            proxies[name] = proxy
        yield Wire(made=made, proxies=proxies)
        await made.sources.close()


@TIERS
async def test_the_fast_lane_opens_reads_and_commits_in_three(wire: Wire, tier: Tier) -> None:
    tenant = await wire.warm(tier)
    with wire.costs(tier, 3):
        async with wire.made.lease(tenant) as lease:
            await lease.fetch(ARTISTS)


@TIERS
async def test_the_session_opens_reads_and_commits_in_three(wire: Wire, tier: Tier) -> None:
    tenant = await wire.warm(tier)
    with wire.costs(tier, 3):
        async with wire.made.lease(tenant) as lease:
            session = await lease.session()
            await session.scalars(select(Artist))


@TIERS
@pytest.mark.parametrize("statements", [1, 2, 7])
async def test_each_further_statement_of_either_lane_is_one(
    wire: Wire, tier: Tier, statements: int
) -> None:
    tenant = await wire.warm(tier)
    with wire.costs(tier, 2 + 2 * statements):
        async with wire.made.lease(tenant) as lease:
            session = await lease.session()
            for _ in range(statements):
                await session.scalars(select(Artist))
                await lease.fetch(ARTISTS)


@TIERS
async def test_a_lease_that_runs_nothing_is_two(wire: Wire, tier: Tier) -> None:
    tenant = await wire.warm(tier)
    with wire.costs(tier, 2):
        async with wire.made.lease(tenant, Mode.READ, Consistency.REPEATABLE_READ):
            pass


@TIERS
async def test_a_statement_is_prepared_at_its_first_use_alone(wire: Wire, tier: Tier) -> None:
    tenant = await wire.warm(tier)
    once = f"SELECT $1 AS {tenant.slug.replace('-', '_')}"
    async with wire.made.lease(tenant) as lease:
        with wire.costs(tier, 2):
            await lease.fetch(once, "1")
        with wire.costs(tier, 1):
            await lease.fetch(once, "2")
        session = await lease.session()
        statement = select(Artist.name).where(Artist.name != tenant.slug).limit(3)
        with wire.costs(tier, 2):
            await session.scalars(statement)
        with wire.costs(tier, 1):
            await session.scalars(statement)


@TIERS
async def test_a_product_s_own_commit_costs_itself_and_one_to_enter_again(
    wire: Wire, tier: Tier
) -> None:
    tenant = await wire.warm(tier)
    with wire.costs(tier, 6):
        async with wire.made.lease(tenant) as lease:
            session = await lease.session()
            await session.scalars(select(Artist))
            await session.commit()
            await session.scalars(select(Artist))


@TIERS
async def test_a_stale_route_costs_the_refusal_and_a_rollback_behind_it(
    wire: Wire, tier: Tier
) -> None:
    tenant = await wire.warm(tier)
    assert tenant.placement is not None
    # Two connections, so that the second attempt needn't wait for the first one's rollback.
    one, two = [await wire.made.dispatch.open(tenant, Mode.WRITE) for _ in range(2)]
    for lease in (one, two):
        await lease.fetch(ARTISTS)
        await lease.commit()
    asked = wire.made.directory.refreshed
    behind = msgspec.structs.replace(tenant.placement, epoch=0)
    with wire.costs(tier, 1 + 1 + 3):
        lease = await wire.made.dispatch.open(
            msgspec.structs.replace(tenant, placement=behind), Mode.WRITE
        )
        assert lease.placement == tenant.placement
        await lease.fetch(ARTISTS)
        await lease.commit()
        await until(lambda: pool_of(one).idle_count == 2, limit_s=30)
    # The new place comes with the refusal: the catalog isn't asked.
    assert wire.made.directory.refreshed == asked


@TIERS
async def test_a_move_in_mid_request_costs_one_refusal(wire: Wire, tier: Tier) -> None:
    tenant = await wire.warm(tier)
    assert tenant.placement is not None
    lease = await wire.made.dispatch.open(tenant, Mode.WRITE)
    session = await lease.session()
    await session.scalars(select(Artist))
    await session.commit()
    async with wire.made.admin(tenant.placement) as connection:
        await connection.execute("UPDATE gate.home SET epoch = 2 WHERE tenant_id = $1", tenant.id)
    with wire.costs(tier, 1), pytest.raises(PlacementStale):
        await lease.fetch(ARTISTS)
    await lease.rollback()


def pool_of(lease: Lease) -> Pool:
    return lease._source.pool  # noqa: SLF001 - what a pool holds is what is tested


@TIERS
async def test_a_visit_is_measured_at_no_round_trip_of_its_own(wire: Wire, tier: Tier) -> None:
    tenant, loads = await wire.warm(tier), Loads()
    visit = Visit(
        wire.made.dispatch, tenant=tenant, who="a", role="owner", mode=Mode.READ, request_id="r"
    )
    with wire.costs(tier, 3):
        await (await visit.lease()).fetch(ARTISTS)
        await visit.finish(succeeded=True)
        loads.note(tenant.id, visit.busy_ns, visit.waiting_ns)
    assert min(visit.busy_ns, visit.waiting_ns) > 0
