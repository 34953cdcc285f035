"""Keeping every database's reference tables current: at once when one changes, and by the clock."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import structlog

from deploy.gates import each
from deploy.places import list_places
from migrations import reference
from router.catalog import reference_tables
from router.catalog.news import follow
from router.connect import connect
from router.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table

    from deploy.doctor import DatabaseName
    from deploy.platform import Platform
    from migrations.reference import Spool, Spooled
    from router.connect import Address

#: How long a database that was made, or restored from a copy, may wait for what changed.
LOOK_S = 30.0
_log = structlog.get_logger("stepwell.reference")


class PlaceVersions(msgspec.Struct, frozen=True, kw_only=True):
    """What one database has; ``problem`` says why that isn't known."""

    cluster: str
    database: str
    versions: dict[str, int]
    is_current: bool
    problem: str | None = None


class ReferenceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The version of each reference table, and of its copies."""

    tables: dict[str, int]
    databases: list[PlaceVersions]


async def prepare_catalog(platform: Platform) -> None:
    """Make the product's reference tables in the catalog's database."""
    connection = await connect(platform.catalog.address, purpose="reference tables")
    try:
        await reference.prepare(connection, platform.loaded.stored, platform.blueprint)
    finally:
        await connection.close(timeout=5)


async def copy_to(platform: Platform, admin: Address) -> None:
    """Fill one database's reference tables now: it is about to get its first tenant."""
    stored = platform.loaded.stored
    if not stored.reference_tables:
        return
    with reference.spools(stored) as files:
        spooled = await _read(platform, files)
        connection = await connect(admin, purpose="reference tables")
        try:
            await reference.copy_in(connection, spooled, platform.blueprint)
        finally:
            await connection.close(timeout=5)


async def copy_everywhere(platform: Platform) -> list[str]:
    """Bring every database up to date; returns a sentence for each that couldn't be."""
    stored, problems = platform.loaded.stored, list[str]()
    if not stored.reference_tables:
        return problems
    async with platform.catalog.connection() as connection:
        places = await list_places(connection)
    with reference.spools(stored) as files:
        spooled = await _read(platform, files)
        # One file for each table is read by all copies in turn.
        turn = asyncio.Lock()

        async def copy(place: DatabaseName) -> None:
            try:
                await _copy_if_behind(platform, place, spooled, turn)
            except (PlatformError, asyncpg.PostgresError, OSError) as error:
                problems.append(f"{place}: {error}")

        await each(places, copy)
    return problems


async def status(platform: Platform) -> ReferenceStatus:
    """Ask every database what it has."""
    async with platform.catalog.connection() as connection:
        places = await list_places(connection)
        wanted = await reference_tables.versions(connection)
    found: list[PlaceVersions] = []

    async def ask(place: DatabaseName) -> None:
        versions, problem = dict[str, int](), None
        try:
            async with platform.fleet.admin(place.cluster, place.database) as connection:
                versions = await reference.versions_at(connection)
        except PlatformError as error:
            problem = error.detail
        found.append(
            PlaceVersions(
                cluster=place.cluster,
                database=place.database,
                versions=versions,
                is_current=problem is None and not _is_behind(versions, wanted),
                problem=problem,
            )
        )

    await each(places, ask)
    found.sort(key=lambda entry: (entry.cluster, entry.database))
    return ReferenceStatus(tables=wanted, databases=found)


class ReferenceKeeper:
    """Copies when the catalog tells of a change, after every gap in the news, and now and then."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._wake = asyncio.Event()

    async def keep(self) -> None:
        """Work until cancelled."""
        if not self._platform.loaded.stored.reference_tables:
            await asyncio.Event().wait()
        await prepare_catalog(self._platform)
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._platform.catalog, reference.CHANNEL, self))
            group.create_task(self._copy())

    async def _copy(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            self._wake.clear()
            try:
                problems = await copy_everywhere(self._platform)
            except PlatformError as error:
                problems = [error.detail]
            for problem in problems:
                _log.warning("reference tables not copied", reason=problem)

    def heard(self, payload: str) -> None:  # noqa: ARG002 - whichever it is, look
        """Take the name of a table that changed."""
        self._wake.set()

    async def connected(self) -> None:
        """Look everywhere: what was said before this moment was missed."""
        self._wake.set()

    def lost(self, error: PlatformError) -> None:
        """Copy by the clock alone, until the catalog answers again."""


async def _read(platform: Platform, files: Mapping[Table, Spool]) -> list[Spooled]:
    connection = await connect(platform.catalog.address, purpose="reference tables")
    try:
        return await reference.copy_out(connection, files)
    finally:
        await connection.close(timeout=5)


async def _copy_if_behind(
    platform: Platform, place: DatabaseName, spooled: Sequence[Spooled], turn: asyncio.Lock
) -> None:
    async with platform.fleet.admin(place.cluster, place.database) as connection:
        wanted = {each.table.name: each.version for each in spooled}
        if not _is_behind(await reference.versions_at(connection), wanted):
            return
        async with turn:
            changed = await reference.copy_in(connection, spooled, platform.blueprint)
    _log.info("reference tables copied", place=str(place), tables=changed)


def _is_behind(versions: dict[str, int], wanted: dict[str, int]) -> bool:
    return any(versions.get(name, -1) < version for name, version in wanted.items())
