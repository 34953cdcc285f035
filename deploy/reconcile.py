"""Makes fact follow desire: whoever changed a plan or a pin, the worker notices within a second.

It looks when the catalog tells of a change and by the clock, so a lost message costs a second. Any
number of workers may look at once: each decision is made under the tenant's lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import structlog

from deploy.promoting import Promoting, list_misplaced, list_recent
from promotion.shape import shape_of
from promotion.side import Side
from promotion.sizes import measure
from promotion.wanted import Nothing
from router.catalog import audit, moves, tenants
from router.catalog.moving import ACTOR
from router.catalog.news import DIRECTORY_CHANNEL, follow
from router.errors import PlatformError
from router.sql import load
from router.words import Tenant, TenantStatus, Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.platform import Platform
    from router.catalog.move_words import TableSize
    from router.connect import Connection
    from router.words import Placement, TenantId

#: Between such looks only tenants are looked at where something happened.
WHOLE_LOOK_S = 60.0
#: A tenant that can't be moved isn't tried again before this, unless it changes.
REST_S = 60.0
SIZE_ROUND_S = 3_600.0
#: A catalog transaction may begin this long before its change can be seen.
_BLIND_S = 30.0
_PAGE_ITEMS = 200
_SIZE_PAUSE_S = 0.05
_SQL = load("deploy", "promoting.sql")
_log = structlog.get_logger("stepwell.reconcile")


class _News(msgspec.Struct):
    kind: str
    id: str | None


class Reconciler:
    """Looks for tenants that aren't where they are wanted, and records what brings them there."""

    def __init__(self, platform: Platform, promoting: Promoting) -> None:
        self._catalog = platform.catalog
        self._pause_s = platform.settings.reconcile_s
        self._promoting = promoting
        self._wake = asyncio.Event()
        self._is_blind = True
        self._resting_until_s: dict[TenantId, float] = {}

    async def keep(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._catalog, DIRECTORY_CHANNEL, self))
            group.create_task(self._look_for_ever())

    def heard(self, payload: str) -> None:
        """Take what changed: a tenant that rested is looked at again."""
        news = msgspec.json.decode(payload, type=_News)
        if news.kind in {"tenant", "plan", "cluster"}:
            self._is_blind |= news.kind != "tenant"
            if news.kind == "tenant":
                self._resting_until_s = {
                    tenant_id: until_s
                    for tenant_id, until_s in self._resting_until_s.items()
                    if str(tenant_id) != news.id
                }
            self._wake.set()

    async def connected(self) -> None:
        """Look at all: what was said before this moment was missed."""
        self._is_blind = True
        self._wake.set()

    def lost(self, error: PlatformError) -> None:
        """Go on by the clock."""

    async def look(self, *, within: timedelta | None) -> int:
        """Look once at all tenants, or where something happened of late; returns what was done."""
        done, after, among = 0, None, None
        if within is not None:
            async with self._catalog.connection() as connection:
                among = await list_recent(connection, within)
            if not among:
                return 0
        while True:
            async with self._catalog.connection() as connection:
                found = await list_misplaced(connection, among, after=after, items_max=_PAGE_ITEMS)
            for tenant_id in found:
                done += await self._heed(tenant_id)
            if len(found) < _PAGE_ITEMS:
                return done
            after = found[-1]

    async def _look_for_ever(self) -> None:
        whole_s = time.monotonic()
        while True:
            if self._is_blind or time.monotonic() >= whole_s:
                self._is_blind, whole_s = False, time.monotonic() + WHOLE_LOOK_S
                await self.look(within=None)
            else:
                await self.look(within=timedelta(seconds=self._pause_s + _BLIND_S))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._pause_s)
            self._wake.clear()

    async def _heed(self, tenant_id: TenantId) -> bool:
        now_s = time.monotonic()
        if self._resting_until_s.get(tenant_id, now_s) > now_s:
            return False
        self._resting_until_s.pop(tenant_id, None)
        try:
            outcome = await self._promoting.reconcile(tenant_id)
        except PlatformError as error:
            self._resting_until_s[tenant_id] = now_s + REST_S
            _log.warning("tenant not moved", tenant=str(tenant_id), reason=error.detail)
            return False
        if isinstance(outcome.decision, Nothing):
            return False
        _log.info("decided", tenant=str(tenant_id), decision=str(outcome.decision))
        return True


class SizeRule:
    """Finds tenants that have grown too large for shared tables; off until it has a number."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._shape = shape_of(platform.loaded.stored)

    @property
    def is_on(self) -> bool:
        """Whether there is a number to compare with."""
        settings = self._platform.settings
        return settings.promote_rows_max is not None or settings.promote_bytes_max is not None

    async def keep(self) -> None:
        """Go round until cancelled."""
        while self.is_on:
            await self.look()
            await asyncio.sleep(SIZE_ROUND_S)
        await asyncio.Event().wait()

    async def look(self) -> int:
        """Look once at every tenant in shared tables; returns how many were too large."""
        found, page = 0, list[Tenant]()
        while True:
            async with self._platform.catalog.connection() as connection:
                page = await tenants.page_by_id(
                    connection, after=page[-1].id if page else None, items_max=_PAGE_ITEMS
                )
            for tenant in page:
                if tenant.status is TenantStatus.ACTIVE and tenant.tier is Tier.ROWS:
                    found += await self._judge(tenant)
                    await asyncio.sleep(_SIZE_PAUSE_S)
            if len(page) < _PAGE_ITEMS:
                return found

    async def _judge(self, tenant: Tenant) -> bool:
        if tenant.pinned_tier is not None or tenant.placement is None:
            return False
        try:
            told = self._too_large(await self._sizes(tenant, tenant.placement))
            if told is None:
                return False
            return await self._act(tenant, told)
        except (PlatformError, asyncpg.PostgresError, OSError) as error:
            _log.warning("tenant not measured", tenant=str(tenant.id), reason=str(error))
            return False

    async def _sizes(self, tenant: Tenant, placement: Placement) -> Sequence[TableSize]:
        side = Side(fleet=self._platform.fleet, tenant_id=tenant.id, placement=placement)
        return await measure(side, self._shape)

    def _too_large(self, sizes: Sequence[TableSize]) -> str | None:
        """Say what is beyond its limit."""
        settings = self._platform.settings
        rows, size = sum(each.rows for each in sizes), sum(each.bytes for each in sizes)
        if settings.promote_rows_max is not None and rows > settings.promote_rows_max:
            return f"{rows} rows are more than {settings.promote_rows_max}"
        if settings.promote_bytes_max is not None and size > settings.promote_bytes_max:
            return f"{size} bytes are more than {settings.promote_bytes_max}"
        return None

    async def _act(self, tenant: Tenant, told: str) -> bool:
        async with self._platform.catalog.transaction() as connection:
            await moves.hold_tenant(connection, tenant.id)
            record = await tenants.get(connection, str(tenant.id))
            if record.tenant.pinned_tier is not None or record.tenant.placement != tenant.placement:
                return False
            deed = audit.Deed(
                actor=ACTOR,
                action="promotion.propose",
                target=tenant.slug,
                tenant_id=tenant.id,
                reason=f"size rule: {told}",
                detail={"tier": Tier.SCHEMA},
            )
            if self._platform.settings.size_rule == "promote":
                deed = msgspec.structs.replace(deed, action="tenant.pin")
                await tenants.pin(
                    connection,
                    tenant.id,
                    tier=Tier.SCHEMA,
                    cluster=record.pinned_cluster,
                    reason=f"size rule: {told}",
                )
            elif not await _propose(connection, tenant, told):
                return False
            await audit.write(connection, deed)
        _log.info("tenant too large for shared tables", tenant=str(tenant.id), told=told)
        return True


async def _propose(connection: Connection, tenant: Tenant, told: str) -> bool:
    payload = moves.encoded({"tier": Tier.SCHEMA, "reason": told})
    return await connection.fetchval(_SQL["propose"], tenant.id, payload) is not None
