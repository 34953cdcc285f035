"""Token arithmetic, and what one process remembers of one tenant's use: no clock, no network."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import Task
    from datetime import date

    from billing.usage.counters import Source
    from router.words import Limits, TenantId

#: A lease is at most this part of the limit, and this part of what is left.
_OF_LIMIT: Final = 100
_OF_FREE: Final = 8
#: How long a tenant may save up what it doesn't ask for at once.
BURST_S: Final = 1.0
_TIGHT: Final = 4
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_ROUNDING_S: Final = 1e-9
_MANY: Final = 2**31
_INSTANT: Final = timedelta(microseconds=1)


def lease_size(free: int, *, limit: int, size_max: int) -> int:
    """Return how many tokens to grant of those that are free: fewer, the fewer there are.

    lease.lua says the same.
    """
    size = max(1, min(size_max, limit // _OF_LIMIT, free // _OF_FREE))
    return max(0, min(size, free))


class Account:
    """One tenant in one process: its tokens, its counts, and what it is limited to.

    It is also the admission of each request that it lets in.
    """

    __slots__ = (
        "asking",
        "at_once",
        "count",
        "ends_at_ms",
        "ends_at_s",
        "free",
        "held",
        "hour",
        "is_full",
        "left",
        "limit",
        "limits",
        "month",
        "name",
        "pending",
        "policy",
        "refused_until_s",
        "resets_at",
        "resets_at_s",
        "running",
        "seen_at_s",
        "slack_s",
        "source",
        "step_s",
        "storage_bytes",
        "tat_s",
        "tenant_id",
        "used",
        "warned",
    )

    def __init__(self, tenant_id: TenantId) -> None:
        self.tenant_id = tenant_id
        self.limits: Limits | None = None
        self.limit: int | None = None
        #: Tokens that may be spent, while their source is the process's own.
        self.left = 0
        self.source: Source | None = None
        #: The one question about this account that is on its way, for all requests that wait.
        self.asking: Task[None] | None = None
        #: Admitted since the last report, and reported without an answer yet.
        self.count = 0
        self.pending = 0
        self.running = 0
        self.at_once = 0
        #: When the next request is due if they came evenly (GCRA), how far apart they are then,
        #: and how much too early one may come.
        self.tat_s = -math.inf
        self.step_s = 0.0
        self.slack_s = math.inf
        #: The hour that is counted now, on the process's own clock until when, and its month.
        self.hour = 0
        self.ends_at_s = -math.inf
        self.month: date | None = None
        self.resets_at = datetime.fromtimestamp(0, UTC)
        self.resets_at_s = math.inf
        #: What Redis calls this account in this month, and when it may forget it.
        self.name = ""
        self.ends_at_ms = 0
        #: What the ledger had; None before anybody could ask it.
        self.used: int | None = None
        #: What nobody holds, and what others hold, when tokens were granted last.
        self.free = 0
        self.held = 0
        self.refused_until_s = -math.inf
        self.storage_bytes: int | None = None
        self.is_full = False
        self.warned = 0
        self.policy = b""
        self.seen_at_s = 0.0

    # ── Each request ────────────────────────────────────────────────────────────────────────────

    def take(self, now_s: float) -> None:
        """Let one request in, which was found to be allowed."""
        self.left -= 1
        self.count += 1
        self.running += 1
        # Not max(): this is the hottest line, and a comparison costs a quarter.
        self.tat_s = (now_s if now_s > self.tat_s else self.tat_s) + self.step_s  # noqa: FURB136 - see above

    def release(self) -> None:
        """Know that an admitted request has ended."""
        self.running -= 1

    def headers(self, now_s: float) -> list[tuple[bytes, bytes]]:
        """Say what is allowed and what is left of it, as far as this process remembers."""
        if self.limit is None:
            return [(b"ratelimit-policy", self.policy)] if self.policy else []
        left = max(0, self.free + self.left)
        reset_s = max(0, int(self.resets_at_s - now_s))
        return [
            (b"ratelimit-policy", self.policy),
            (b"ratelimit", b'"month";r=%d;t=%d' % (left, reset_s)),
        ]

    # ── Limits and time ─────────────────────────────────────────────────────────────────────────

    @property
    def unrecorded(self) -> int:
        """How many calls were let in that the ledger isn't known to have."""
        return self.count + self.pending

    @property
    def is_loaded(self) -> bool:
        """Whether the ledger was asked, or needn't be: nothing that it knows is limited."""
        assert self.limits is not None, "an account is adopted by a tenant before it is used"
        return self.used is not None or (self.limit is None and self.limits.storage_bytes is None)

    @property
    def is_tight(self) -> bool:
        """Whether so little is left that others may soon ask for what this process holds."""
        return self.limit is not None and self.free * _TIGHT < self.limit

    def adopt(self, limits: Limits) -> None:
        """Hold the tenant to other limits from now on. Tokens of the old ones are void."""
        self.limits = limits
        self.limit = limits.api_calls_per_month
        self.left = 0
        self.free = 0
        self.refused_until_s = -math.inf
        self.warned = 0
        rate = limits.requests_per_second
        self.step_s = BURST_S / rate if rate else 0.0
        # The small part more is what adding floats may cost.
        self.slack_s = math.inf if rate is None else BURST_S - self.step_s + _ROUNDING_S
        if rate == 0:
            self.slack_s = -math.inf
        at_once = limits.requests_at_once
        self.at_once = _MANY if at_once is None else at_once
        self.measured(self.storage_bytes)
        self._set_policy()

    def enter(self, wall_s: float, now_s: float) -> None:
        """Begin the hour in which a moment lies; what was counted before must have been taken."""
        assert self.count == 0, "an hour's count is taken before the next one begins"
        self.hour = int(wall_s) // _HOUR_S
        self.ends_at_s = now_s + (self.hour + 1) * _HOUR_S - wall_s
        at = datetime.fromtimestamp(self.hour * _HOUR_S, UTC)
        month = at.date().replace(day=1)
        following = (at.replace(day=28, hour=0) + timedelta(days=4)).replace(day=1)
        self.resets_at_s = now_s + following.timestamp() - wall_s
        if month == self.month:
            return
        self.resets_at = following
        self.name = f"{self.tenant_id}:{month:%Y-%m}"
        self.ends_at_ms = int(following.timestamp() + _DAY_S) * 1_000
        is_first, self.month = self.month is None, month
        self.left, self.warned, self.refused_until_s = 0, 0, -math.inf
        self.used = None if is_first else 0
        self._set_policy()

    def recorded(self, month: date, used: int) -> None:
        """Believe the ledger's total; one that was read earlier is smaller and changes nothing."""
        if month == self.month:
            self.used = max(self.used or 0, used)

    def measured(self, storage_bytes: int | None) -> None:
        """Believe a measurement; None changes nothing but what it is compared with."""
        if storage_bytes is not None:
            self.storage_bytes = storage_bytes
        limit = self.limits.storage_bytes if self.limits is not None else None
        self.is_full = (
            limit is not None and self.storage_bytes is not None and self.storage_bytes >= limit
        )

    def at(self, wall_s: float) -> datetime:
        """Return when the counted calls were made: now, or the end of an hour that is over."""
        if int(wall_s) // _HOUR_S == self.hour:
            # Cut off: a moment that is rounded up may be of the next hour, or month.
            micros = int(wall_s % 1 * 1e6)
            return datetime.fromtimestamp(int(wall_s), UTC) + micros * _INSTANT
        return datetime.fromtimestamp((self.hour + 1) * _HOUR_S, UTC) - _INSTANT

    def _set_policy(self) -> None:
        parts: list[str] = []
        if self.limit is not None and self.month is not None:
            days = (self.resets_at.date() - self.month).days
            parts.append(f'"month";q={self.limit};w={days * _DAY_S}')
        if self.limits is not None and self.limits.requests_per_second is not None:
            parts.append(f'"second";q={self.limits.requests_per_second};w=1')
        self.policy = ", ".join(parts).encode()
