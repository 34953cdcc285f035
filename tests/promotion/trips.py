"""Tenants that move while something goes wrong: one world for many of them, without a worker.

A move runs in this process, by a handler whose fault points do what a test wants to happen there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from deploy import reference
from deploy.fleet_setup import bring_up_to_date, ensure_cluster
from deploy.making import PlatformPlaces
from deploy.platform import Platform, running
from deploy.promoting import Promoting
from deploy.provisioning import Provisioning
from deploy.settings import Settings
from promotion.faults import Faults
from promotion.figures import Figures
from promotion.move import MoveHandler
from promotion.pace import PaceLimits
from promotion.settle import SettleHandler
from promotion.shape import shape_of
from promotion.side import Side
from promotion.terms import MoveLimits, Terms
from promotion.undo import UndoHandler
from router.catalog import moves, operations, tenants
from router.catalog.move_words import MOVE, SETTLE, UNDO
from router.catalog.moves import By, Goal
from router.catalog.operations import OperationState
from router.catalog.runner import Runner, RunnerLimits
from router.connect import connect, parse_dsn
from router.database import drop_database, make_database
from router.dispatch import Dispatch
from router.lease import Timeouts
from router.names import random_name
from router.sql import load
from router.words import (
    Cluster,
    ClusterRole,
    Consistency,
    Digest,
    Isolation,
    Mode,
    Placement,
    Tenant,
    Tier,
)
from tests.plans import roomy_plans
from tests.worlds import SECRET_KEY, STORE_PRODUCT, Clusters, Placements

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
    from uuid import UUID

    from router.catalog.move_words import Move
    from router.catalog.operations import LogLine, Operation
    from router.connect import Connection
    from router.lease import Lease

T = TypeVar("T")
Said: TypeAlias = "Callable[[Connection, UUID, By], Awaitable[Move]]"
_SQL = load("tests.promotion", "leftovers.sql")
BY = By(actor="operator", reason="a test asks for it")
LIMIT_S = 60
#: Short enough for a test that waits for them, long enough for a busy machine.
LIMITS = MoveLimits(wait_s_max=20.0, pace=PaceLimits(share_min=1.0))
#: Nobody waits half a minute for the next attempt here.
RUNNING = RunnerLimits(pause_s_min=0.02, pause_s_max=0.2)
_ARTIST = "INSERT INTO artist (name) VALUES ($1)"
_ALBUM = "INSERT INTO album (title, artist_id) SELECT name, artist_id FROM artist"
_MANY = "INSERT INTO artist (name) SELECT 'artist ' || n FROM generate_series(1, $1::integer) AS n"


class Plants(Faults):
    """Fault points at which a test does something, with everything else standing still."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: list[str] = []
        self._planted: dict[str, Callable[[], object]] = {}
        self._every: Callable[[str], object] = lambda _: None

    def at(self, point: str, does: Callable[[], object]) -> None:
        """Do something when a point is reached for the first time."""
        self._planted[point] = does

    def at_each(self, does: Callable[[str], object]) -> None:
        """Do something at every point."""
        self._every = does

    def reach(self, point: str) -> None:
        super().reach(point)
        self.reached.append(point)
        self._every(point)
        does = self._planted.pop(point, None)
        if does is not None:
            does()


class Hub:
    """A catalog with three clusters, and everything that it takes to move a tenant among them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.promoting = Promoting(platform)
        self.provisioning = Provisioning(platform)

    async def tenant(self, isolation: Isolation = Isolation.SHARED) -> Tenant:
        """Make a tenant in tier rows."""
        slug = random_name("t-")
        async with self.platform.catalog.transaction() as connection:
            made = await tenants.create(
                connection, slug=slug, name=slug, plan="starter", isolation=isolation
            )
            operation = await self.provisioning.record(connection, made, cluster="shared-1")
        await self.provisioning.run(operation.id)
        return await self.look_up(made)

    async def look_up(self, tenant: Tenant) -> Tenant:
        """Return the tenant as the catalog knows it now."""
        async with self.platform.catalog.connection() as connection:
            return await tenants.get_by_id(connection, tenant.id)

    def stale(self, tenant: Tenant) -> Dispatch:
        """Make a router that knows where the tenant is now, and is never told of any change."""
        known = Placements()
        known.tenants[tenant.id] = tenant
        platform = self.platform
        timeouts = {tier: Timeouts() for tier in Tier}
        return Dispatch(platform.stores, platform.fleet, known, timeouts)

    async def trip(
        self,
        *,
        rows: int = 30,
        limits: MoveLimits = LIMITS,
        running: RunnerLimits = RUNNING,
        isolation: Isolation = Isolation.SHARED,
    ) -> Trip:
        """Make a tenant with rows, about to go somewhere."""
        made = Trip(self, await self.tenant(isolation), limits, running)
        if rows:
            async with made.lease() as lease:
                await lease.execute(_MANY, rows)
                await lease.execute(_ALBUM)
        return made


class Trip:
    """One tenant, the handlers that move it, and what they meet."""

    def __init__(self, hub: Hub, tenant: Tenant, limits: MoveLimits, running: RunnerLimits) -> None:
        self.hub = hub
        self.tenant = tenant
        self.faults = Plants()
        self.seen: list[Move] = []
        self.change(limits, running)

    def change(self, limits: MoveLimits, running: RunnerLimits = RUNNING) -> None:
        """Let what follows be bound by other limits."""
        platform = self.hub.platform
        self.terms = Terms(
            catalog=platform.catalog,
            fleet=platform.fleet,
            places=PlatformPlaces(platform),
            shape=shape_of(platform.loaded.stored),
            blueprint=platform.blueprint,
            limits=limits,
            figures=Figures(),
            faults=self.faults,
        )
        self.runner = Runner(
            platform.catalog,
            {
                MOVE: MoveHandler(self.terms),
                UNDO: UndoHandler(self.terms),
                SETTLE: SettleHandler(self.terms),
            },
            name="test",
            limits=running,
        )

    async def placement(self) -> Placement:
        """Return where the catalog says that the tenant lives."""
        found = (await self.hub.look_up(self.tenant)).placement
        assert found is not None
        return found

    async def record(self, tier: Tier, cluster: str | None = None, *, holds: bool = False) -> UUID:
        """Ask for a move as an operator does."""
        goal = Goal(tenant=str(self.tenant.id), tier=tier, cluster=cluster, holds=holds)
        begun = await self.hub.promoting.begin(goal, BY)
        assert begun.operation is not None
        self.seen.append(await self.move(begun.operation.id))
        return begun.operation.id

    async def run(self, operation_id: UUID) -> Operation:
        """Run an operation to its end, through every attempt."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                operation = await self.runner.run_one(operation_id)
                if operation.state.is_ended:
                    return operation
                await asyncio.sleep(0.01)

    async def attempt(self, tier: Tier, cluster: str | None = None) -> Operation:
        """Ask for a move and run it, whatever becomes of it."""
        return await self.run(await self.record(tier, cluster))

    async def go(self, tier: Tier, cluster: str | None = None) -> Move:
        """Move, and see that it came through."""
        operation = await self.attempt(tier, cluster)
        assert operation.state is OperationState.DONE, operation.error
        assert (await self.placement()).tier is tier
        return await self.move(operation.id)

    async def move(self, move_id: UUID) -> Move:
        async with self.hub.platform.catalog.connection() as connection:
            return await moves.get(connection, move_id)

    async def log(self, operation_id: UUID) -> list[LogLine]:
        async with self.hub.platform.catalog.connection() as connection:
            return await operations.read_log(connection, operation_id)

    async def undo(self, move_id: UUID) -> Operation:
        async with self.hub.platform.catalog.transaction() as connection:
            operation = await moves.record_undo(connection, move_id, BY)
        return await self.run(operation.id)

    async def settle(self, move_id: UUID) -> Operation:
        async with self.hub.platform.catalog.transaction() as connection:
            operation = await moves.settle_now(connection, move_id, BY)
        return await self.run(operation.id)

    async def cancel(self, move_id: UUID) -> Move:
        async with self.hub.platform.catalog.transaction() as connection:
            return await moves.request_cancel(connection, move_id, BY)

    def cancel_from_elsewhere(self, move_id: UUID) -> None:
        """Cancel while everything in this process stands still."""
        self.say_from_elsewhere(moves.request_cancel, move_id)

    def say_from_elsewhere(self, said: Said, move_id: UUID) -> None:
        """Say something of a move while everything in this process stands still."""
        address = self.hub.platform.catalog.address

        async def say() -> None:
            connection = await connect(address, purpose="test")
            try:
                async with connection.transaction():
                    await said(connection, move_id, BY)
            finally:
                await connection.close()

        elsewhere(say)

    async def say(self, said: Said, move_id: UUID) -> Move:
        """Say something of a move."""
        async with self.hub.platform.catalog.transaction() as connection:
            return await said(connection, move_id, BY)

    @contextlib.asynccontextmanager
    async def lease(
        self,
        mode: Mode = Mode.WRITE,
        consistency: Consistency = Consistency.READ_COMMITTED,
        dispatch: Dispatch | None = None,
    ) -> AsyncGenerator[Lease]:
        """Open a lease wherever the tenant is; commit it at the end."""
        tenant = self.tenant if dispatch else await self.hub.look_up(self.tenant)
        lease = await (dispatch or self.hub.platform.dispatch).open(tenant, mode, consistency)
        try:
            yield lease
        except BaseException:
            await lease.rollback()
            raise
        await lease.commit()

    async def write(self, name: str, dispatch: Dispatch | None = None) -> None:
        """Write one artist in one request."""
        async with self.lease(dispatch=dispatch) as lease:
            await lease.execute(_ARTIST, name)

    async def names(self) -> list[str]:
        """Read the artists as the tenant does."""
        async with self.lease(Mode.READ) as lease:
            return [row["name"] for row in await lease.fetch("SELECT name FROM artist")]

    async def digests(self) -> list[Digest]:
        """Sum up all that the tenant has, where it lives."""
        place = await self.placement()
        store = self.hub.platform.stores[place.tier]
        async with store.rows(self.tenant.id, place) as rows:
            return await rows.digests()

    def side(self, place: Placement) -> Side:
        """Look at one of the tenant's places as the platform does."""
        return Side(fleet=self.hub.platform.fleet, tenant_id=self.tenant.id, placement=place)

    def landing(self, place: Placement, schema: str) -> Placement:
        """Name the private tables before shared ones."""
        return msgspec.structs.replace(place, schema=schema)

    def plant(self, place: Placement, *statements: str) -> None:
        """Run statements as the administrator in a place, from another thread.

        ``{schema}`` and ``{tenant}`` are filled in; nothing of this process goes on meanwhile.
        """
        address = self.hub.platform.fleet.admin_address(place.cluster, place.database)

        async def run() -> None:
            connection = await connect(address, purpose="test")
            try:
                for statement in statements:
                    await connection.execute(
                        statement.format(schema=f'"{place.schema}"', tenant=f"'{self.tenant.id}'")
                    )
            finally:
                await connection.close()

        elsewhere(run)

    @contextlib.asynccontextmanager
    async def admin(self, place: Placement) -> AsyncGenerator[Connection]:
        """Connect as the administrator to a place's database."""
        async with self.hub.platform.fleet.admin(place.cluster, place.database) as connection:
            yield connection


def elsewhere(what: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a thread with a loop of its own, and wait without letting go of ours."""
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(asyncio.run(what()))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


@contextlib.contextmanager
def beside() -> Generator[Callable[[Coroutine[Any, Any, object]], object]]:
    """Lend a loop in another thread, which lives on between one coroutine and the next.

    Whoever gives it one waits for its end without letting go of our loop.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda what: asyncio.run_coroutine_threadsafe(what, loop).result(LIMIT_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def until(is_true: Callable[[], Awaitable[object]], *, limit_s: float = 30.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(limit_s):
        while not await is_true():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def hub_of(clusters: Clusters, product: str = STORE_PRODUCT) -> AsyncGenerator[Hub]:
    """Build a catalog and three clusters on two servers; shared-2 lives beside dedicated-1."""
    catalog, shared, second = random_name("c_"), random_name("w_"), random_name("w_")
    first = parse_dsn(clusters.shared.dsn(), name="shared-1")
    other = parse_dsn(clusters.dedicated.dsn(), name="dedicated-1")
    settings = Settings(
        database_url=clusters.shared.dsn(catalog),
        secret_key=SECRET_KEY.decode(),
        product=product,
        log_level="warning",
    )
    async with contextlib.AsyncExitStack() as stack:
        for admin, databases in ((first, (shared, catalog)), (other, (second,))):
            connection = await connect(admin, purpose="test")
            stack.push_async_callback(connection.close)
            for database in databases:
                stack.push_async_callback(drop_database, connection, database)
            if catalog in databases:
                await make_database(connection, catalog)
        platform = Platform(settings)
        await bring_up_to_date(platform.catalog, roomy_plans())
        await stack.enter_async_context(running(platform))
        await reference.prepare_catalog(platform)
        for name, role, database, admin in (
            ("shared-1", ClusterRole.SHARED, shared, first),
            ("dedicated-1", ClusterRole.DEDICATED, shared, other),
            # The last one: the login of both names has the password of this one.
            ("shared-2", ClusterRole.SHARED, second, other),
        ):
            cluster = Cluster(
                name=name,
                role=role,
                region="local",
                capacity=1_000,
                host=admin.host,
                port=admin.port,
                shared_database=database,
            )
            await ensure_cluster(platform, cluster, admin)
        hub = Hub(platform)
        yield hub
        await hub.provisioning.close()
        await _drop_databases_of_tenants(hub, other.database)


async def _drop_databases_of_tenants(hub: Hub, maintenance: str) -> None:
    async with hub.platform.catalog.connection() as connection:
        rows = await connection.fetch(_SQL["databases_of_moves"])
    async with hub.platform.fleet.admin("dedicated-1", maintenance) as connection:
        for row in rows:
            await drop_database(connection, row["name"])
