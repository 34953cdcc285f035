"""Everything one process is made of, put together in one place: the only one that knows it all."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from billing.usage.quota import UsageQuota
from billing.usage.tokens import QuotaLimits
from dedicated_tier import DatabaseStore
from deploy.house import check_packages
from deploy.settings import is_local
from migrations.product.render import blueprint_of
from pool_tier.rows import RowsStore
from pool_tier.schemas import SchemasStore
from router.catalog import Catalog, audit_chain
from router.connect import parse_dsn
from router.directory import Directory, DirectoryLimits
from router.dispatch import Dispatch
from router.fleet import Fleet
from router.lease import Timeouts
from router.pool import Budget, PoolLimits
from router.product.plug import load
from router.records import Records
from router.sealing import Sealer
from router.sources import Sources
from router.tasks import end
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from deploy.settings import Settings
    from router.store import Store


def secret_keys_of(settings: Settings) -> list[bytes]:
    """Return the secret keys: the first seals and signs, every one is believed."""
    return [key.strip().encode() for key in settings.secret_key.split(",")]


class Platform:
    """The parts of a gateway or a worker, made from its settings; nothing is connected yet."""

    def __init__(self, settings: Settings) -> None:
        check_packages()
        secret_keys = secret_keys_of(settings)
        self.settings = settings
        self.loaded = load(settings.product)
        self.blueprint = blueprint_of(self.loaded)
        self.sealer = Sealer(secret_keys)
        self.audit_keys = audit_chain.seal_keys(secret_keys)
        self.catalog = Catalog(parse_dsn(settings.database_url, name="STEPWELL_DATABASE_URL"))
        self.directory = Directory(
            self.catalog,
            self.sealer,
            DirectoryLimits(
                whole=False,
                entries_max=settings.directory_entries_max,
                time_limit_s=settings.directory_time_limit_s,
            ),
            revisions=[revision for revision, _ in self.blueprint.applied],
        )
        self.records = Records(settings.dns_servers)
        self.fleet = Fleet(
            secret_keys[0], access=self.directory.access, key_id=self.directory.gate_key_id
        )
        self.sources = Sources(Budget(settings.connections_max), pools_max=settings.pools_max)
        self.stores = self._stores()
        self.dispatch = Dispatch(self.stores, self.fleet, self.directory, self._timeouts())
        self.upgrade_url = site_url(settings.base_domain) + "/upgrade"
        #: Counts nothing until a gateway starts it.
        self.quota = UsageQuota(
            self.catalog,
            QuotaLimits(flush_s=settings.usage_flush_s, lease_max=settings.usage_lease_max),
            redis_url=settings.redis_url,
            upgrade_url=self.upgrade_url,
        )

    def _stores(self) -> Mapping[Tier, Store]:
        stored, settings = self.loaded.stored, self.settings
        return {
            Tier.ROWS: RowsStore(
                self.fleet, self.sources, stored, limits=self._limits(settings.rows_pool_size)
            ),
            Tier.SCHEMA: SchemasStore(
                self.fleet,
                self.sources,
                stored,
                limits=self._limits(settings.schema_pool_size),
                blueprint=self.blueprint,
                subpools=settings.schema_subpools,
            ),
            Tier.DATABASE: DatabaseStore(
                self.fleet,
                self.sources,
                stored,
                limits=self._limits(settings.database_pool_size),
                blueprint=self.blueprint,
            ),
        }

    def _limits(self, size_max: int) -> PoolLimits:
        return PoolLimits(
            size_max=size_max,
            waiters_max=self.settings.pool_waiters_max,
            wait_s_max=self.settings.pool_wait_s_max,
            idle_s_max=self.settings.pool_idle_s_max,
            lifetime_s_max=self.settings.pool_lifetime_s_max,
        )

    def _timeouts(self) -> Mapping[Tier, Timeouts]:
        timeouts = Timeouts(
            lock_ms=self.settings.lock_timeout_ms, idle_ms=self.settings.idle_in_transaction_ms
        )
        return dict.fromkeys(Tier, timeouts)


def site_url(base_domain: str) -> str:
    """Return where the site is: in the clear only on the machine that it runs on."""
    return f"{'http' if is_local(base_domain) else 'https'}://{base_domain}"


@contextlib.asynccontextmanager
async def running(platform: Platform) -> AsyncGenerator[Platform]:
    """Connect a platform's parts, and let go of everything at the end."""
    reaper = asyncio.get_running_loop().create_task(platform.sources.reap_forever())
    try:
        await platform.directory.start()
        yield platform
    finally:
        await platform.directory.close()
        await end(reaper)
        await platform.sources.close()
        await platform.catalog.close()
