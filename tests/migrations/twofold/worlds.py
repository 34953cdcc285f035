"""What tests of two revisions at once do to a fleet of the library's tenants."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from deploy import migrating
from router.catalog import waves
from router.catalog.moves import By
from router.catalog.wave_words import Rules

if TYPE_CHECKING:
    from uuid import UUID

    from deploy.platform import Platform
    from router.catalog.wave_words import MigrationDocument, Place

PRODUCT = "tests.migrations.twofold.product:product"
BY = By(actor="operator:test", reason="a test asks for it")
OLD, NEW = "0001_books", "0002_shelves"
_HEAD_START = timedelta(seconds=60)


class Migrations:
    """Begins migrations of a platform's product and works at them, as its commands do."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def place_of(self, slug: str) -> Place:
        async with self._platform.catalog.connection() as connection:
            return await waves.place_of(connection, slug)

    async def run(self, rules: Rules | None = None, *, to: str) -> MigrationDocument:
        begun = await migrating.begin(
            self._platform, rules or Rules(), BY, to=to, head_start=_HEAD_START
        )
        return await self.go_on(begun.id)

    async def resume(self) -> MigrationDocument:
        async with self._platform.catalog.transaction() as connection:
            going = await waves.find_open(connection)
            assert going is not None
            rules = msgspec.structs.replace(going.rules, wave_max=None)
            await waves.resume(connection, going.id, BY, rules=rules, head_start=_HEAD_START)
        return await self.go_on(going.id)

    async def go_on(self, migration_id: UUID) -> MigrationDocument:
        runner = migrating.make_runner(self._platform)
        try:
            operation = await runner.run_one(migration_id)
        finally:
            await runner.close()
        async with self._platform.catalog.connection() as connection:
            return await waves.document(connection, await waves.get(connection, operation.id))
