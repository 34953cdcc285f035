"""A fleet of places, revisions that add a column to each, and the loop to hold that against."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from deploy import migrating
from deploy.fleet_setup import bring_up_to_date
from deploy.migrating import Start
from deploy.platform import Platform, running
from deploy.settings import Settings
from migrations.product.render import render
from router.catalog import waves
from router.catalog.moves import By
from router.catalog.wave_words import MigrationState, Rules
from router.connect import connect
from router.names import quote
from tests.benchmarks.fleet_product import REVISIONS_VARIABLE
from tests.benchmarks.world import CATALOG_DATABASE, make_clusters, make_tier
from tests.plans import roomy_plans
from tests.stack.worlds import open_folder
from tests.worlds import SECRET_KEY, Clusters, running_clusters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

    from router.words import Tier

PRODUCT = "tests.benchmarks.fleet_product:product"
BY = By(actor="operator", reason="a measurement")
_WANTED = Start(rules=Rules(), by=BY, head_start=timedelta(seconds=30))
_REVISION = '''"""a column"""
from alembic import op

revision, down_revision = "{name}", "{before}"


def upgrade() -> None:
    op.execute("ALTER TABLE artist ADD COLUMN {name} integer")
'''


class FleetWorld:
    """Tenants of their own schemas and databases; the platform is this process's own."""

    def __init__(self, clusters: Clusters, platform: Platform, revisions: Path) -> None:
        self.clusters = clusters
        self.platform = platform
        self.revisions = revisions
        self.tokens: list[str] = []
        self._numbers = count(1)
        self._newest = platform.blueprint.head

    async def add(self, tier: Tier, tenants: int) -> None:
        """Make that many more tenants of a tier, at the oldest revision."""
        self.tokens += await make_tier(self.platform, tier, tenants, first=len(self.tokens))

    def write(self) -> str:
        """Write a revision that adds one column; returns its id."""
        name = f"r{next(self._numbers):04d}"
        text = _REVISION.format(name=name, before=self._newest)
        self.revisions.joinpath(f"{name}.py").write_text(text, encoding="utf-8")
        self._newest = name
        return name

    async def migrate(self) -> float:
        """Bring every place to the newest revision as the command does; returns the seconds.

        Reading the product, which each command does at its start, comes before.
        """
        runner, rendered = migrating.make_runner(self.platform), render(self.platform.loaded)
        begun_s = time.perf_counter()
        try:
            async with self.platform.catalog.transaction() as connection:
                begun = await migrating.record(connection, rendered, _WANTED)
            await runner.run_one(begun.id)
            took_s = time.perf_counter() - begun_s
        finally:
            await runner.close()
        async with self.platform.catalog.connection() as connection:
            ended = await waves.get(connection, begun.id)
        if ended.state is not MigrationState.DONE:
            raise SystemExit(f"a measured migration is {ended.state.value}: {ended.error}")
        return took_s

    async def loop(self) -> float:
        """Add one column everywhere, one statement after the other; returns the seconds.

        It is dropped again, as a place whose tables were altered by hand isn't migrated.
        """
        column = f"floor_{next(self._numbers)}"
        async with self.platform.catalog.connection() as connection:
            places = await waves.list_places(connection)
        by_database: dict[tuple[str, str], list[str]] = {}
        for place in places:
            by_database.setdefault((place.cluster, place.database), []).append(place.schema)
        begun_s = time.perf_counter()
        await self._alter_all(by_database, f"ADD COLUMN {column} integer")
        took_s = time.perf_counter() - begun_s
        await self._alter_all(by_database, f"DROP COLUMN {column}")
        return took_s

    async def _alter_all(
        self, by_database: Mapping[tuple[str, str], Sequence[str]], action: str
    ) -> None:
        for (cluster, database), schemas in by_database.items():
            address = self.platform.fleet.admin_address(cluster, database)
            connection = await connect(address, purpose="floor")
            for schema in schemas:
                await connection.execute(f"ALTER TABLE {quote(schema)}.artist {action}")
            await connection.close()


@contextlib.asynccontextmanager
async def fleet_world() -> AsyncGenerator[FleetWorld]:
    """Run two servers and a catalog; nobody is served yet.

    Commits don't wait for the disk: that would weigh on the loop, which commits for each place.
    """
    with open_folder() as folder:
        revisions = Path(folder) / "revisions"
        async with running_clusters(Path(folder)) as clusters:
            with _naming(revisions):
                platform = Platform(await _settings(clusters))
                # The product may have been imported before its folder had a name.
                platform.loaded = msgspec.structs.replace(platform.loaded, revisions=revisions)
                await bring_up_to_date(platform.catalog, roomy_plans())
                async with running(platform):
                    await make_clusters(platform, clusters)
                    yield FleetWorld(clusters, platform, revisions)


@contextlib.contextmanager
def _naming(revisions: Path) -> Generator[None]:
    """Copy the shop's revisions, and name the copy to this process and to those that it starts."""
    os.environ[REVISIONS_VARIABLE] = str(revisions)
    shipped = Path("examples/store/revisions")
    shutil.copytree(shipped, revisions, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        yield
    finally:
        del os.environ[REVISIONS_VARIABLE]


async def _settings(clusters: Clusters) -> Settings:
    admin = await asyncpg.connect(clusters.shared.dsn(), ssl=False)
    await admin.execute(f"CREATE DATABASE {CATALOG_DATABASE}")
    await admin.close()
    return Settings(
        database_url=clusters.shared.dsn(CATALOG_DATABASE),
        secret_key=SECRET_KEY.decode(),
        product=PRODUCT,
        base_domain="localhost",
    )
