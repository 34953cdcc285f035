"""PgBouncer in transaction mode before one cluster, for tests and for those who want to try it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from deploy.stack.account import Account
from deploy.stack.errors import StackError
from deploy.stack.ports import LOOPBACK
from deploy.stack.processes import StopStep

if TYPE_CHECKING:
    from collections.abc import Mapping

# SIGINT lets running transactions end; SIGTERM doesn't.
STOP = (
    StopStep(signal=signal.SIGINT, limit_s=5.0),
    StopStep(signal=signal.SIGTERM, limit_s=2.0),
)
SETTINGS: Mapping[str, str] = {
    "pool_mode": "transaction",
    "auth_type": "scram-sha-256",
    "max_client_conn": "1000",
    "default_pool_size": "20",
    # asyncpg and libpq send this one at connect; everything else that is unknown stays an error.
    "ignore_startup_parameters": "extra_float_digits",
}


class PgBouncer(Struct, frozen=True, kw_only=True):
    """One pooler: `users` names every login that may pass, with its password."""

    program: str
    account: Account
    folder: str
    port: int
    server_port: int
    users: dict[str, str]
    admin: str
    settings: dict[str, str] = {}

    @property
    def config(self) -> Path:
        """Answer where the pooler's settings are."""
        return Path(self.folder, "pgbouncer.ini")

    def dsn(self, user: str, database: str = "postgres") -> str:
        """Answer the address of one database, through the pooler, for one of its users."""
        login = f"{quote(user, safe='')}:{quote(self.users[user], safe='')}"
        return f"postgresql://{login}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def argv(self) -> tuple[str, ...]:
        """Answer the command line."""
        return (*self.account.prefix, self.program, str(self.config))


async def prepare(pooler: PgBouncer) -> None:
    """Write the ini file and the file of users."""
    folder = Path(pooler.folder)
    users = folder / "users.txt"
    settings = {
        "listen_addr": LOOPBACK,
        "listen_port": str(pooler.port),
        "unix_socket_dir": "",
        "auth_file": str(users),
        "admin_users": pooler.admin,
        **SETTINGS,
        **pooler.settings,
    }
    lines = [
        "[databases]",
        f"* = host={LOOPBACK} port={pooler.server_port}",
        "[pgbouncer]",
        *(f"{key} = {value}" for key, value in settings.items()),
    ]
    accounts = [f"{_quoted(user)} {_quoted(word)}" for user, word in pooler.users.items()]
    _write(pooler, users, accounts)
    _write(pooler, pooler.config, lines)


def _quoted(text: str) -> str:
    if "\n" in text:
        message = "PgBouncer's file of users can't hold a name or password with a line break"
        raise StackError(message)
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _write(pooler: PgBouncer, path: Path, lines: list[str]) -> None:
    account = pooler.account
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    if account.uid is not None and account.gid is not None:
        os.chown(path, account.uid, account.gid)
        os.chown(path.parent, account.uid, account.gid)
