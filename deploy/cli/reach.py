"""How a command finds what it works on: the environment's catalog, else the embedded stack's."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from deploy.platform import Platform, running
from deploy.settings import DATABASE_URL, PREFIX, load
from deploy.stack.processes import is_alive
from deploy.stack.state import StateFolder
from router.catalog import Catalog
from router.connect import parse_dsn
from router.errors import SettingsWrong

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from deploy.settings import Settings


def settings_for(state: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings: the environment's alone where it names a catalog, else over the stack's.

    Raises SettingsWrong where neither is there.
    """
    if environ.get(DATABASE_URL, "").strip():
        return load(environ)
    return load({**_recorded(state), **environ})


@contextlib.asynccontextmanager
async def catalog_at(state: Path) -> AsyncGenerator[Catalog]:
    """Lend the catalog, for commands that touch no tenant's database."""
    settings = settings_for(state)
    catalog = Catalog(parse_dsn(settings.database_url, name=DATABASE_URL))
    try:
        yield catalog
    finally:
        await catalog.close()


@contextlib.asynccontextmanager
async def platform_at(state: Path) -> AsyncGenerator[Platform]:
    """Lend the whole platform, connected."""
    platform = Platform(settings_for(state))
    try:
        # Asked once here, because a directory waits in patience for a catalog that is silent.
        async with platform.catalog.connection() as connection:
            await connection.execute("SELECT 1")
    except BaseException:
        await platform.catalog.close()
        raise
    async with running(platform):
        yield platform


def _recorded(state: Path) -> dict[str, str]:
    recorded = StateFolder(state).read()
    if recorded is None or recorded.supervisor is None or not is_alive(recorded.supervisor):
        raise SettingsWrong(
            f"no stack runs in {state}: start it with `stepwell up --state {state}`, "
            f"or name a catalog in {DATABASE_URL}"
        )
    settings = {name: value for name, value in recorded.notes.items() if name.startswith(PREFIX)}
    if not settings:
        raise SettingsWrong(f"the stack in {state} is still starting: try again in some seconds")
    return settings
