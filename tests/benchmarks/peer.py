"""A migration of schemas by django-tenants, in an environment made for it and thrown away."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import msgspec

PACKAGES = ("django==5.2.*", "django-tenants==4.0.*", "psycopg[binary]==3.*")
INSTALL_S_MAX = 180.0
RUN_S_MAX = 600.0
_FILE = "# file: "


class PeerSkipped(Exception):
    """The peer can't be measured here; says why."""


class PeerTook(msgspec.Struct, frozen=True, kw_only=True):
    """How long it took for one added column, and with nothing to do."""

    column_s: float
    nothing_s: float


async def migrate_schemas(dsn: str, schemas: int) -> PeerTook:
    """Make that many schemas with ten tables each, then time ``migrate_schemas`` over them."""
    with tempfile.TemporaryDirectory(prefix="stepwell-peer-") as folder:
        root = Path(folder)
        await _install(root / "venv")
        _write(root / "project")
        python = str(root / "venv" / "bin" / "python")
        said = await _run(RUN_S_MAX, python, "run.py", dsn, str(schemas), cwd=root / "project")
    return msgspec.json.decode(said.strip().splitlines()[-1], type=PeerTook)


async def _install(venv: Path) -> None:
    await _run(INSTALL_S_MAX, sys.executable, "-m", "venv", str(venv))
    pip = str(venv / "bin" / "pip")
    options = ("--quiet", "--disable-pip-version-check")
    await _run(INSTALL_S_MAX, pip, "install", *options, *PACKAGES)


def _write(project: Path) -> None:
    """Write the project: one text holds its files, as no tool here knows Django."""
    text = files("tests.benchmarks").joinpath("peer.txt").read_text(encoding="utf-8")
    for part in text.split(_FILE)[1:]:
        name, _, code = part.partition("\n")
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")


async def _run(s_max: float, *command: str, cwd: Path | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(s_max):
            said, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise PeerSkipped(f"{Path(command[0]).name} took more than {s_max:.0f} s") from None
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise PeerSkipped(f"{Path(command[0]).name} failed: {''.join(last)[:200]}")
    return said.decode()
