"""The clusters that hold tenants, and how the platform itself enters them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from router.capability import GateKey, derive_gate_key
from router.connect import Address, connect
from router.errors import CatalogUnreachable
from router.sealing import derive_password
from router.words import Cluster, Placement

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from router.connect import Connection

#: The login that serves every tenant whose isolation is shared.
APP_LOGIN = "stepwell_app"
_SCRAM_ITERATIONS = 4096


class ClusterAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with its administrator's address, whose database is any one of the cluster."""

    cluster: Cluster
    admin: Address


class Fleet:
    """Derives every secret that a cluster needs from one; remembers none of them.

    ``access`` and ``key_id`` ask what the directory knows now, without waiting.
    """

    def __init__(
        self,
        secret_key: bytes,
        *,
        access: Callable[[str], ClusterAccess | None],
        key_id: Callable[[], int],
    ) -> None:
        self._secret_key = secret_key
        self._access = access
        self._key_id = key_id
        self._keys: dict[tuple[int, str, str], GateKey] = {}

    def cluster(self, name: str) -> Cluster:
        """Return a cluster by its name."""
        return self._known(name).cluster

    def key(self, cluster: str, database: str, key_id: int | None = None) -> GateKey:
        """Return the gate's key of a database: the current one, or the one asked for."""
        wanted = (self._key_id() if key_id is None else key_id, cluster, database)
        if wanted not in self._keys:
            self._keys[wanted] = derive_gate_key(
                self._secret_key, key_id=wanted[0], cluster=cluster, database=database
            )
        return self._keys[wanted]

    def password(self, cluster: str, login: str) -> str:
        """Return the password of one of our logins on a cluster."""
        return derive_password(self._secret_key, f"login {cluster} {login}")

    def login_address(
        self, placement: Placement, settings: Mapping[str, str] | None = None
    ) -> Address:
        """Return where leases of a placement connect: the cluster's pooler, if it has one.

        ``settings`` are for direct sessions only: a pooler's belong to whoever comes next.
        """
        known = self._known(placement.cluster)
        host, port = known.cluster.pooler or (known.cluster.host, known.cluster.port)
        return msgspec.structs.replace(
            known.admin,
            host=host,
            port=port,
            database=placement.database,
            user=placement.login,
            password=self.password(placement.cluster, placement.login),
            keeps_statements=known.cluster.pooler is None or known.cluster.pooler_statements,
            settings=dict(settings or {}) if known.cluster.pooler is None else {},
        )

    def admin_address(self, cluster: str, database: str) -> Address:
        """Return the administrator's address of a database, always direct."""
        return msgspec.structs.replace(self._known(cluster).admin, database=database)

    @asynccontextmanager
    async def admin(self, cluster: str, database: str) -> AsyncGenerator[Connection]:
        """Open the administrator's connection to a database for a piece of platform work."""
        connection = await connect(self.admin_address(cluster, database), purpose="platform")
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    def _known(self, name: str) -> ClusterAccess:
        known = self._access(name)
        if known is None:
            raise CatalogUnreachable(f"cluster {name!r} isn't known to this process yet; try again")
        return known


def scram_verifier(password: str) -> str:
    """Make what PostgreSQL stores of a password (RFC 5803), so that the password itself is in no
    statement, log or pg_stat_activity.
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    client = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{_b64(salt)}${_b64(client)}:{_b64(server)}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
