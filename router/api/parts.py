"""What the platform's own routes need of the house, given to them and never imported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from router.catalog import Catalog
from router.catalog.archives import Export
from router.catalog.invitations import IssuedInvitation
from router.catalog.move_news import MoveNews
from router.catalog.move_words import Rehearsal, TableSize
from router.catalog.moves import Begun, By, Goal
from router.catalog.operations import Operation
from router.catalog.passwords import Passwords
from router.catalog.proofs import Proofs
from router.catalog.servers import ServerSeen
from router.catalog.wave_watch import WaveWatch
from router.catalog.wave_words import Migration, Rules
from router.connect import Connection
from router.directory import Directory
from router.dispatch import Dispatch
from router.outside import Outside
from router.records import Records
from router.sealing import Sealer
from router.words import Placement, Tenant


class Provisioning(Protocol):
    """Gives a tenant its place."""

    async def record(
        self, connection: Connection, tenant: Tenant, *, cluster: str | None = None
    ) -> Operation:
        """Choose a place and record the operation, in the transaction that made the tenant."""
        ...

    async def run(self, operation_id: UUID) -> Operation:
        """Do it now; returns the operation as it ended or as it stands."""
        ...

    async def start(self, operation_id: UUID) -> None:
        """Begin it, and return. Whatever becomes of this process, a worker continues."""
        ...


class Promoting(Protocol):
    """Begins moves, and knows what would be moved."""

    async def check(self, goal: Goal, by: By) -> str | None:
        """Refuse a goal that can't be reached; return the cluster it leads to, which answers."""
        ...

    async def foresee(self, goal: Goal, by: By) -> Rehearsal:
        """Refuse what would be refused, and tell the rest; nothing of it is kept."""
        ...

    async def record(
        self, connection: Connection, goal: Goal, by: By, *, cluster: str | None
    ) -> Begun:
        """Pin the tenant and record what brings it there, in one transaction."""
        ...

    async def after_settling(self, begun: Begun) -> Begun:
        """Wait until an earlier move is settled and the wanted one recorded."""
        ...

    async def sizes(self, tenant: Tenant) -> tuple[TableSize, ...]:
        """Count a tenant's rows, table by table; raises Unavailable where that takes too long."""
        ...


class Migrating(Protocol):
    """Begins migrations of the product."""

    @property
    def revisions(self) -> Sequence[str]:
        """Return the revisions of this process's product, the oldest first."""
        ...

    async def record(
        self, connection: Connection, rules: Rules, by: By, *, to: str | None
    ) -> Migration:
        """Record one in a transaction; refuse a revision that can't be run beside customers."""
        ...


class Revisions(Protocol):
    """Knows which revision of the product a place is at."""

    async def revision_of(self, placement: Placement) -> str | None:
        """Return the revision; None when the place can't be asked now."""
        ...


class Servers(Protocol):
    """Asks a cluster's server how it is, for no longer than somebody would wait."""

    async def look(self, cluster: str) -> ServerSeen:
        """Return what it says now; raises PlatformError when it doesn't answer in time."""
        ...


class AgreedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that sales agreed with a tenant: it stands over whatever the tenant buys."""

    plan: str
    reason: str
    until: datetime | None = None


class BillingTold(msgspec.Struct, frozen=True, kw_only=True):
    """What holds of a tenant's billing beside what was bought, as the provider was seen last.

    ``basis`` is what the plan rests on; ``is_behind``: the provider is being asked again.
    """

    basis: str
    customer_id: str | None
    bought_plan: str | None
    subscription: str | None
    subscription_status: str | None
    seen_at: datetime | None
    is_behind: bool
    problem: str | None
    error: str | None


class Billing(Protocol):
    """Knows who buys which plan."""

    def is_bought(self, plan: str) -> bool:
        """Whether a plan has to be paid for before it is granted."""
        ...

    async def first_checkout_url(self, tenant: Tenant, *, email: str, plan: str) -> str | None:
        """Return where a new tenant buys its plan; None while the provider doesn't answer."""
        ...

    async def told(self, tenant: Tenant) -> BillingTold:
        """Say what a tenant's plan rests on."""
        ...

    async def agree(self, connection: Connection, tenant: Tenant, agreed: AgreedPlan) -> None:
        """Give a tenant what was agreed, in the transaction that records who agreed it."""
        ...


class WantedCopy(msgspec.Struct, frozen=True, kw_only=True):
    """As whom an archive is restored; what isn't given is what the archive says."""

    slug: str
    plan: str | None = None
    owner: str | None = None
    cluster: str | None = None


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A new tenant that is to hold an archive's rows."""

    tenant: Tenant
    operation: Operation
    invitation: IssuedInvitation | None


class KeptArchives(Protocol):
    """Keeps the files of archives, and knows what is done with them."""

    def check_kept(self) -> None:
        """Raise Conflict where no files are kept."""
        ...

    def path_of(self, export: Export) -> Path:
        """Return where the file of an export lies."""
        ...

    async def remove(self, export_id: UUID) -> None:
        """Delete the file of an export."""
        ...

    async def restore(
        self,
        connection: Callable[[], Awaitable[Connection]],
        export: Export,
        wanted: WantedCopy,
        by: By,
    ) -> Copy:
        """Record a new tenant that is filled from a file, once that was looked at."""
        ...

    async def check_leaving(self, tenant: Tenant) -> None:
        """Raise Conflict for a tenant that may not be erased as it stands."""
        ...


class SourceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one source address may do: failed tries in a quarter of an hour, letters in an hour."""

    tries_max: int
    mails_max: int


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What one process is made of, as far as its platform routes are concerned.

    ``ops_token_hash`` is None when operators have no way in over HTTP. ``fingerprint_key`` keeps
    the fingerprint of a log-in from being a plain hash of the password.
    """

    catalog: Catalog
    directory: Directory
    dispatch: Dispatch
    sealer: Sealer
    #: Which keys the seals of the audit are signed with.
    audit_keys: Sequence[bytes]
    passwords: Passwords
    provisioning: Provisioning
    promoting: Promoting
    move_news: MoveNews
    migrating: Migrating
    wave_watch: WaveWatch
    revisions: Revisions
    servers: Servers
    billing: Billing
    ops_token_hash: bytes | None
    fingerprint_key: bytes
    proofs: Proofs
    archives: KeptArchives
    #: How long a tenant that is to be erased may be taken back.
    deletion_wait: timedelta
    #: For what a person names and we ask: an identity provider.
    outside: Outside
    #: What the DNS says of the domains that tenants claim.
    records: Records
    #: How long a domain whose record is gone is served on.
    domain_grace: timedelta
    #: Where the site lives, without its port: no tenant's domain is here.
    site_host: str
    source_limits: SourceLimits
    #: Whether an address is proved before anything is made for it.
    is_sign_up_by_mail: bool
    #: Where people log in; passkeys are made for this place and no other.
    site_url: str
    #: Where a tenant's people get a larger plan.
    upgrade_url: str
    #: How long staff may have access to a tenant's rows, before they ask again.
    access_minutes_max: int
    body_bytes_max: int
    request_deadline_s: float
