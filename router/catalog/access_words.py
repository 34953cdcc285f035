"""What is said of staff's access to a tenant's rows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from router.words import TenantId


class AccessMode(StrEnum):
    """What an access may do with the rows."""

    READ = "read"
    WRITE = "write"


class AccessState(StrEnum):
    """Where an access stands. What nobody entered within a day has lapsed."""

    REQUESTED = "requested"
    READY = "ready"
    ACTIVE = "active"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    DENIED = "denied"
    LAPSED = "lapsed"


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something: ``actor`` for the audit, ``name`` for the rule of four eyes."""

    actor: str
    name: str
    reason: str | None = None
    request_id: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    tenant: str
    mode: AccessMode
    ticket: str
    minutes: int


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One access. ``ended_by`` is null when it ended by itself."""

    id: UUID
    tenant_id: TenantId
    slug: str
    mode: AccessMode
    reason: str
    ticket: str
    minutes: int
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    begun_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    requests: int
    state: AccessState


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """An access with the token that opens it, which can't be shown again."""

    access: Access
    token: str


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came. ``path`` with the names of the query's values, and without these."""

    request_id: str
    method: str
    path: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One request in a transcript. ``status`` is null while it runs, or when it was broken off."""

    position: int
    at: datetime
    request_id: str
    method: str
    path: str
    status: int | None
    statements: tuple[str, ...]
