"""Making a tenant's place and recording it: for provisions and for moves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from deploy import reference
from deploy.doctor import DatabaseName
from deploy.gates import recording
from migrations.waves.births import revision_at_birth
from router.catalog import waves
from router.catalog.wave_words import Place
from router.database import drop_schema
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from deploy.platform import Platform
    from router.connect import Connection
    from router.words import Placement, TenantId

_REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"


class PlatformPlaces:
    """Places of every tier, through the stores."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._order = [revision for revision, _ in platform.blueprint.applied]

    async def make(
        self, tenant_id: TenantId, placement: Placement, *, admits: bool = False
    ) -> None:
        """Make a place whole, with its reference tables; repeat it after any failure.

        One that ``admits`` its tenant is of the revision of its wave; rows are moved only at the
        newest one.
        """
        revision: str | None = None
        if admits and placement.tier is not Tier.ROWS:
            async with self._platform.catalog.transaction() as connection:
                revision = await self._at_birth(connection, placement)
        await self._platform.stores[placement.tier].provision(
            tenant_id, placement, admits=admits, revision=revision
        )
        if placement.tier is Tier.DATABASE:
            admin = self._platform.fleet.admin_address(placement.cluster, placement.database)
            await reference.copy_to(self._platform, admin)

    async def make_anew(self, tenant_id: TenantId, placement: Placement) -> None:
        """Make a place again that was never served and whose wave has gone by meanwhile."""
        async with self._platform.fleet.admin(placement.cluster, placement.database) as connection:
            await drop_schema(connection, placement.schema)
        await self.make(tenant_id, placement, admits=True)

    async def is_timely(self, connection: Connection, placement: Placement) -> bool:
        """Whether a new place is of the revision that it would be made of now.

        Needs the transaction that records it: an open migration finds what is recorded before it
        ends.
        """
        if placement.tier is Tier.ROWS:
            return True
        await waves.take_turns(connection)
        if await waves.find_open(connection) is not None:
            return True
        made = await waves.revision_at(connection, _place(placement).key)
        return made == await self._at_birth(connection, placement)

    async def _at_birth(self, connection: Connection, placement: Placement) -> str:
        return await revision_at_birth(connection, _place(placement), self._order)

    @asynccontextmanager
    async def recording(self, placement: Placement) -> AsyncGenerator[Connection]:
        """Lend the transaction that records the place with its revision."""
        revision: str | None = None
        if placement.tier is not Tier.ROWS:
            fleet = self._platform.fleet
            async with fleet.admin(placement.cluster, placement.database) as connection:
                revision = await connection.fetchval(_REVISION, placement.schema)
        async with self._transaction(placement) as connection:
            if revision is not None:
                await waves.saw(connection, {_place(placement): revision})
            yield connection

    @asynccontextmanager
    async def _transaction(self, placement: Placement) -> AsyncGenerator[Connection]:
        """Lend the catalog's transaction; a new database has all gate keys then."""
        if placement.tier is not Tier.DATABASE:
            async with self._platform.catalog.transaction() as connection:
                yield connection
            return
        name = DatabaseName(cluster=placement.cluster, database=placement.database)
        admin = self._platform.fleet.admin_address(placement.cluster, placement.database)
        async with recording(self._platform, name, admin) as connection:
            yield connection


def _place(placement: Placement) -> Place:
    return Place(
        cluster=placement.cluster,
        database=placement.database,
        schema=placement.schema,
        tier=placement.tier,
    )
