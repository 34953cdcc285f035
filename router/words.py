"""The nouns of the platform, as values: DESIGN.md §1 in code."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import msgspec

TenantId: TypeAlias = UUID


class Tier(StrEnum):
    """How much of PostgreSQL a tenant has to itself."""

    ROWS = "rows"
    SCHEMA = "schema"
    DATABASE = "database"


class ClusterRole(StrEnum):
    """Whether a cluster's databases are shared by tenants or belong to one each."""

    SHARED = "shared"
    DEDICATED = "dedicated"


class Isolation(StrEnum):
    """Whose login serves a tenant: the router's shared one, or one of the tenant's own."""

    SHARED = "shared"
    STRICT = "strict"


class TenantStatus(StrEnum):
    """Whether a tenant is served, and if not, why."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    SUSPENDED = "suspended"
    ERASED = "erased"


class Standing(StrEnum):
    """What a tenant may do, as far as its payments are concerned."""

    GOOD = "good"
    #: A payment is overdue or the plan was left: everything goes on until a date that was told.
    GRACE = "grace"
    #: That date has passed: reads are served, writes are refused.
    READ_ONLY = "read_only"


class Mode(StrEnum):
    """What a lease may do. The letter is the capability's purpose: gate/gate.sql."""

    WRITE = "w"
    READ = "r"
    MOVE = "m"


class Consistency(StrEnum):
    """A lease's isolation level, spelled as SQL spells it."""

    READ_COMMITTED = "READ COMMITTED"
    REPEATABLE_READ = "REPEATABLE READ"
    SERIALIZABLE = "SERIALIZABLE"


class Placement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a tenant's rows are now. ``epoch`` grows by one at every move and is never reused."""

    tier: Tier
    cluster: str
    database: str
    schema: str
    login: str
    epoch: int


class PlaceRevision(msgspec.Struct, frozen=True, kw_only=True):
    """At which revision of the product a place is, as this process was told last.

    None is of a place that nobody told of. ``differs_how`` says, for callers, how it isn't the
    revision of this process's product. ``mark`` ends each statement's text where it isn't, so that
    no connection takes a statement that was prepared for other tables.
    """

    revision: str | None = None
    differs_how: str | None = None
    mark: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan allows; None means by contract, without a number of ours.

    ``requests_per_second`` and ``requests_at_once`` bound what one gateway serves a tenant.
    """

    api_calls_per_month: int | None = None
    seats: int | None = None
    storage_bytes: int | None = None
    statement_timeout_ms: int = 5_000
    requests_per_second: int | None = None
    requests_at_once: int | None = None
    features: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant pays for, at one version of the price list."""

    name: str
    version: int
    tier: Tier
    limits: Limits


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """A customer account as the directory remembers it. ``placement`` is None until provisioned."""

    id: TenantId
    slug: str
    name: str
    status: TenantStatus
    isolation: Isolation
    plan: str
    limits: Limits
    placement: Placement | None
    pinned_tier: Tier | None = None
    standing: Standing = Standing.GOOD
    standing_until: datetime | None = None

    @property
    def tier(self) -> Tier | None:
        """The tier that serves the tenant now, whatever its plan says."""
        return self.placement.tier if self.placement else None


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL server that holds tenants. ``capacity`` counts tenants.

    ``pooler`` is the address of a PgBouncer in transaction mode that serves the cluster's logins;
    the platform's own work always goes to the server itself. ``pooler_statements`` says that it
    carries prepared statements over (PgBouncer 1.21 with ``max_prepared_statements``).
    ``is_reserved``: it is a customer's own, so nobody goes there who wasn't sent there by name.
    """

    name: str
    role: ClusterRole
    region: str
    capacity: int
    host: str
    port: int
    shared_database: str
    maintenance_database: str = "postgres"
    pooler: tuple[str, int] | None = None
    pooler_statements: bool = False
    is_reserved: bool = False


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """A table's rows of one tenant, summed up: equal digests mean equal rows, in every tier."""

    table: str
    rows: int
    digest: str
