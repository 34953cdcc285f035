"""Two tenants of every kind with rows of their own, and the pair that one hole is about."""

from __future__ import annotations

import contextlib
import string
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import msgspec

from router.connect import connect
from router.database import drop_database, drop_login
from router.words import Isolation, Mode, Tier
from tests.doctor.plants import KINDS, LIBRARY, place_of
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from router.connect import Connection
    from router.lease import Lease
    from router.words import Placement, Tenant
    from tests.worlds import Clusters, World

SHARED_ROWS = (Tier.ROWS, Isolation.SHARED)
STRICT_ROWS = (Tier.ROWS, Isolation.STRICT)
SHARED_SCHEMA = (Tier.SCHEMA, Isolation.SHARED)
STRICT_SCHEMA = (Tier.SCHEMA, Isolation.STRICT)
DATABASE = (Tier.DATABASE, Isolation.STRICT)

Answer: TypeAlias = "list[asyncpg.Record] | asyncpg.PostgresError"
#: Keys of different tenants differ, so that a rule without the tenant can be planted over them.
_SEED = """
    WITH given AS (SELECT $1::integer AS id, $2::text AS canary),
    teacher AS (
        INSERT INTO author (author_id, name, country) SELECT id, canary, 'FR' FROM given
    ), pupil AS (
        INSERT INTO author (author_id, name, country, teacher)
        SELECT id + 1, canary || ' too', 'FR', id FROM given
    ), book AS (
        INSERT INTO book (book_id, author_id, title) SELECT id, id, canary FROM given
    ), shelf AS (
        INSERT INTO shelf (book_id, label) SELECT id, canary FROM given
    )
    INSERT INTO stepwell_answer (key, fingerprint) SELECT canary, int8send(id) FROM given
"""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A world in which ``attacker`` has leases and wants ``victim``'s rows."""

    world: World
    tenants: Mapping[tuple[Tier, Isolation], tuple[Tenant, Tenant]]
    attacker: Tenant
    victim: Tenant

    def between(self, attacker: tuple[Tier, Isolation], victim: tuple[Tier, Isolation]) -> Scene:
        """Choose who attacks whom, by their kinds."""
        return msgspec.structs.replace(
            self, attacker=self.tenants[attacker][0], victim=self.tenants[victim][1]
        )

    @property
    def place(self) -> Placement:
        """The attacker's placement."""
        return place_of(self.attacker)

    @property
    def target(self) -> Placement:
        """The victim's placement."""
        return place_of(self.victim)

    @property
    def canary(self) -> str:
        """A text that is in every row of the victim, and in no other one."""
        return canary_of(self.victim)

    @contextlib.asynccontextmanager
    async def lease(self, tenant: Tenant | None = None) -> AsyncGenerator[Lease]:
        """Open a lease of the attacker, or of another; whatever is done in it is taken back."""
        lease = await self.world.dispatch.open(tenant or self.attacker, Mode.WRITE)
        try:
            yield lease
        finally:
            await lease.rollback()

    @contextlib.asynccontextmanager
    async def login(self, place: Placement | None = None) -> AsyncGenerator[Connection]:
        """Connect as the attacker's login by its own means, without a lease."""
        address = self.world.fleet.login_address(place or self.place)
        connection = await connect(address, purpose="attack")
        try:
            yield connection
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncGenerator[Connection]:
        """Connect as the administrator to the victim's database."""
        async with self.world.admin(self.target) as connection:
            yield connection

    async def run(self, sql: str) -> None:
        """Run statements as the administrator; $names are those of the pair."""
        async with self.admin() as connection:
            await connection.execute(
                string.Template(sql).substitute(
                    database=self.target.database,
                    schema=self.target.schema,
                    login=self.place.login,
                    victim=str(self.victim.id),
                )
            )


def canary_of(tenant: Tenant) -> str:
    return f"canary {tenant.id.hex}"


@contextlib.asynccontextmanager
async def scene(clusters: Clusters) -> AsyncGenerator[Scene]:
    """Build the world of all controls."""
    async with world(clusters, LIBRARY) as made:
        async with made.admin() as connection:
            await connection.execute("INSERT INTO reference.country VALUES ('FR', 'France')")
        tenants = {kind: (await made.tenant(*kind), await made.tenant(*kind)) for kind in KINDS}
        pairs = [tenant for pair in tenants.values() for tenant in pair]
        try:
            for number, tenant in enumerate(pairs, start=1):
                await seed(made, tenant, number * 1_000)
            first, second = tenants[SHARED_ROWS]
            yield Scene(world=made, tenants=tenants, attacker=first, victim=second)
        finally:
            await made.sources.close()
            for each in map(place_of, tenants[DATABASE]):
                async with made.fleet.admin(each.cluster, "postgres") as connection:
                    await drop_database(connection, each.database)
                    await drop_login(connection, each.login)


async def seed(made: World, tenant: Tenant, first_id: int) -> None:
    if place_of(tenant).tier is Tier.DATABASE:
        async with made.admin(place_of(tenant)) as connection:
            await connection.execute("INSERT INTO reference.country VALUES ('FR', 'France')")
    async with made.lease(tenant) as lease:
        await lease.execute(_SEED, first_id, canary_of(tenant))


async def attempt(lease: Lease, statement: str, *values: object) -> Answer:
    """Run one statement, take it back, and answer what came of it."""
    await lease.execute("SAVEPOINT attempt")
    try:
        return await lease.fetch(statement, *values)
    except asyncpg.PostgresError as error:
        return error
    finally:
        await lease.execute("ROLLBACK TO SAVEPOINT attempt")


def is_canary(found: object, scene: Scene) -> bool:
    """Tell whether an answer holds something of the victim's."""
    text = str(found)
    return scene.canary in text or str(scene.victim.id) in text or scene.victim.id.hex in text
