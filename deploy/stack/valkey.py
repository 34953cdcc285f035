"""Valkey on loopback, behind a password, its data in an append-only file."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from deploy.stack.ports import LOOPBACK
from deploy.stack.processes import StopStep
from deploy.stack.state import StateFolder

STOP = (StopStep(signal=signal.SIGTERM, limit_s=10.0),)


class ValkeyServer(Struct, frozen=True, kw_only=True):
    """Everything needed to run and reach one server."""

    program: str
    folder: str
    port: int
    password: str

    @property
    def config(self) -> Path:
        """Answer where the server's settings are."""
        return Path(self.folder, "valkey.conf")

    def url(self) -> str:
        """Answer the address for a client."""
        return f"redis://:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/0"

    def argv(self) -> tuple[str, ...]:
        """Answer the command line; the password stays in the file, out of everybody's `ps`."""
        return (self.program, str(self.config))


def valkey_server(folder: StateFolder, name: str, *, program: str) -> ValkeyServer:
    """Describe the server of this name in a state folder; nothing is started."""
    return ValkeyServer(
        program=program,
        folder=str(folder.path / name),
        port=folder.port(name),
        password=folder.secret("valkey"),
    )


async def prepare(server: ValkeyServer) -> None:
    """Write the server's settings."""
    _write(server)


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write(server: ValkeyServer) -> None:
    Path(server.folder).mkdir(mode=0o700, exist_ok=True)
    lines = (
        f"bind {LOOPBACK}",
        f"port {server.port}",
        f"requirepass {server.password}",
        f"dir {_quoted(server.folder)}",
        "daemonize no",
        "appendonly yes",
        "appendfsync everysec",
        # A torn last entry is what `kill -9` leaves: cut it off and go on.
        "aof-load-truncated yes",
        'save ""',
    )
    descriptor = os.open(server.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
