"""The quota of one gateway: each request is answered from memory, and counted there.

Calls a month are spent as tokens. Tokens come from Redis, which never grants more than the limit,
or, where there is no Redis, from the ledger, which knows nothing of what other gateways hold. Then
at most (gateways - 1) leases too many are let in, a lease being a hundredth of the limit and never
more than ``lease_max``; at the moment when Redis goes or comes back, also what other gateways let
in within ``fresh_s``. A silent catalog refuses nobody: calls are counted and recorded later.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from billing.usage import ledger
from billing.usage.counters import CounterLost, Grant, RedisCounter, Sight
from billing.usage.flush import Flusher
from billing.usage.leases import Account, lease_size
from billing.usage.refusals import at_once, month, storage, too_fast
from billing.usage.tokens import QuotaLimits, Tokens
from router.errors import PlatformError
from router.tasks import end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

    from billing.usage.counters import Source
    from router.catalog import Catalog
    from router.gateway.quota import Admission
    from router.words import Tenant, TenantId

#: What may still be done by a tenant that stores more than it may: look, and delete.
_NOT_GROWING: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
#: How long the ledger may take to answer while requests wait, and is left alone when it can't.
_LEDGER_S_MAX: Final = 1.0
_SILENCE_S: Final = 1.0
#: How long an account without requests is remembered.
_IDLE_S: Final = 300.0
_TIDY_S: Final = 30.0
#: A clock that is off by more than this was set.
_CLOCK_S: Final = 1.0
#: What keeps the ledger from being asked or written; none of it is the fault of a request.
SILENCE: Final = (
    PlatformError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
_log = structlog.get_logger("stepwell.usage")


class UsageQuota:
    """Implements router.gateway.quota.Quota. ``redis_url`` None: the ledger grants."""

    def __init__(
        self,
        catalog: Catalog,
        limits: QuotaLimits,
        *,
        redis_url: str | None,
        upgrade_url: str,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._catalog = catalog
        self._limits = limits
        self._upgrade_url = upgrade_url
        self._wall = wall
        name = secrets.token_hex(8)
        self._accounts: dict[TenantId, Account] = {}
        self._flusher = Flusher(catalog, gateway=name)
        counter = (
            None
            if redis_url is None
            else RedisCounter(redis_url, fence_s=limits.fence_s, fresh_s=limits.fresh_s)
        )
        self._tokens = Tokens(counter, limits, name=name, accounts=self._accounts)
        self._silent_until_s = 0.0
        self._tidied_s = 0.0
        #: Whose calls were recorded without Redis having been told, and when it was told of all.
        self._untold: dict[Account, None] = {}
        self._told_s = 0.0
        self._ahead_s = wall() - time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        # Beside the tasks' cancellation, which a library on the way may swallow.
        self._is_closing = False

    # ── Each request ────────────────────────────────────────────────────────────────────────────

    def try_admit(self, tenant: Tenant, method: str, now_s: float) -> Admission | None:
        """Let a request in, by what memory knows; None: only ``admit`` can tell."""
        account = self._accounts.get(tenant.id)
        if (
            account is None
            or account.limits is not tenant.limits
            or now_s >= account.ends_at_s
            or account.tat_s - now_s > account.slack_s
            or account.running >= account.at_once
            or (account.is_full and method not in _NOT_GROWING)
            or (
                account.limit is not None
                and (
                    account.left <= 0
                    or account.source is not self._tokens.source
                    or now_s >= self._tokens.until_s
                )
            )
        ):
            return None
        if not account.count:
            self._flusher.note(account)
        account.take(now_s)
        return account

    async def admit(self, tenant: Tenant, method: str) -> Admission:
        """Let a request in, or raise LimitReached; may ask Redis or the ledger first."""
        while True:
            now_s = time.monotonic()
            account = self._account(tenant, now_s)
            if not account.is_loaded:
                await self._once(account, self._load)
            elif (admission := self._try(account, tenant, method, now_s)) is not None:
                return admission
            else:
                await self._once(account, self._lease)

    def _try(self, account: Account, tenant: Tenant, method: str, now_s: float) -> Admission | None:
        """Say why a request can't be let in, unless all it lacks is a token."""
        if account.is_full and method not in _NOT_GROWING:
            raise storage(account, self._upgrade_url)
        if account.running >= account.at_once:
            raise at_once(account, self._upgrade_url)
        if account.tat_s - now_s > account.slack_s:
            raise too_fast(account, self._upgrade_url)
        admission = self.try_admit(tenant, method, now_s)
        if admission is None and now_s < account.refused_until_s:
            raise month(account, self._upgrade_url, now_s)
        return admission

    # ── Accounts ────────────────────────────────────────────────────────────────────────────────

    def _account(self, tenant: Tenant, now_s: float) -> Account:
        account = self._accounts.get(tenant.id)
        if account is None:
            account = self._accounts[tenant.id] = Account(tenant.id)
            account.seen_at_s = now_s
        if account.limits is not tenant.limits:
            if account.limits != tenant.limits:
                account.adopt(tenant.limits)
            account.limits = tenant.limits
        if now_s >= account.ends_at_s:
            wall_s = self._wall()
            self._flusher.close_hour(account, wall_s)
            account.enter(wall_s, now_s)
        return account

    async def _once(
        self, account: Account, ask: Callable[[Account], Coroutine[None, None, None]]
    ) -> None:
        """Ask once for all requests that wait for the same answer; none of them can end it."""
        if account.asking is None:
            account.asking = asyncio.get_running_loop().create_task(self._ask(account, ask))
        await asyncio.shield(account.asking)

    async def _ask(
        self, account: Account, ask: Callable[[Account], Coroutine[None, None, None]]
    ) -> None:
        try:
            await ask(account)
        finally:
            account.asking = None

    async def _load(self, account: Account) -> None:
        """Learn what the ledger has; when nobody can tell, begin with nothing."""
        await self._read(account)
        account.used = account.used or 0

    async def _read(self, account: Account) -> bool:
        """Ask the ledger for an account's total; False while the catalog is silent."""
        assert account.month is not None, "an account has entered its hour before it is used"
        if time.monotonic() < self._silent_until_s:
            return False
        try:
            async with self._catalog.connection(work_s_max=_LEDGER_S_MAX) as connection:
                totals = await ledger.read(connection, [account.tenant_id], account.month)
        except SILENCE as error:
            self._bear_silence(error)
            return False
        account.recorded(totals.month, totals.used[0])
        account.measured(totals.storage_bytes[0])
        return True

    def _bear_silence(self, error: Exception) -> None:
        now_s = time.monotonic()
        if now_s >= self._silent_until_s:
            _log.warning("ledger silent", reason=str(error) or type(error).__name__)
        self._silent_until_s = now_s + _SILENCE_S

    # ── Tokens ──────────────────────────────────────────────────────────────────────────────────

    async def _lease(self, account: Account) -> None:
        """Get tokens from wherever they come from now, or the knowledge that there are none."""
        if account.limit is None or self._tokens.are_good(account):
            return
        account.left = 0
        source = self._tokens.source
        if not (source.gateway and await self._lease_from_counter(account, source)):
            await self._lease_from_ledger(account)

    async def _lease_from_counter(self, account: Account, source: Source) -> bool:
        try:
            if await self._tokens.lease(account, source, Sight.KNOWN):
                return True
            sight = Sight.FRESH if await self._read(account) else Sight.BLIND
            return await self._tokens.lease(account, source, sight)
        except CounterLost as error:
            self._tokens.lose(source, error)
            return False

    async def _lease_from_ledger(self, account: Account) -> None:
        source, limit = self._tokens.source, account.limit
        if time.monotonic() >= self._silent_until_s:
            try:
                async with asyncio.timeout(_LEDGER_S_MAX):
                    await self._flusher.flush(self._wall())
            except SILENCE as error:
                self._bear_silence(error)
            await self._read(account)
        if limit is None or account.limit != limit:
            return
        committed = (account.used or 0) + account.unrecorded
        tokens = lease_size(limit - committed, limit=limit, size_max=self._limits.lease_max)
        self._tokens.give(account, source, Grant(tokens=tokens, committed=committed, held=0))

    # ── What goes on beside the requests ────────────────────────────────────────────────────────

    @property
    def counts_ahead(self) -> bool:
        """Whether tokens come from Redis now, which grants not one too many."""
        return self._tokens.are_counted_ahead

    async def start(self) -> None:
        """Begin to give signs of life and to record what is counted."""
        loop = asyncio.get_running_loop()
        await self._tokens.beat()
        self._tasks = [
            loop.create_task(self._beat_forever()),
            loop.create_task(self._flush_forever()),
        ]

    async def close(self) -> None:
        """Record what was counted, and give back what wasn't used."""
        self._is_closing = True
        await end(*self._tasks)
        self._tasks = []
        try:
            await self._flusher.flush(self._wall())
        except SILENCE as error:
            lost = sum(account.unrecorded for account in self._accounts.values())
            _log.error("calls not recorded", calls=lost, reason=str(error) or type(error).__name__)
        await self._tokens.close()

    async def _flush_forever(self) -> None:
        while not self._is_closing:
            await asyncio.sleep(self._limits.flush_s)
            try:
                await self.flush()
            except SILENCE as error:
                self._bear_silence(error)
            except Exception:  # noqa: BLE001 - whatever it is, the next calls are recorded too
                _log.exception("flush failed")

    async def _beat_forever(self) -> None:
        while not self._is_closing:
            await asyncio.sleep(self._limits.beat_s)
            try:
                await self._tokens.give_back(await self._tokens.beat())
            except Exception:  # noqa: BLE001 - without beats tokens become void, and the ledger grants
                _log.exception("beat failed")

    async def flush(self) -> None:
        """Record what was counted, and tell Redis."""
        self._heed_clock()
        recorded = await self._flusher.flush(self._wall())
        now_s = time.monotonic()
        for account in recorded:
            account.seen_at_s = now_s
        await self._tokens.tell([*self._due(recorded, now_s), *self._forget(now_s)])

    def _due(self, recorded: Iterable[Account], now_s: float) -> list[Account]:
        """Choose of whom Redis must hear: at once where little is left, of the rest now and then.

        What it doesn't hear of is held by this gateway in its eyes, and used by nobody twice.
        """
        self._untold.update(dict.fromkeys(recorded))
        is_round = now_s - self._told_s >= self._limits.told_s
        due = [each for each in self._untold if is_round or each.is_tight]
        self._told_s = now_s if is_round else self._told_s
        for each in due:
            del self._untold[each]
        return due

    def _heed_clock(self) -> None:
        """Let every account look again which hour it is, if the clock was set."""
        ahead_s = self._wall() - time.monotonic()
        if abs(ahead_s - self._ahead_s) > _CLOCK_S:
            for account in self._accounts.values():
                account.ends_at_s = float("-inf")
        self._ahead_s = ahead_s

    def _forget(self, now_s: float) -> list[Account]:
        """Drop the accounts that nobody used for long; returns those that held tokens."""
        if now_s - self._tidied_s < _TIDY_S:
            return []
        self._tidied_s = now_s
        idle = [
            each
            for each in self._accounts.values()
            if now_s - each.seen_at_s > _IDLE_S
            and not (each.unrecorded or each.running or each.asking)
        ]
        held = [each for each in idle if each.left > 0 and each.limit is not None]
        for each in idle:
            each.left = 0
            del self._accounts[each.tenant_id]
        return held


@contextlib.asynccontextmanager
async def counting(quota: UsageQuota) -> AsyncGenerator[UsageQuota]:
    """Let a quota count, and record everything at the end."""
    await quota.start()
    try:
        yield quota
    finally:
        await quota.close()
