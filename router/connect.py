"""Addresses of databases and the one place where a connection to PostgreSQL is opened."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, quote, unquote, urlsplit

import asyncpg
import msgspec

from router.errors import DatabaseUnreachable, SettingsWrong

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CONNECT_S_MAX = 5.0
#: The last is what asyncpg says of a server that dies while it answers.
_REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_TLS_MODES = ("disable", "verify-full")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One database of one server, and who enters it. Never a URL: a URL can smuggle a second host.

    ``tls`` is ``disable`` or ``verify-full``: with anything between them asyncpg hands the
    password to whoever answers. ``tls_name`` is the name that the certificate must bear where
    ``host`` is an address that was resolved once and pinned; ``tls_ca`` holds the certificates, in
    PEM, of who may vouch for it, instead of the system's. ``keeps_statements`` is false for a
    pooler that gives each transaction another server connection, which knows nothing of statements
    prepared before.
    ``settings`` are those that each session begins with, and that RESET ALL brings back.
    """

    host: str
    port: int
    database: str
    user: str
    password: str
    tls: str = "verify-full"
    tls_root: str | None = None
    tls_name: str | None = None
    tls_ca: str | None = None
    keeps_statements: bool = True
    settings: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<{self.user}@{self.host}:{self.port}/{self.database}>"

    def dsn(self) -> str:
        """Spell the address as a URL, password included: for the operator's own terminal."""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        return (
            f"postgresql://{quote(self.user, safe='')}:{quote(self.password, safe='')}"
            f"@{host}:{self.port}/{quote(self.database, safe='')}?sslmode={self.tls}"
        )


def parse_dsn(dsn: str, *, name: str) -> Address:
    """Read ``postgresql://user:password@host:port/database?sslmode=…``; ``name`` is for the errors.

    One host, no options but ``sslmode`` and ``sslrootcert``. Without ``sslmode``, a loopback or
    socket address is plain and any other is verified.
    """
    parts = urlsplit(dsn.strip())
    try:
        port = parts.port or 5432
    except ValueError as error:
        raise SettingsWrong(f"{name}: the port is not a number") from error
    options = parse_qs(parts.query)
    host = unquote(parts.hostname or "") or options.pop("host", [""])[0]
    if parts.scheme not in {"postgresql", "postgres"} or not host or "," in parts.netloc:
        raise SettingsWrong(
            f"{name} must look like postgresql://user:password@host:5432/database, with one host"
        )
    mode = options.pop("sslmode", ["disable" if _is_local(host) else "verify-full"])[0]
    root = options.pop("sslrootcert", [""])[0] or None
    if options:
        raise SettingsWrong(f"{name} has options that are not taken: {', '.join(sorted(options))}")
    if mode not in _TLS_MODES:
        raise SettingsWrong(f"{name}: sslmode must be one of {', '.join(_TLS_MODES)}, not {mode}")
    return Address(
        host=host,
        port=port,
        database=unquote(parts.path.lstrip("/")) or "postgres",
        user=unquote(parts.username or "") or "postgres",
        password=unquote(parts.password or ""),
        tls=mode,
        tls_root=root,
    )


class _Named(ssl.SSLContext):
    """Checks the certificate for a name, whatever address was connected to."""

    name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as above
        server_hostname: str | bytes | None = None,  # noqa: ARG002 - the address is no name
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin TLS, asking for the name."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


def _is_local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_gone(error: DatabaseUnreachable) -> bool:
    """Tell whether a server answered, and knew no such database or login: the address is old."""
    return isinstance(
        error.__cause__,
        asyncpg.InvalidCatalogNameError | asyncpg.InvalidAuthorizationSpecificationError,
    )


def tls(address: Address) -> ssl.SSLContext | bool:
    """Return what asyncpg takes as ``ssl``: off, or verified. Nothing between the two."""
    if address.tls == "disable":
        return False
    if address.tls_root and not Path(address.tls_root).is_file():
        raise SettingsWrong(f"sslrootcert of {address!r} is not a file")
    if address.tls_name is None:
        return ssl.create_default_context(cafile=address.tls_root, cadata=address.tls_ca)
    named = _Named(ssl.PROTOCOL_TLS_CLIENT)
    named.name = address.tls_name
    named.load_verify_locations(cafile=address.tls_root, cadata=address.tls_ca)
    return named


async def connect(
    address: Address,
    *,
    purpose: str,
    statements_max: int = 100,
    connect_s_max: float = CONNECT_S_MAX,
) -> Connection:
    """Open one connection; ``purpose`` is what pg_stat_activity shows as its application."""
    try:
        return await asyncpg.connect(
            host=address.host,
            port=address.port,
            database=address.database,
            user=address.user,
            password=address.password,
            ssl=tls(address),
            timeout=connect_s_max,
            statement_cache_size=statements_max,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": f"stepwell {purpose}", **address.settings},
        )
    except (OSError, TimeoutError, *_REFUSALS) as error:
        raise DatabaseUnreachable(f"{address!r} can't be reached: {error}") from error
