"""Clusters: the PostgreSQL servers that hold tenants, and the room they have."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from router.connect import Address
from router.errors import Conflict, NotFound, Unavailable, Unprocessable
from router.fleet import ClusterAccess
from router.sql import load
from router.words import Cluster, ClusterRole

if TYPE_CHECKING:
    import asyncpg

    from router.connect import Connection
    from router.sealing import Sealer

_SQL = load("router.catalog", "clusters.sql")
_RETRY_AFTER_S = 60


class ClusterState(StrEnum):
    """Whether a cluster takes new tenants, or is being emptied."""

    ACCEPTING = "accepting"
    DRAINING = "draining"


class ClusterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with what operators look at; ``tenants`` is how many live there."""

    cluster: Cluster
    state: ClusterState
    tenants: int


async def add(connection: Connection, cluster: Cluster, admin: Address, sealer: Sealer) -> None:
    """Record a cluster with its administrator's address; the caller has tried that it answers."""
    pooler_host, pooler_port = cluster.pooler or (None, None)
    added = await connection.fetchval(
        _SQL["add"],
        cluster.name,
        cluster.role,
        cluster.region,
        cluster.capacity,
        cluster.host,
        cluster.port,
        pooler_host,
        pooler_port,
        cluster.shared_database,
        cluster.maintenance_database,
        _seal(cluster.name, admin, sealer),
        cluster.is_reserved,
    )
    if added is None:
        raise Conflict(f"there is a cluster {cluster.name!r} already")


async def change(connection: Connection, cluster: Cluster, admin: Address, sealer: Sealer) -> None:
    """Change a cluster's capacity and addresses; its name, role, region and databases stay."""
    pooler_host, pooler_port = cluster.pooler or (None, None)
    changed = await connection.fetchval(
        _SQL["change"],
        cluster.name,
        cluster.capacity,
        cluster.host,
        cluster.port,
        pooler_host,
        pooler_port,
        _seal(cluster.name, admin, sealer),
    )
    if changed is None:
        raise NotFound(f"there is no cluster {cluster.name!r}")


async def set_state(connection: Connection, name: str, state: ClusterState) -> None:
    """Let a cluster take tenants, or stop it from taking more."""
    if await connection.fetchval(_SQL["set_state"], name, state) is None:
        raise NotFound(f"there is no cluster {name[:40]!r}")


async def list_all(connection: Connection) -> list[ClusterRecord]:
    """Return every cluster with how many tenants it holds."""
    return [_record(row) for row in await connection.fetch(_SQL["list"])]


async def find(connection: Connection, name: str) -> ClusterRecord | None:
    """Return a cluster, without how many tenants it holds."""
    row = await connection.fetchrow(_SQL["find"], name)
    return None if row is None else _record(row)


async def find_access(connection: Connection, name: str, sealer: Sealer) -> ClusterAccess | None:
    """Return a cluster with its administrator's address."""
    row = await connection.fetchrow(_SQL["find"], name)
    return None if row is None else _access(row, sealer)


async def list_access(connection: Connection, sealer: Sealer) -> list[ClusterAccess]:
    """Return every cluster with its administrator's address."""
    return [_access(row, sealer) for row in await connection.fetch(_SQL["all"])]


async def choose(
    connection: Connection,
    role: ClusterRole,
    *,
    cluster: str | None = None,
    region: str | None = None,
) -> Cluster:
    """Choose the cluster with the most room; needs a transaction, which must record its operation.

    The choice is locked until the transaction ends, so that two never take the last room. Raises
    Unavailable when the fleet is full, Unprocessable when the wish can never come true.
    """
    await connection.execute(_SQL["lock"], role)
    row = await connection.fetchrow(_SQL["room"], role, cluster, region)
    wish = f"{role.value} cluster" + (f" {cluster!r}" if cluster else "")
    wish += f" in region {region!r}" if region else ""
    if row is None and (cluster or region):
        raise Unprocessable(f"there is no {wish}")
    if row is None:
        raise Unavailable(
            f"there is no {wish} yet: an operator must add one", retry_after_s=_RETRY_AFTER_S
        )
    found = _record(row)
    if found.state is not ClusterState.ACCEPTING:
        raise Unavailable(f"no {wish} accepts tenants now", retry_after_s=_RETRY_AFTER_S)
    if found.tenants >= found.cluster.capacity:
        raise Unavailable(
            f"every {wish} is full: an operator must add a cluster or raise a capacity",
            retry_after_s=_RETRY_AFTER_S,
        )
    return found.cluster


def _seal(name: str, admin: Address, sealer: Sealer) -> bytes:
    return sealer.seal(msgspec.json.encode(admin), purpose=_purpose(name))


def _access(row: asyncpg.Record, sealer: Sealer) -> ClusterAccess:
    plain = sealer.unseal(row["dsn_sealed"], purpose=_purpose(row["name"]))
    return ClusterAccess(
        cluster=_record(row).cluster, admin=msgspec.json.decode(plain, type=Address)
    )


def _purpose(name: str) -> str:
    return f"administrator of cluster {name}"


def _record(row: asyncpg.Record) -> ClusterRecord:
    pooler = None if row["pooler_host"] is None else (row["pooler_host"], row["pooler_port"])
    return ClusterRecord(
        cluster=Cluster(
            name=row["name"],
            role=ClusterRole(row["role"]),
            region=row["region"],
            capacity=row["capacity"],
            host=row["host"],
            port=row["port"],
            shared_database=row["shared_database"],
            maintenance_database=row["maintenance_database"],
            pooler=pooler,
            is_reserved=row["is_reserved"],
        ),
        state=ClusterState(row["state"]),
        tenants=row["tenants"],
    )
