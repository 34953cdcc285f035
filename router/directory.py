"""The directory: what this process remembers of the catalog, so that a request needn't ask it.

A stale directory is harmless, as the gate refuses an old placement. So it serves what it knows
while the catalog is silent, and guesses nothing of what it doesn't know.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
import structlog

from router.catalog import clusters, gate_keys, plans, tenants
from router.catalog.news import DIRECTORY_CHANNEL, follow
from router.credentials import Credentials
from router.errors import CatalogUnreachable, Misconfigured, PlatformError
from router.memory import Changes, Memory
from router.names import is_slug
from router.questions import QuestionLimits, Questions
from router.revisions import Revisions
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from router.catalog import Catalog
    from router.catalog.gate_keys import GateKeyIds
    from router.connect import Connection
    from router.fleet import ClusterAccess
    from router.sealing import Sealer
    from router.words import Placement, PlaceRevision, Plan, Tenant, TenantId

_PAGE_ITEMS: Final = 500
_ASKED_AGAIN_MAX: Final = 5
_REPEAT_S: Final = 0.5
_NOTE_S: Final = 60.0
#: A wave tells of its places many times a second; they are read together.
_REVISIONS_S: Final = 0.1
_log = structlog.get_logger(__name__)


class DirectoryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``whole`` keeps every tenant; otherwise ``entries_max`` of them, those asked for lately.

    ``time_limit_s`` bounds how long a lost piece of news can matter.
    """

    whole: bool = True
    entries_max: int = 20_000
    credentials_max: int = 20_000
    time_limit_s: float = 300.0
    questions: QuestionLimits = QuestionLimits()


class News(msgspec.Struct, frozen=True):
    """One message of the catalog: what kind of thing changed, and which."""

    kind: str
    id: str


class Directory:
    """Tenants, credentials, clusters, plans and gate keys, kept true by the catalog's news.

    ``by_…`` answers from memory in well under a microsecond; ``resolve_…`` asks the catalog for
    what isn't there and raises CatalogUnreachable when nobody can say.
    """

    def __init__(
        self,
        catalog: Catalog,
        sealer: Sealer,
        limits: DirectoryLimits | None = None,
        *,
        revisions: Sequence[str] = (),
    ) -> None:
        self._catalog = catalog
        self._sealer = sealer
        self._limits = limits or DirectoryLimits()
        self._memory = Memory(entries_max=None if self._limits.whole else self._limits.entries_max)
        self._changes = Changes()
        self._questions = Questions(self._ask_tenant, self._limits.questions)
        self.credentials = Credentials(
            catalog,
            entries_max=self._limits.credentials_max,
            questions=self._limits.questions,
        )
        self._revisions = Revisions(catalog, revisions)
        self._changed: set[TenantId] = set()
        self._is_fleet_changed = False
        self._are_revisions_changed = False
        self._revisions_read_s = 0.0
        self._wake = asyncio.Event()
        self._reading = asyncio.Lock()
        self._tried = asyncio.Event()
        self._problem: PlatformError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._access: dict[str, ClusterAccess] = {}
        self._plans: dict[str, Plan] = {}
        self._gate_keys: GateKeyIds | None = None
        self.is_live = False

    # ── From memory ─────────────────────────────────────────────────────────────────────────────

    def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant that has or had this slug, if this process knows it."""
        entry = self._memory.by_slug.get(slug)
        if entry is None:
            return None
        entry.is_used = True
        return entry.tenant

    def by_id(self, tenant_id: TenantId) -> Tenant | None:
        """Return the tenant, if this process knows it."""
        entry = self._memory.by_id.get(tenant_id)
        if entry is None:
            return None
        entry.is_used = True
        return entry.tenant

    def by_domain(self, name: str) -> Tenant | None:
        """Return the tenant whose verified domain this is, if this process knows it."""
        entry = self._memory.by_domain.get(name)
        if entry is None:
            return None
        entry.is_used = True
        return entry.tenant

    def access(self, cluster: str) -> ClusterAccess | None:
        """Return a cluster with its administrator's address."""
        return self._access.get(cluster)

    def clusters(self) -> list[ClusterAccess]:
        """Return every cluster."""
        return [*self._access.values()]

    def plan(self, name: str) -> Plan | None:
        """Return a plan at its current version."""
        return self._plans.get(name)

    def gate_keys(self) -> GateKeyIds:
        """Return which keys the gates hold; raises CatalogUnreachable before anything was read."""
        if self._gate_keys is None:
            raise CatalogUnreachable("this process hasn't read the catalog yet")
        return self._gate_keys

    def gate_key_id(self) -> int:
        """Return the key that routers sign with now."""
        return self.gate_keys().current

    def revision_of(self, placement: Placement) -> PlaceRevision:
        """Return at which revision of the product a place is, as far as this process was told."""
        return self._revisions.of(placement)

    @property
    def tenant_count(self) -> int:
        """How many tenants this process knows."""
        return len(self._memory.by_id)

    # ── From the catalog, where memory has nothing ──────────────────────────────────────────────

    async def resolve_slug(self, slug: str) -> Tenant | None:
        """Return the tenant that has or had this slug, or None: there is none."""
        if not is_slug(slug):
            return None
        return self.by_slug(slug) or await self._questions.ask(slug)

    async def resolve_domain(self, name: str) -> Tenant | None:
        """Return the tenant whose verified domain this is, or None: there is none."""
        if not tenants.is_domain(name):
            return None
        return self.by_domain(name) or await self._questions.ask(name)

    async def resolve_id(self, tenant_id: TenantId) -> Tenant | None:
        """Return the tenant, or None: there is none."""
        return self.by_id(tenant_id) or await self._questions.ask(tenant_id)

    async def refresh(self, tenant_id: TenantId) -> Tenant | None:
        """Read a tenant again, though it is known: a gate says that it is elsewhere."""
        return await self._questions.ask_anew(tenant_id)

    def learn(self, tenant_id: TenantId, placement: Placement) -> None:
        """Believe a gate that knows a newer placement than the catalog's news told."""
        self._memory.learn(tenant_id, placement)

    def doubt_revision(self, placement: Placement) -> None:
        """Believe PostgreSQL, which knows of other tables than the catalog's news told."""
        self._revisions.doubt(placement)

    # ── Its life ────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Begin to listen, and read once; an unreachable catalog is read as soon as it answers.

        Raises Misconfigured when what was read can't be used, as with another SECRET_KEY.
        """
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(follow(self._catalog, DIRECTORY_CHANNEL, self)),
            loop.create_task(self._keep_fresh()),
            loop.create_task(self._keep_time()),
            loop.create_task(self._keep_notes()),
        ]
        await self._tried.wait()
        if isinstance(self._problem, Misconfigured):
            await self.close()
            raise self._problem

    async def close(self) -> None:
        """Stop listening; what is remembered stays readable."""
        await end(*self._tasks)
        self._tasks = []
        await self._questions.close()
        await self.credentials.close()
        self.is_live = False

    def heard(self, payload: str) -> None:
        """Take one message of the catalog."""
        try:
            news = msgspec.json.decode(payload, type=News)
            self._take(news)
        except ValueError:
            _log.warning("news_not_understood", payload=payload[:200])

    async def connected(self) -> None:
        """Read everything again: what was said before this moment was missed."""
        await self._read_all()
        self.is_live = True
        self._problem = None
        self._tried.set()

    def lost(self, error: PlatformError) -> None:
        """Serve what is known until the catalog answers again."""
        self.is_live = False
        self._problem = error
        self._tried.set()

    def _take(self, news: News) -> None:
        match news.kind:
            case "tenant" | "placement":
                tenant_id = UUID(news.id)
                self._changes.note(tenant_id)
                self._questions.forget_unknown(tenant_id)
                if self._limits.whole or tenant_id in self._memory.by_id:
                    self._changed.add(tenant_id)
            case "slug" | "domain":
                self._changes.note(news.id)
                self._questions.forget_unknown(news.id)
                self._memory.forget_domain(news.id)
            case "revision":
                if not self._are_revisions_changed:
                    self._are_revisions_changed = True
                    rest_s = self._revisions_read_s + _REVISIONS_S - time.monotonic()
                    asyncio.get_running_loop().call_later(max(rest_s, 0.0), self._wake.set)
                return
            case "cluster" | "plan" | "gate_key":
                self._is_fleet_changed = True
            case "account" | "session" | "api_key" | "role":
                self.credentials.heard(news.kind, news.id)
            case _:
                _log.warning("news_not_understood", kind=news.kind)
        self._wake.set()

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────

    async def _ask_tenant(self, key: str | TenantId) -> Tenant | None:
        tenant: Tenant | None = None
        for _ in range(_ASKED_AGAIN_MAX):
            with self._changes.reading() as is_old:
                async with self._catalog.connection() as connection:
                    tenant = await _find(connection, key)
                if not is_old(key) and (tenant is None or not is_old(tenant.id)):
                    break
        if tenant is None:
            if isinstance(key, UUID):
                self._memory.forget([key])
            return None
        entry = self._memory.put(tenant)
        if isinstance(key, str):
            name = self._memory.name_domain if "." in key else self._memory.name_slug
            name(entry, key)
        return entry.tenant

    async def _keep_fresh(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._read_changed()
            except PlatformError as error:
                _log.warning("news_not_read", reason=error.detail)
                await asyncio.sleep(_REPEAT_S)
                self._wake.set()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(self._limits.time_limit_s)
            try:
                await self._read_all()
            except PlatformError as error:
                _log.warning("catalog_not_read", reason=error.detail)

    async def _keep_notes(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_S)
            with contextlib.suppress(PlatformError):
                await self.credentials.note_used()

    async def _read_changed(self) -> None:
        async with self._reading:
            if self._is_fleet_changed:
                await self._read_fleet()
            if self._are_revisions_changed:
                await self._read_revisions(self._revisions.read_changed)
            while self._changed:
                page = [*self._changed][:_PAGE_ITEMS]
                self._changed.difference_update(page)
                try:
                    await self._read_page(page)
                except BaseException:
                    self._changed.update(page)
                    raise

    async def _read_all(self) -> None:
        async with self._reading:
            await self._read_fleet()
            await self._read_revisions(self._revisions.read_all)
            await self.credentials.read_all()
            self._questions.forget_all_unknown()
            if self._limits.whole:
                await self._read_whole()
            else:
                for name in [*self._memory.by_domain]:
                    self._memory.forget_domain(name)
                known = [*self._memory.by_id]
                for start in range(0, len(known), _PAGE_ITEMS):
                    await self._read_page(known[start : start + _PAGE_ITEMS])

    async def _read_fleet(self) -> None:
        self._is_fleet_changed = False
        try:
            async with self._catalog.connection() as connection:
                found = await clusters.list_access(connection, self._sealer)
                self._plans = {plan.name: plan for plan in await plans.list_all(connection)}
                self._gate_keys = await gate_keys.read(connection)
        except BaseException:
            self._is_fleet_changed = True
            raise
        self._access = {access.cluster.name: access for access in found}

    async def _read_revisions(self, read: Callable[[], Awaitable[None]]) -> None:
        self._are_revisions_changed = False
        self._revisions_read_s = time.monotonic()
        try:
            await read()
        except BaseException:
            self._are_revisions_changed = True
            raise

    async def _read_page(self, tenant_ids: Sequence[TenantId]) -> None:
        with self._changes.reading() as is_old:
            async with self._catalog.connection() as connection:
                found = await tenants.find_many(connection, tenant_ids)
            self._put(found, is_old)
            gone = set(tenant_ids).difference(tenant.id for tenant in found)
            self._memory.forget(tenant_id for tenant_id in gone if not is_old(tenant_id))

    async def _read_whole(self) -> None:
        with self._changes.reading() as is_old:
            seen: set[TenantId] = set()
            after: TenantId | None = None
            while True:
                async with self._catalog.connection() as connection:
                    page = await tenants.page_by_id(connection, after=after, items_max=_PAGE_ITEMS)
                self._put(page, is_old)
                seen.update(tenant.id for tenant in page)
                if len(page) < _PAGE_ITEMS:
                    break
                after = page[-1].id
            gone = [key for key in self._memory.by_id if key not in seen and not is_old(key)]
            self._memory.forget(gone)
            await self._read_names(is_old)

    async def _read_names(self, is_old: Callable[[Hashable], bool]) -> None:
        async with self._catalog.connection() as connection:
            old_slugs = await tenants.old_slugs(connection)
            domains = dict(await tenants.domains(connection))
        for slug, tenant_id in old_slugs:
            if (entry := self._memory.by_id.get(tenant_id)) is not None:
                self._memory.name_slug(entry, slug)
        for name in [*self._memory.by_domain]:
            if name not in domains and not is_old(name):
                self._memory.forget_domain(name)
        for name, tenant_id in domains.items():
            if not is_old(name) and (entry := self._memory.by_id.get(tenant_id)) is not None:
                self._memory.name_domain(entry, name)

    def _put(self, found: Sequence[Tenant], is_old: Callable[[Hashable], bool]) -> None:
        for tenant in found:
            # What changed while we read is on the list of what changed, and is read again.
            if not is_old(tenant.id):
                self._memory.put(tenant)


async def _find(connection: Connection, key: str | TenantId) -> Tenant | None:
    if isinstance(key, UUID):
        return await tenants.find_by_id(connection, key)
    find = tenants.find_by_domain if "." in key else tenants.find_by_slug
    return await find(connection, key)
