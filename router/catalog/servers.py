"""A cluster's server, as somebody saw it: who is connected to it, and how large it is."""

from __future__ import annotations

from datetime import datetime

import msgspec

#: Of more groups of connections, or more databases, the largest are told.
GROUPS_MAX = 200


class ConnectionGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Connections that are alike; ``state`` is what they do now."""

    database: str
    login: str
    state: str
    count: int


class ServerSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A server now. The first ``connections_reserved`` of its maximum are for administrators."""

    version: str
    started_at: datetime
    connections_used: int
    connections_max: int
    connections_reserved: int
    connections: tuple[ConnectionGroup, ...]


class DatabaseSize(msgspec.Struct, frozen=True, kw_only=True):
    """One database of a server."""

    database: str
    bytes: int


class ClusterFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How full a server was when a worker measured it."""

    version: str
    connections_used: int
    connections_max: int
    connections_reserved: int
    databases: int
    bytes: int


class ClusterMeasured(ClusterFigures, frozen=True, kw_only=True):
    """The same, with its largest databases."""

    largest: tuple[DatabaseSize, ...] = ()
