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
from router.catalog.wave_words import MigrationDocument, Place, Rules
from router.names import random_name
from router.words import ClusterRole, Isolation, TenantStatus, Tier
from tests.gateways import gateway_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from deploy.platform import Platform
    from router.words import Placement
    from tests.worlds import Clusters

BY = By(actor="operator:test", reason="a test asks for it")
TIERS = (Tier.SCHEMA,) * 5 + (Tier.DATABASE,)
_PLANS = {Tier.SCHEMA: "pro", Tier.DATABASE: "enterprise"}
_REVISION = '''"""a test's"""
from alembic import op

revision = "{name}"
down_revision = "{before}"


def upgrade() -> None:
    op.execute({up!r})


def downgrade() -> None:
    op.execute({down!r})
'''


class Fleet:
    """Places of tenants, the shared tables among them, and the folder of the revisions."""

    def __init__(self, platform: Platform, folder: Path, slugs: dict[str, Placement]) -> None:
        self.platform = platform
        self.folder = folder
        self.slugs = slugs

    @property
    def head(self) -> str:
        return migrating.wave_terms(self.platform).rendered.head

    def write(self, name: str, up: str, down: str = "SELECT 1") -> None:
        """Write the revision after the newest one, or another text of the newest one itself."""
        before = max(path.stem for path in self.folder.glob("*.py") if path.stem != name)
        said = before if before.startswith("9") else "0001_e320fb"
        text = _REVISION.format(name=name, before=said, up=up, down=down)
        self.folder.joinpath(f"{name}.py").write_text(text, encoding="utf-8")

    async def migrate(
        self, rules: Rules | None = None, *, to: str | None = None
    ) -> MigrationDocument:
        """Begin a migration and work at it until it ends or can't go on."""
        rules = rules or Rules()
        begun = await migrating.begin(
            self.platform, rules, BY, to=to, head_start=timedelta(seconds=30)
        )
        return await self.go_on(begun.id)

    async def resume(self) -> MigrationDocument:
        async with self.platform.catalog.transaction() as connection:
            going = await waves.find_open(connection)
            assert going is not None
            await waves.resume(connection, going.id, BY, head_start=timedelta(seconds=30))
        return await self.go_on(going.id)

    async def go_on(self, migration_id: UUID) -> MigrationDocument:
        runner = migrating.make_runner(self.platform)
        try:
            operation = await runner.run_one(migration_id)
        finally:
            await runner.close()
        async with self.platform.catalog.connection() as connection:
            return await waves.document(connection, await waves.get(connection, operation.id))

    async def places(self) -> list[Place]:
        async with self.platform.catalog.connection() as connection:
            return await waves.list_places(connection)

    async def ask(self, place: Place, statement: str) -> object:
        """Ask one place, as the administrator; $1 is its schema."""
        async with self.platform.fleet.admin(place.cluster, place.database) as connection:
            return await connection.fetchval(statement, place.schema)

    async def ask_all(self, statement: str) -> dict[str, object]:
        return {str(place): await self.ask(place, statement) for place in await self.places()}


@contextlib.asynccontextmanager
async def fleet(clusters_: Clusters, folder: Path) -> AsyncGenerator[Fleet]:
    """Build a catalog with some tenants; nobody serves them."""
    async with gateway_world(clusters_, gateways=0) as made:
        platform = made.platform
        revisions = folder / "revisions"
        shutil.copytree(
            platform.loaded.revisions, revisions, ignore=shutil.ignore_patterns("__pycache__")
        )
        platform.loaded = msgspec.structs.replace(platform.loaded, revisions=revisions)
        slugs = {f"tenant-{number}": tier for number, tier in enumerate(TIERS)}
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
