"""Does a part answer? Plain values, so that `up` waits for and `status` asks the same thing."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from msgspec import Struct

PROBE_LIMIT_S = 2.0
POSTMASTER_STATUS_LINE = 7
HTTP_OK = b"200"
# The last one is what asyncpg raises when the server dies between two messages.
ASYNCPG_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class PostgresProbe(Struct, frozen=True, kw_only=True, tag="postgres"):
    """A log-in and one query; with `data`, only after the postmaster says it is ready."""

    dsn: str
    data: str | None = None


class ValkeyProbe(Struct, frozen=True, kw_only=True, tag="valkey"):
    """AUTH and PING."""

    port: int
    password: str


class HttpProbe(Struct, frozen=True, kw_only=True, tag="http"):
    """GET answers 200."""

    url: str


class TcpProbe(Struct, frozen=True, kw_only=True, tag="tcp"):
    """Somebody accepts connections."""

    host: str
    port: int


class AliveProbe(Struct, frozen=True, kw_only=True, tag="alive"):
    """Being alive is all that can be seen from outside."""


Probe = PostgresProbe | ValkeyProbe | HttpProbe | TcpProbe | AliveProbe


async def answers(probe: Probe) -> bool:
    """Ask once, within a limit; whatever goes wrong means no."""
    try:
        async with asyncio.timeout(PROBE_LIMIT_S):
            return await _ask(probe)
    except (OSError, EOFError, TimeoutError, *ASYNCPG_ERRORS):
        return False


async def _ask(probe: Probe) -> bool:
    match probe:
        case PostgresProbe():
            return await _ask_postgres(probe)
        case ValkeyProbe():
            request = f"AUTH {probe.password}\r\nPING\r\n".encode()
            answer = await _exchange("127.0.0.1", probe.port, request, lines=2)
            return answer.startswith(b"+OK\r\n+PONG")
        case HttpProbe():
            return await _ask_http(probe)
        case TcpProbe():
            await _exchange(probe.host, probe.port, b"", lines=0)
            return True
        case AliveProbe():
            return True


async def _ask_postgres(probe: PostgresProbe) -> bool:
    if probe.data is not None and not _postmaster_is_ready(Path(probe.data)):
        return False
    # No statement cache: the probe must also work through a pooler in transaction mode.
    connection = await asyncpg.connect(probe.dsn, ssl=False, statement_cache_size=0)
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


def _postmaster_is_ready(data: Path) -> bool:
    with contextlib.suppress(OSError):
        lines = data.joinpath("postmaster.pid").read_text(encoding="utf-8").splitlines()
        return len(lines) > POSTMASTER_STATUS_LINE and lines[POSTMASTER_STATUS_LINE].strip() == (
            "ready"
        )
    return False


async def _ask_http(probe: HttpProbe) -> bool:
    url = urlsplit(probe.url)
    path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    request = f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
    answer = await _exchange(url.hostname or "", url.port or 80, request.encode(), lines=1)
    return answer.split(b" ")[1:2] == [HTTP_OK]


async def _exchange(host: str, port: int, request: bytes, *, lines: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        return b"".join([await reader.readline() for _ in range(lines)])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
