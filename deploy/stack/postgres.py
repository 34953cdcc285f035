"""One PostgreSQL cluster: made once, run as our own child, never through pg_ctl.

pg_ctl daemonises: its dead postmaster stays a zombie until somebody reaps it, and until then every
restart fails. A child of ours is reaped at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from msgspec import Struct

from deploy.stack.account import Account
from deploy.stack.binaries import PostgresBinaries
from deploy.stack.errors import InitFailed
from deploy.stack.ports import LOOPBACK
from deploy.stack.processes import PROC, StopStep, identity, owners, spawn, tail
from deploy.stack.state import StateFolder, sync_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "stepwell_admin"
INIT_LIMIT_S = 120.0
OPEN_TO_ALL = 0o005
BUILTIN_LOCALE_MAJOR = 17
# SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one; both lose no committed row.
STOP = (
    StopStep(signal=signal.SIGINT, limit_s=30.0),
    StopStep(signal=signal.SIGQUIT, limit_s=5.0),
)
SETTINGS: Mapping[str, str] = {
    "max_connections": "300",
    "shared_buffers": "128MB",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


class PostgresCluster(Struct, frozen=True, kw_only=True):
    """Everything needed to make, run and reach one cluster."""

    name: str
    binaries: PostgresBinaries
    account: Account
    data: str
    log: str
    port: int
    password: str
    sockets: str | None = None
    superuser: str = SUPERUSER
    settings: dict[str, str] = {}

    def dsn(self, database: str = "postgres") -> str:
        """Answer the superuser's address of one database."""
        login = f"{quote(self.superuser, safe='')}:{quote(self.password, safe='')}"
        return f"postgresql://{login}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def argv(self) -> tuple[str, ...]:
        """Answer the command line of the postmaster."""
        settings = {
            **SETTINGS,
            "cluster_name": self.name,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": _listed(self.sockets) if self.sockets else "",
            "unix_socket_permissions": "0700",
            **self.settings,
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        program = self.binaries.program("postgres")
        return (*self.account.prefix, program, "-D", self.data, *options)


def _listed(path: str) -> str:
    """Quote one path of PostgreSQL's comma-separated list of folders."""
    doubled = path.replace('"', '""')
    return f'"{doubled}"'


async def postgres_cluster(
    folder: StateFolder,
    name: str,
    *,
    binaries: PostgresBinaries,
    account: Account,
    settings: Mapping[str, str] | None = None,
) -> PostgresCluster:
    """Describe the cluster of this name in a state folder; nothing is started."""
    home = folder.home(outside=account.uid is not None)
    sockets = folder.sockets(home)
    if sockets is not None:
        _give(sockets, account)
    return PostgresCluster(
        name=name,
        binaries=await asyncio.to_thread(reachable, binaries, account, folder.outside),
        account=account,
        data=str(home / "clusters" / name),
        log=str(folder.log(name)),
        port=folder.port(name),
        password=folder.secret("postgres"),
        sockets=str(sockets) if sockets else None,
        settings=dict(settings or {}),
    )


async def prepare(cluster: PostgresCluster) -> None:
    """Make the cluster where it is missing, and clear what a killed postmaster left behind."""
    data = Path(cluster.data)
    if is_initialised(data):
        forget_dead_postmaster(data, Path(cluster.log))
    else:
        await initialise(cluster)


def is_initialised(data: Path) -> bool:
    """Trust the folder's name: it is given only to a cluster that initdb has finished."""
    return data.joinpath("PG_VERSION").exists()


async def initialise(cluster: PostgresCluster) -> None:
    """Run initdb beside the final place and rename the whole: half a cluster is never seen."""
    data = Path(cluster.data)
    work = _work_folder(data, cluster.account)
    try:
        problem = ""
        for locale in _locales(cluster.binaries.major):
            problem = await _initdb(cluster, work, locale)
            if not problem:
                break
        if problem:
            message = f"initdb couldn't make the cluster {cluster.name} in {data}:{problem}"
            raise InitFailed(message)
        _put_in_place(work / "data", data)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _put_in_place(made: Path, place: Path) -> None:
    try:
        made.replace(place)
    except OSError as error:
        message = f"{place} is in the way ({error.strerror}): move it elsewhere"
        raise InitFailed(message) from error
    sync_folder(place.parent)


def _work_folder(data: Path, account: Account) -> Path:
    if data.exists() and any(data.iterdir()):
        raise InitFailed(f"{data} holds files but no cluster: move it elsewhere")
    data.parent.mkdir(mode=0o755 if account.uid is not None else 0o700, exist_ok=True)
    # Whoever made these was killed, and only the holder of the state's lock comes here.
    for half in data.parent.glob(f".{data.name}.init-*"):
        shutil.rmtree(half, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{data.name}.init-", dir=data.parent))
    _give(work, account)
    return work


def _locales(major: int) -> tuple[tuple[str, ...], ...]:
    if major >= BUILTIN_LOCALE_MAJOR:
        return (("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),)
    # Not every system has C.UTF-8; C sorts the same way.
    return ("--locale=C.UTF-8",), ("--no-locale",)


async def _initdb(cluster: PostgresCluster, work: Path, locale: tuple[str, ...]) -> str:
    """Answer an empty text, or what initdb complained about."""
    log, data = Path(cluster.log), work / "data"
    argv = (
        *cluster.account.prefix,
        cluster.binaries.program("initdb"),
        f"--pgdata={data}",
        f"--username={cluster.superuser}",
        f"--pwfile={_write_password(work, cluster)}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--data-checksums",
        *locale,
    )
    # Its output goes to the cluster's log: that is how a later start finds an orphaned initdb.
    process = await spawn(
        argv, env=environment(), log=log, uid=cluster.account.uid, gid=cluster.account.gid
    )
    if await _finished(process):
        return ""
    shutil.rmtree(data, ignore_errors=True)
    return tail(log) or " it said nothing"


async def _finished(process: asyncio.subprocess.Process) -> bool:
    try:
        async with asyncio.timeout(INIT_LIMIT_S):
            return await process.wait() == 0
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _write_password(work: Path, cluster: PostgresCluster) -> Path:
    path = work / "password"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(cluster.password + "\n")
    _give(path, cluster.account)
    return path


def forget_dead_postmaster(data: Path, log: Path) -> None:
    """Remove a postmaster.pid whose number now belongs to a stranger; PostgreSQL wouldn't dare.

    After a reboot the number is often taken again, and PostgreSQL would refuse to start for ever.
    """
    path = data / "postmaster.pid"
    try:
        pid = abs(int(path.read_text(encoding="utf-8").split("\n", 1)[0]))
    except (OSError, ValueError):
        return
    if not PROC.joinpath("self", "cwd").exists() or identity(pid) is None or owners(log):
        return  # PostgreSQL itself recognises a dead number, and an orphan is for it to refuse.
    with contextlib.suppress(OSError):
        if PROC.joinpath(str(pid), "cwd").readlink() != data.resolve():
            path.unlink()


def environment() -> dict[str, str]:
    """Answer our environment without what would lead PostgreSQL's programs astray."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}


def reachable(binaries: PostgresBinaries, account: Account, outside: Path) -> PostgresBinaries:
    """Answer binaries that the account may run: a copy where root alone reaches the originals."""
    folder = Path(binaries.folder)
    if account.uid is None or is_open_to_all(folder):
        return binaries
    copy = outside / f"postgres-{binaries.version}"
    package = folder.parents[1]
    if not copy.exists():
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".postgres-", dir=copy.parent))
        shutil.copytree(folder.parent, work / package.name / folder.parent.name, symlinks=True)
        # The wheel's programs look for their libraries in the folder beside their package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, work / libraries.name, symlinks=True)
        _open_to_all(work)
        _put_in_place(work, copy)
    return msgspec.structs.replace(binaries, folder=str(copy.joinpath(*folder.parts[-3:])))


def is_open_to_all(folder: Path) -> bool:
    """Say whether every account may enter this folder, from the root down."""
    return all(
        place.stat().st_mode & OPEN_TO_ALL == OPEN_TO_ALL for place in (folder, *folder.parents)
    )


def _open_to_all(tree: Path) -> None:
    for place in (tree, *tree.rglob("*")):
        if not place.is_symlink():
            place.chmod(place.stat().st_mode | (0o055 if place.is_dir() else 0o044))


def _give(path: Path, account: Account) -> None:
    if account.uid is not None and account.gid is not None:
        os.chown(path, account.uid, account.gid)
