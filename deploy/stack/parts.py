"""What the supervisor runs: one value for each process, whatever it is.

The stack's own parts are described here; gateway, worker and the Stripe stand-in come from outside
as a command line and an address to ask.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from msgspec import Struct

from deploy.stack import pgbouncer, postgres, valkey
from deploy.stack.pgbouncer import PgBouncer
from deploy.stack.ports import LOOPBACK
from deploy.stack.postgres import PostgresCluster
from deploy.stack.probes import (
    AliveProbe,
    HttpProbe,
    PostgresProbe,
    Probe,
    TcpProbe,
    ValkeyProbe,
)
from deploy.stack.processes import StopStep
from deploy.stack.state import Kind
from deploy.stack.valkey import ValkeyServer

READY_LIMIT_S = 60.0
# Recovery after `kill -9` replays the log since the last checkpoint, which may be a gigabyte.
POSTGRES_READY_LIMIT_S = 300.0
PROCESS_STOP = (StopStep(signal=signal.SIGTERM, limit_s=20.0),)


class Part(Struct, frozen=True, kw_only=True):
    """One supervised process; `prepare` runs before each of its starts."""

    name: str
    kind: Kind
    argv: tuple[str, ...]
    env: dict[str, str]
    address: str
    probe: Probe
    stop: tuple[StopStep, ...] = PROCESS_STOP
    ready_limit_s: float = READY_LIMIT_S
    prepare: Callable[[], Awaitable[None]] | None = None
    uid: int | None = None
    gid: int | None = None


def postgres_part(cluster: PostgresCluster) -> Part:
    """A cluster, made at its first start."""
    return Part(
        name=cluster.name,
        kind=Kind.POSTGRES,
        argv=cluster.argv(),
        env=postgres.environment(),
        address=f"{LOOPBACK}:{cluster.port}",
        probe=PostgresProbe(dsn=cluster.dsn(), data=cluster.data),
        stop=postgres.STOP,
        ready_limit_s=POSTGRES_READY_LIMIT_S,
        prepare=partial(postgres.prepare, cluster),
        uid=cluster.account.uid,
        gid=cluster.account.gid,
    )


def valkey_part(server: ValkeyServer, *, name: str = "valkey") -> Part:
    """A Valkey server."""
    return Part(
        name=name,
        kind=Kind.VALKEY,
        argv=server.argv(),
        env=dict(os.environ),
        address=f"{LOOPBACK}:{server.port}",
        probe=ValkeyProbe(port=server.port, password=server.password),
        stop=valkey.STOP,
        prepare=partial(valkey.prepare, server),
    )


def pgbouncer_part(pooler: PgBouncer, *, name: str = "pgbouncer") -> Part:
    """A pooler; it is ready when a log-in through it reaches PostgreSQL."""
    return Part(
        name=name,
        kind=Kind.PGBOUNCER,
        argv=pooler.argv(),
        env=postgres.environment(),
        address=f"{LOOPBACK}:{pooler.port}",
        probe=PostgresProbe(dsn=pooler.dsn(pooler.admin)),
        stop=pgbouncer.STOP,
        prepare=partial(pgbouncer.prepare, pooler),
        uid=pooler.account.uid,
        gid=pooler.account.gid,
    )


def process_part(  # noqa: PLR0913 - all keywords, one for each fact about a process
    *,
    name: str,
    kind: Kind,
    argv: tuple[str, ...],
    env: Mapping[str, str] | None = None,
    address: str = "",
    health_url: str | None = None,
) -> Part:
    """Describe any other process: asked by URL, else by its address, else by being alive."""
    return Part(
        name=name,
        kind=kind,
        argv=argv,
        env={**os.environ, **(env or {})},
        address=address,
        probe=_probe(address, health_url),
    )


def _probe(address: str, health_url: str | None) -> Probe:
    if health_url is not None:
        return HttpProbe(url=health_url)
    host, _, port = address.rpartition(":")
    return TcpProbe(host=host, port=int(port)) if host and port.isdigit() else AliveProbe()
