"""A small fleet of places of every kind, and revisions that tests add to the shop's."""

from __future__ import annotations

import contextlib
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from deploy import migrating
from router.catalog import clusters, placements, tenants, waves
from router.catalog.moves import By
from router.catalog.wave_words import Migration, MigrationDocument, Place, Rules
from router.names import quote, random_name
from router.sql import load
from router.words import ClusterRole, Isolation, TenantStatus, Tier
from tests.gateways import gateway_world
from tests.migrations.engine.shop import PRODUCT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from uuid import UUID

    from deploy.platform import Platform
    from deploy.settings import Settings
    from router.words import Placement
    from tests.worlds import Clusters

BY = By(actor="operator:test", reason="a test asks for it")
_SQL = load("tests.migrations.engine", "fleet.sql")
TIERS = (Tier.SCHEMA,) * 5 + (Tier.DATABASE,)
_PLANS = {Tier.ROWS: "starter", Tier.SCHEMA: "pro", Tier.DATABASE: "enterprise"}
_REVISION = '''"""a test's"""
import sqlalchemy as sa
from alembic import op
from migrations import safe

revision = "{name}"
down_revision = "{before}"
{ahead}


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
'''


class Fleet:
    """Places of tenants, the shared tables among them, and the folder of the revisions."""

    def __init__(self, platform: Platform, folder: Path, slugs: dict[str, Placement]) -> None:
        self.platform = platform
        self.folder = folder
        self.slugs = slugs

    @property
    def settings(self) -> Settings:
        """The settings of a process that works here, with the revisions of the folder."""
        return msgspec.structs.replace(self.platform.settings, product=PRODUCT)

    @property
    def head(self) -> str:
        return migrating.wave_terms(self.platform).rendered.head

    def write(self, name: str, up: str, down: str = "SELECT 1") -> None:
        """Write the revision after the newest one, or another text of the newest one itself."""
        self.write_code(name, f"op.execute({up!r})", f"op.execute({down!r})")

    def write_code(self, name: str, up: str, down: str = "pass", *, ahead: str = "") -> None:
        """Write one whose functions hold this Python."""
        before = max(path.stem for path in self.folder.glob("*.py") if path.stem != name)
        said = before if before.startswith("9") else "0001_e320fb"
        text = _REVISION.format(name=name, before=said, up=up, down=down, ahead=ahead)
        self.folder.joinpath(f"{name}.py").write_text(text, encoding="utf-8")

    def forget(self, name: str) -> None:
        """Take a revision away that ran nowhere."""
        self.folder.joinpath(f"{name}.py").unlink()

    async def migrate(
        self, rules: Rules | None = None, *, to: str | None = None
    ) -> MigrationDocument:
        """Begin a migration and work at it until it ends or can't go on."""
        return await self.go_on((await self.begin(rules, to=to)).id)

    async def begin(self, rules: Rules | None = None, *, to: str | None = None) -> Migration:
        """Record a migration that nobody works at yet."""
        return await migrating.begin(
            self.platform, rules or Rules(), BY, to=to, head_start=timedelta()
        )

    async def resume(self) -> MigrationDocument:
        async with self.platform.catalog.transaction() as connection:
            going = await waves.find_open(connection)
            assert going is not None
            await waves.resume(connection, going.id, BY, head_start=timedelta(seconds=30))
        return await self.go_on(going.id)

    async def go_on(self, migration_id: UUID) -> MigrationDocument:
        runner = migrating.make_runner(self.platform)
        try:
            await runner.run_one(migration_id)
        finally:
            await runner.close()
        return await self.document(migration_id)

    async def fill_artists(self, rows: int, *, of: str | None = None) -> None:
        """Give every tenant, or one of them, so many artists."""
        artists = [(str(number), f"artist {number}") for number in range(1, rows + 1)]
        async with self.platform.catalog.connection() as connection:
            everybody = await tenants.page_by_id(connection, after=None, items_max=1_000)
        for tenant in everybody:
            if of not in {None, tenant.slug}:
                continue
            placement = tenant.placement
            assert placement is not None
            store = self.platform.stores[placement.tier]
            async with store.rows(tenant.id, placement) as stored:
                await stored.write("artist", artists)

    async def pause(self, migration_id: UUID) -> None:
        async with self.platform.catalog.transaction() as connection:
            await waves.pause(connection, migration_id, BY)

    async def cancel(self, migration_id: UUID) -> None:
        async with self.platform.catalog.transaction() as connection:
            await waves.cancel(connection, migration_id, BY)

    async def places(self) -> list[Place]:
        async with self.platform.catalog.connection() as connection:
            return await waves.list_places(connection)

    async def ask(self, place: Place, statement: str) -> object:
        """Ask one place, as the administrator; $1 is its schema."""
        async with self.platform.fleet.admin(place.cluster, place.database) as connection:
            return await connection.fetchval(statement, place.schema)

    async def ask_artists(self, statement: str) -> dict[str, object]:
        """Ask every place about its artists, past row security."""
        found: dict[str, object] = {}
        for place in await self.places():
            async with self.platform.fleet.admin(place.cluster, place.database) as connection:
                await connection.execute(f"SET search_path = {quote(place.schema)}")
                found[str(place)] = await connection.fetchval(statement)
        return found

    async def shapes(self) -> dict[str, object]:
        """Sum up what is in each tenant's own schema."""
        own = [place for place in await self.places() if place.tier is not Tier.ROWS]
        return {str(place): await self._shape(place) for place in own}

    async def _shape(self, place: Place) -> object:
        async with self.platform.fleet.admin(place.cluster, place.database) as connection:
            await connection.execute(f"SET search_path = {quote(place.schema)}")
            return await connection.fetchval(_SQL["describe"], quote(place.schema))

    async def document(self, migration_id: UUID) -> MigrationDocument:
        """Show how a migration stands."""
        async with self.platform.catalog.connection() as connection:
            return await waves.document(connection, await waves.get(connection, migration_id))

    async def ask_all(self, statement: str) -> dict[str, object]:
        return {str(place): await self.ask(place, statement) for place in await self.places()}


@contextlib.asynccontextmanager
async def fleet(
    clusters_: Clusters, folder: Path, tiers: Sequence[Tier] = TIERS
) -> AsyncGenerator[Fleet]:
    """Build a catalog with some tenants; nobody serves them."""
    async with gateway_world(clusters_, gateways=0) as made:
        platform = made.platform
        revisions = folder / "revisions"
        shutil.copytree(
            platform.loaded.revisions, revisions, ignore=shutil.ignore_patterns("__pycache__")
        )
        platform.loaded = msgspec.structs.replace(platform.loaded, revisions=revisions)
        slugs = {f"tenant-{number}": tier for number, tier in enumerate(tiers)}
        yield Fleet(
            platform,
            revisions,
            {slug: await _settle(platform, slug, slugs[slug]) for slug in slugs},
        )


async def _settle(platform: Platform, slug: str, tier: Tier) -> Placement:
    role = ClusterRole.DEDICATED if tier is Tier.DATABASE else ClusterRole.SHARED
    async with platform.catalog.transaction() as connection:
        cluster = await clusters.choose(connection, role)
        tenant = await tenants.create(
            connection, slug=slug, name=random_name("t"), plan=_PLANS[tier]
        )
    placement = platform.stores[tier].draw(cluster, Isolation.SHARED)
    await platform.stores[tier].provision(tenant.id, placement)
    async with platform.catalog.transaction() as connection:
        await placements.record(connection, tenant.id, placement)
        await tenants.set_status(connection, tenant.id, TenantStatus.ACTIVE)
    return placement
