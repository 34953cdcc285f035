"""Why a request isn't let in, as the problem documents that callers get."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from router.catalog.usage import API_CALLS, STORAGE_BYTES
from router.errors import LimitReached, Reached

if TYPE_CHECKING:
    from billing.usage.leases import Account

_SECOND: Final = "requests_per_second"
_AT_ONCE: Final = "requests_at_once"
#: How often what a tenant stores is measured, about.
_MEASURED_S: Final = 3_600


def month(account: Account, upgrade_url: str, now_s: float) -> LimitReached:
    """Say that the month's calls are used, or held by other gateways for the moment."""
    assert account.limit is not None, "what isn't limited isn't refused"
    reset_s = max(1, math.ceil(account.resets_at_s - now_s))
    return LimitReached(
        f"the {account.limit:,} API calls of {account.month:%Y-%m} are used: the next ones come on "
        f"{account.resets_at:%Y-%m-%d}, or with a larger plan",
        retry_after_s=1 if account.held else reset_s,
        reached=Reached(
            metric=API_CALLS,
            limit=account.limit,
            # What others hold is mostly used by the time that this is read.
            used=max(0, account.limit - account.free),
            resets_at=account.resets_at,
            upgrade_url=upgrade_url,
        ),
    )


def too_fast(account: Account, upgrade_url: str) -> LimitReached:
    """Say that requests come faster than the plan allows."""
    assert account.limits is not None, "an account is adopted by a tenant before it is used"
    limit = account.limits.requests_per_second or 0
    return LimitReached(
        f"the plan allows {limit} requests a second: slow down, or change the plan",
        retry_after_s=1,
        reached=Reached(
            metric=_SECOND,
            limit=limit,
            used=limit,
            resets_at=datetime.fromtimestamp(math.ceil(time.time()) + 1, UTC),
            upgrade_url=upgrade_url,
        ),
    )


def at_once(account: Account, upgrade_url: str) -> LimitReached:
    """Say that too many requests are being answered already."""
    return LimitReached(
        f"the plan allows {account.at_once} requests at once: wait for one to end, or change the "
        "plan",
        retry_after_s=1,
        reached=Reached(
            metric=_AT_ONCE, limit=account.at_once, used=account.running, upgrade_url=upgrade_url
        ),
    )


def storage(account: Account, upgrade_url: str) -> LimitReached:
    """Say that the tenant stores too much to store more."""
    assert account.limits is not None, "an account is adopted by a tenant before it is used"
    limit, used = account.limits.storage_bytes or 0, account.storage_bytes or 0
    return LimitReached(
        f"{used:,} bytes are stored and the plan allows {limit:,}: delete what isn't needed, or "
        "change the plan; reading and deleting go on",
        retry_after_s=_MEASURED_S,
        reached=Reached(metric=STORAGE_BYTES, limit=limit, used=used, upgrade_url=upgrade_url),
    )
