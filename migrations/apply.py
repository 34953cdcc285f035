"""Brings the catalog to the revision of this code: all of what is missing, or nothing.

Alembic keeps the revisions in order and spells them as SQL; asyncpg runs that SQL, so that nobody
needs a second driver.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from router.catalog import tenants
from router.connect import connect
from router.errors import Misconfigured
from router.names import RESERVED_SLUGS
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Collection

    from alembic.script.base import Script

    from router.connect import Address, Connection

_FOLDER = Path(__file__).with_name("catalog")
_SQL = load("migrations.catalog", "revision.sql")


class CatalogRevision(msgspec.Struct, frozen=True, kw_only=True):
    """Where a catalog is and where this code wants it; ``current`` is None before the first."""

    current: str | None
    wanted: str

    @property
    def is_current(self) -> bool:
        """Whether this code can work with the catalog."""
        return self.current == self.wanted


async def migrate_catalog(address: Address) -> list[str]:
    """Apply the missing revisions in one transaction and return them; two callers take turns.

    Raises Misconfigured when the catalog is newer than this code.
    """
    connection = await connect(address, purpose="migrate catalog")
    try:
        async with connection.transaction():
            await connection.execute(_SQL["wait_for_others"])
            await connection.execute(_SQL["prepare"])
            missing = _missing(await _applied(connection), address)
            for revision in missing:
                await connection.execute(_spell(revision))
                await connection.execute(_SQL["record"], revision.revision)
            await tenants.reserve_slugs(
                connection, sorted(RESERVED_SLUGS), reason="part of the platform"
            )
            return [revision.revision for revision in missing]
    finally:
        await connection.close(timeout=5)


async def catalog_revision(address: Address) -> CatalogRevision:
    """Tell where the catalog is; raises Misconfigured when it is newer than this code."""
    connection = await connect(address, purpose="catalog revision")
    try:
        applied = await _applied(connection)
    finally:
        await connection.close(timeout=5)
    missing = {revision.revision for revision in _missing(applied, address)}
    known = [revision.revision for revision in _revisions() if revision.revision not in missing]
    return CatalogRevision(current=known[-1] if known else None, wanted=_revisions()[-1].revision)


async def _applied(connection: Connection) -> set[str]:
    if not await connection.fetchval(_SQL["is_prepared"]):
        return set()
    return {row["revision"] for row in await connection.fetch(_SQL["applied"])}


def _revisions() -> list[Script]:
    scripts = ScriptDirectory(str(_FOLDER), version_locations=[str(_FOLDER / "revisions")])
    return list(reversed([*scripts.walk_revisions()]))


def _missing(applied: Collection[str], address: Address) -> list[Script]:
    revisions = _revisions()
    unknown = set(applied) - {revision.revision for revision in revisions}
    if unknown:
        raise Misconfigured(
            f"the catalog at {address!r} is at revision {max(unknown)}, which this version of "
            "Stepwell doesn't know: run the version that made it, or a newer one"
        )
    return [revision for revision in revisions if revision.revision not in applied]


def _spell(revision: Script) -> str:
    text = StringIO()
    migration = MigrationContext.configure(
        dialect_name="postgresql",
        # Without named parameters, each per cent sign of the SQL would be doubled.
        dialect_opts={"paramstyle": "named"},
        opts={"as_sql": True, "output_buffer": text},
    )
    with Operations.context(migration):
        revision.module.upgrade()
    return text.getvalue()
