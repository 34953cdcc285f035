"""Counters in Redis that run ahead of the ledger: they grant tokens, and may forget everything.

The truth is the ledger; Redis knows what each living gateway holds beyond it. Whatever Redis loses
costs tokens that weren't spent yet. A call that fails, or that another run of the server answers,
ends the gateway's incarnation: its tokens are void, and what it held is dropped with it.
"""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from router.errors import SettingsWrong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio.connection import AbstractConnection

#: Longer than this nobody waits for Redis: the ledger can say the same.
ANSWER_S_MAX: Final = 0.5
#: One slot, should it be a cluster.
_PREFIX: Final = "stepwell:{usage}"
_EPOCH, _GATEWAYS, _WANTED = f"{_PREFIX}:epoch", f"{_PREFIX}:gateways", f"{_PREFIX}:wanted"


class CounterLost(Exception):
    """Redis doesn't answer, or not in the name of this incarnation any more."""


class Source(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Where tokens come from; those of another source than the present one are void.

    ``gateway`` is the incarnation that Redis knows; the ledger's own tokens have none.
    """

    gateway: str = ""
    generation: str = ""


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a sign of life; ``wanted`` names accounts that somebody got nothing of."""

    generation: str
    age_s: float
    moment: int
    wanted: tuple[str, ...]


class Sight(StrEnum):
    """How a gateway knows the ledger's total."""

    #: It was told some time ago.
    KNOWN = "known"
    #: It asked for it just now.
    FRESH = "fresh"
    #: It asked, and nobody answers.
    BLIND = "blind"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for tokens. ``holds`` are calls that aren't in ``total``, the ledger's, yet."""

    account: str
    holds: int
    total: int
    limit: int
    size_max: int
    ends_at_ms: int


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens; ``committed`` is what was used or held before, ``held`` what others hold of it."""

    tokens: int
    committed: int
    held: int


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What this gateway holds of an account: tokens, and calls that the total lacks."""

    account: str
    holds: int
    total: int | None
    ends_at_ms: int


class RedisCounter:
    """One gateway's way to Redis. Its caller makes one call at a time."""

    def __init__(self, url: str, *, fence_s: float, fresh_s: float) -> None:
        try:
            # The library leaves what it takes and gives untyped: this file is where that ends.
            self._redis: Any = cast("Any", Redis).from_url(
                url,
                socket_timeout=ANSWER_S_MAX,
                socket_connect_timeout=ANSWER_S_MAX,
                retry=Retry(NoBackoff(), 0),
                redis_connect_func=self._greet,
            )
        except ValueError as error:
            raise SettingsWrong(f"STEPWELL_REDIS_URL is no address of a Redis: {error}") from error
        self._fence_ms = int(fence_s * 1_000)
        self._fresh_ms = int(fresh_s * 1_000)
        self._run = ""
        self._greetings = 0
        self._beat = self._redis.register_script(_text("beat.lua"))
        self._lease = self._redis.register_script(_text("lease.lua"))
        self._tell = self._redis.register_script(_text("tell.lua"))

    async def beat(self, gateway: str, since: int) -> Beat:
        """Give a sign of life."""
        if not self._greetings:
            await self._call(self._redis.ping(), is_first=True)
        keys = [_EPOCH, _GATEWAYS, _WANTED]
        given: list[str | int] = [self._run, gateway, self._fence_ms, since]
        generation, age_ms, moment, wanted = await self._call(self._beat(keys, given))
        return Beat(
            generation=generation.decode(),
            age_s=age_ms / 1_000,
            moment=moment,
            wanted=tuple(each.decode() for each in wanted),
        )

    async def lease(self, source: Source, wish: Wish, sight: Sight) -> Grant | None:
        """Ask for tokens; None: what is known is too old, ask the ledger first."""
        keys = [_EPOCH, _GATEWAYS, _WANTED, _key(wish.account)]
        given: list[str | int] = [
            source.generation,
            source.gateway,
            wish.holds,
            wish.limit,
            wish.size_max,
            wish.total,
            sight.value,
            self._fresh_ms,
            wish.ends_at_ms,
            wish.account,
        ]
        said, *rest = await self._call(self._lease(keys, given))
        if said == b"ask":
            return None
        if said != b"granted":
            raise CounterLost("Redis takes this gateway for dead")
        tokens, committed, held = rest
        return Grant(tokens=tokens, committed=committed, held=held)

    async def tell(self, source: Source, holdings: Sequence[Holding]) -> None:
        """Say what this gateway holds now."""
        keys = [_EPOCH, _GATEWAYS, *[_key(each.account) for each in holdings]]
        given: list[str | int] = [source.generation, source.gateway]
        for each in holdings:
            given += [each.holds, "" if each.total is None else each.total, each.ends_at_ms]
        (said,) = await self._call(self._tell(keys, given))
        if said != b"told":
            raise CounterLost("Redis takes this gateway for dead")

    async def leave(self, gateway: str) -> None:
        """Be dead to Redis at once: what is held is free again."""
        await self._call(self._redis.hdel(_GATEWAYS, gateway))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._redis.aclose()

    async def _call(self, asked: Any, *, is_first: bool = False) -> Any:  # noqa: ANN401 - Redis may answer anything
        greetings = self._greetings
        try:
            answer = await asked
        except (RedisError, OSError, TimeoutError) as error:
            raise CounterLost(str(error) or type(error).__name__) from error
        if self._greetings != greetings and not is_first:
            # It was asked over another connection than the last time: perhaps a server that was
            # started again, and that has forgotten what it said in its last second.
            raise CounterLost("the connection to Redis was made anew")
        return answer

    async def _greet(self, connection: AbstractConnection) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        said = cast("bytes", await connection.read_response()).decode()
        self._run = next(line[7:] for line in said.split() if line.startswith("run_id:"))
        self._greetings += 1


def _key(account: str) -> str:
    return f"{_PREFIX}:{account}"


def _text(name: str) -> str:
    return files("billing.usage").joinpath(name).read_text(encoding="utf-8")
