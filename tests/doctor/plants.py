"""One world with a tenant of every kind, and the holes that are planted in it."""

from __future__ import annotations

import contextlib
import string
from typing import TYPE_CHECKING

import msgspec

from deploy.doctor import DatabaseName, Patient, examine
from router.database import drop_database, drop_login
from router.fleet import ClusterAccess
from router.sql import load
from router.words import Isolation, Tenant, Tier
from tests.worlds import World, world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from deploy.doctor import Finding
    from router.fleet import Fleet
    from router.words import Placement
    from tests.worlds import Clusters

LIBRARY = "tests.doctor.product:product"
KINDS = (
    (Tier.ROWS, Isolation.SHARED),
    (Tier.ROWS, Isolation.STRICT),
    (Tier.SCHEMA, Isolation.SHARED),
    (Tier.SCHEMA, Isolation.STRICT),
    (Tier.DATABASE, Isolation.STRICT),
)


class Ward(msgspec.Struct, frozen=True, kw_only=True):
    """A world, its tenants by their kind, and what SQL calls its parts."""

    made: World
    tenants: Mapping[tuple[Tier, Isolation], Tenant]
    names: Mapping[str, str]
    shared: Patient
    dedicated: Patient

    def place(self, tier: Tier, isolation: Isolation = Isolation.STRICT) -> Placement:
        return place_of(self.tenants[tier, isolation])

    def access(self, cluster: str) -> ClusterAccess | None:
        """Tell what the fleet knows of a cluster, for a fleet of another secret."""
        return ClusterAccess(
            cluster=self.made.fleet.cluster(cluster),
            admin=self.made.fleet.admin_address(cluster, "postgres"),
        )

    async def run(self, sql: str, *, in_dedicated: bool = False) -> None:
        """Run statements as the administrator, with the names of this ward filled in."""
        async with self.made.admin(
            self.place(Tier.DATABASE) if in_dedicated else None
        ) as connection:
            await connection.execute(self.fill(sql))

    def fill(self, text: str) -> str:
        return string.Template(text).substitute(self.names)


@contextlib.asynccontextmanager
async def ward(clusters: Clusters) -> AsyncGenerator[Ward]:
    """Build a world of the library's with one tenant of each kind."""
    async with world(clusters, LIBRARY) as made:
        tenants = {kind: await made.tenant(*kind) for kind in KINDS}
        dedicated = place_of(tenants[Tier.DATABASE, Isolation.STRICT])
        schema = place_of(tenants[Tier.SCHEMA, Isolation.SHARED])
        strict = place_of(tenants[Tier.SCHEMA, Isolation.STRICT])
        async with made.admin() as connection:
            large = await connection.fetchval("SELECT lo_create(0)")
            await connection.execute("INSERT INTO reference.country VALUES ('FR', 'France')")
        try:
            yield Ward(
                made=made,
                tenants=tenants,
                names={
                    "shared": made.shared_database,
                    "schema": schema.schema,
                    "strict_schema": strict.schema,
                    "strict_login": strict.login,
                    "dedicated": dedicated.database,
                    "dedicated_login": dedicated.login,
                    "large": str(large),
                },
                shared=Patient(clusters=["shared-1"]),
                dedicated=Patient(clusters=["dedicated-1"], databases=[name_of(dedicated)]),
            )
        finally:
            await made.sources.close()
            async with made.fleet.admin("dedicated-1", "postgres") as connection:
                await drop_database(connection, dedicated.database)
                await drop_login(connection, dedicated.login)


async def examined(fleet: Fleet, patient: Patient) -> list[Finding]:
    """Examine, and leave out the age of the server that the tests happen to run on."""
    return [each for each in await examine(fleet, patient) if each.rule != "server-version"]


def place_of(tenant: Tenant) -> Placement:
    assert tenant.placement is not None
    return tenant.placement


def name_of(place: Placement) -> DatabaseName:
    return DatabaseName(cluster=place.cluster, database=place.database)


def planted(section: str) -> tuple[str, str]:
    """Read how a hole is planted and how it is closed."""
    plant, _, undo = load("tests.doctor", "plants.sql")[section].partition("-- undo")
    assert undo, f"{section} says how it is undone"
    return plant, undo


def sections() -> list[str]:
    return list(load("tests.doctor", "plants.sql"))
