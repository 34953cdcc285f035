"""Where a gateway's tokens come from: Redis while it answers in time, else the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
import structlog

from billing.usage.counters import CounterLost, Grant, Holding, RedisCounter, Sight, Source, Wish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing.usage.leases import Account
    from router.words import TenantId

#: How long a refusal is repeated from memory before anybody is asked again.
_REFUSED_S: Final = 0.25
_TOLD_AT_ONCE: Final = 200
_log = structlog.get_logger("stepwell.usage")


class QuotaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often things are done. ``fence_s`` is how long a gateway may be silent before its tokens
    are void; ``fresh_s``, how long a total of the ledger is believed; ``told_s``, how long Redis
    may lack one while much is left.
    """

    flush_s: float = 1.0
    lease_max: int = 1_000
    beat_s: float = 0.5
    fence_s: float = 2.0
    fresh_s: float = 2.0
    told_s: float = 5.0

    @property
    def grace_s(self) -> float:
        """How old a generation is when what was held before it is void, or recorded."""
        return self.fence_s + max(self.flush_s, self.fresh_s) + self.beat_s


class Tokens:
    """One gateway's tokens, of all tenants. Only those of ``source`` count, until ``until_s``."""

    def __init__(
        self,
        counter: RedisCounter | None,
        limits: QuotaLimits,
        *,
        name: str,
        accounts: Mapping[TenantId, Account],
    ) -> None:
        self._counter = counter
        self._limits = limits
        self._name = name
        self._accounts = accounts
        self._incarnation = 0
        self._generation = ""
        self._since = 0
        # One call at a time, so that what a call says is held is what is held when it arrives.
        self._calling = asyncio.Lock()
        self.source = Source()
        self.until_s = math.inf

    @property
    def are_counted_ahead(self) -> bool:
        """Whether Redis grants now: not one too many."""
        return bool(self.source.gateway) and time.monotonic() < self.until_s

    def are_good(self, account: Account) -> bool:
        """Tell whether an account has tokens that may be spent."""
        return (
            account.left > 0 and account.source is self.source and time.monotonic() < self.until_s
        )

    def give(self, account: Account, source: Source, grant: Grant) -> None:
        """Let an account spend tokens, or know that there are none."""
        assert account.limit is not None, "whoever isn't limited needs no tokens"
        account.left, account.source = grant.tokens, source
        account.free = account.limit - grant.committed - grant.tokens
        account.held = grant.held
        account.seen_at_s = time.monotonic()
        if not grant.tokens:
            account.refused_until_s = account.seen_at_s + _REFUSED_S

    async def lease(self, account: Account, source: Source, sight: Sight) -> bool:
        """Ask Redis; False: ask the ledger first. Raises CounterLost when Redis isn't believed."""
        assert self._counter is not None, "a source with a gateway's name is a counter's"
        async with self._calling:
            if self.source is not source or time.monotonic() >= self.until_s:
                raise CounterLost("its signs of life came too late")
            name, limit = account.name, account.limit
            if limit is None:
                return True
            wish = Wish(
                account=name,
                holds=account.unrecorded,
                total=account.used or 0,
                limit=limit,
                size_max=self._limits.lease_max,
                ends_at_ms=account.ends_at_ms,
            )
            grant = await self._counter.lease(source, wish, sight)
            if grant is not None and (account.name, account.limit) == (name, limit):
                self.give(account, source, grant)
        return grant is not None

    async def tell(self, accounts: Sequence[Account]) -> None:
        """Tell Redis what this gateway holds of some accounts now, and what the ledger has."""
        source, limited = self.source, [each for each in accounts if each.limit is not None]
        if self._counter is None or not source.gateway:
            return
        for start in range(0, len(limited), _TOLD_AT_ONCE):
            async with self._calling:
                if self.source is not source:
                    return
                # One that was forgotten may have been met again while we waited.
                chunk = [
                    self._accounts.get(each.tenant_id, each)
                    for each in limited[start : start + _TOLD_AT_ONCE]
                ]
                try:
                    await self._counter.tell(source, [_holding(each, source) for each in chunk])
                except CounterLost as error:
                    self.lose(source, error)
                    return

    async def beat(self) -> tuple[str, ...]:
        """Give a sign of life; returns the accounts that somebody got nothing of."""
        if self._counter is None:
            return ()
        async with self._calling:
            sent_s, gateway = time.monotonic(), f"{self._name}.{self._incarnation}"
            try:
                beat = await self._counter.beat(gateway, self._since)
            except CounterLost as error:
                self.lose(self.source, error)
                return ()
            self._since = beat.moment
            known, self._generation = self._generation, beat.generation
            if known not in {"", beat.generation}:
                self.lose(self.source, CounterLost("Redis began a new generation"))
            elif self.source.gateway == gateway:
                self.until_s = sent_s + self._limits.fence_s
            elif beat.age_s >= self._limits.grace_s:
                self.source = Source(gateway=gateway, generation=beat.generation)
                self.until_s = sent_s + self._limits.fence_s
                _log.info("tokens come from redis", gateway=gateway)
        return beat.wanted

    async def give_back(self, wanted: Sequence[str]) -> None:
        """Give up the tokens of accounts where somebody else got none."""
        given: list[Account] = []
        for name in wanted:
            account = self._accounts.get(UUID(name.partition(":")[0]))
            if account is not None and account.name == name and account.left > 0:
                account.left = 0
                given.append(account)
        await self.tell(given)

    def lose(self, source: Source, error: CounterLost) -> None:
        """Let the ledger grant from now on, until a new incarnation is heard by Redis."""
        if self.source is not source:
            return
        # What is asked under the old name and still on its way isn't answered for.
        self._incarnation += 1
        if source.gateway:
            _log.warning("tokens come from the ledger", reason=str(error))
            self.source, self.until_s = Source(), math.inf

    async def close(self) -> None:
        """Be dead to Redis at once, so that what is held is free again."""
        if self._counter is not None:
            with contextlib.suppress(CounterLost):
                await self._counter.leave(f"{self._name}.{self._incarnation}")
            await self._counter.close()


def _holding(account: Account, source: Source) -> Holding:
    held = account.left if account.source is source else 0
    return Holding(
        account=account.name,
        holds=max(0, held) + account.unrecorded,
        total=account.used,
        ends_at_ms=account.ends_at_ms,
    )
