"""Kept archives: where their files lie, restored from there, and deleted at their end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from deploy.archiving import WantedRestore, record_restore
from deploy.leaving import check_leaving
from deploy.terms import archive_terms
from promotion.archive_export import path_of
from promotion.archive_file import opened
from promotion.archive_form import assert_fits
from router.api.parts import Copy
from router.catalog import archives
from router.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from deploy.platform import Platform
    from router.api.parts import WantedCopy
    from router.catalog.archives import Export
    from router.catalog.moves import By
    from router.connect import Connection
    from router.words import Tenant

ROUND_S: Final = 60.0
#: A file that no export knows of may be one that is just being recorded.
STRAY_AGE_S: Final = 3_600.0
_FILE: Final = re.compile(r"([0-9a-f-]{36})(?:\.part-\d+|-[0-9a-f]{16}\.zip)")
_log = structlog.get_logger("stepwell.archives")


class Keeping:
    """The archives that are kept on this platform, if any are."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        folder = platform.settings.archive_dir
        self._folder = None if folder is None else Path(folder)

    def check_kept(self) -> None:
        """Raise Conflict where no files are kept."""
        self._kept_in()

    def path_of(self, export: Export) -> Path:
        """Return where the file of an export lies."""
        assert export.sha256 is not None, "there is a file"
        return path_of(self._kept_in(), export.id, export.sha256)

    async def remove(self, export_id: UUID) -> None:
        """Delete the file of an export; it may be gone already."""
        folder = self._kept_in()
        await asyncio.to_thread(_delete, folder, f"{export_id}-*.zip")

    async def restore(
        self,
        connection: Callable[[], Awaitable[Connection]],
        export: Export,
        wanted: WantedCopy,
        by: By,
    ) -> Copy:
        """Record a new tenant for a file of ours; a worker reads and checks the whole of it."""
        platform, path = self._platform, self.path_of(export)
        terms = archive_terms(platform)
        async with opened(path, bytes_max=terms.bytes_max) as archive:
            assert_fits(
                archive.head,
                product=terms.product,
                revision=platform.blueprint.head,
                shape=terms.moving.shape,
            )
            head = archive.head
        restoring = await record_restore(
            platform,
            await connection(),
            WantedRestore(
                file=path,
                slug=wanted.slug,
                plan=wanted.plan,
                owner=wanted.owner,
                cluster=wanted.cluster,
            ),
            (head, None),
            by,
        )
        return Copy(
            tenant=restoring.tenant,
            operation=restoring.operation,
            invitation=restoring.invitation,
        )

    async def check_leaving(self, tenant: Tenant) -> None:
        """Raise Conflict for a tenant whose subscription would go on being charged."""
        await check_leaving(self._platform.catalog, tenant)

    async def keep(self) -> None:
        """Delete what has lain long enough, and what nobody knows of; until cancelled."""
        while True:
            if self._folder is not None:
                await self.expire()
                await self.sweep()
            await asyncio.sleep(ROUND_S)

    async def expire(self) -> None:
        """Delete the files whose time has passed."""
        catalog = self._platform.catalog
        while True:
            async with catalog.connection() as connection:
                ended = await archives.exports_to_forget(connection)
            for export_id in ended:
                await self.remove(export_id)
                async with catalog.connection() as connection:
                    await archives.forget_export(connection, export_id)
                _log.info("archive deleted", export=str(export_id))
            if not ended:
                return

    async def sweep(self, *, age_s: float = STRAY_AGE_S) -> None:
        """Delete what workers left that died over it, once their exports have ended."""
        before_s = time.time() - age_s
        for path in await asyncio.to_thread(_older, self._kept_in(), before_s):
            if await self._is_stray(path):
                await asyncio.to_thread(path.unlink, missing_ok=True)
                _log.info("stray archive deleted", file=path.name)

    async def _is_stray(self, path: Path) -> bool:
        found = _FILE.fullmatch(path.name)
        if found is None:
            return False  # none of ours
        async with self._platform.catalog.connection() as connection:
            try:
                export = await archives.get_export(connection, UUID(found[1]))
            except (NotFound, ValueError):
                return False  # another platform's, in the same folder
        if not export.state.is_ended:
            return False
        return not export.has_file or path != self.path_of(export)

    def _kept_in(self) -> Path:
        if self._folder is None:
            raise Conflict(
                "no archives are kept here: the operators set STEPWELL_ARCHIVE_DIR to a folder "
                "that gateways and workers share"
            )
        return self._folder


def _delete(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink(missing_ok=True)


def _older(folder: Path, before_s: float) -> list[Path]:
    found: list[Path] = []
    for path in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before_s:
                found.append(path)
    return found
