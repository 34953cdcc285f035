"""Banners: what people have to know on every page of a workspace, from facts alone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from router.catalog.access_words import AccessMode
from router.catalog.usage import API_CALLS, STORAGE_BYTES
from router.months import month_of
from router.words import Standing, TenantStatus
from web.rendering import day, moment, number, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from router.api.access import AccessSeen
    from router.api.tenant import TenantWhole

#: The share of a limit from which on it is told, beside all of it.
WARNED_PERCENT: Final = 80
_WHOLE_PERCENT: Final = 100
_LARGER: Final = ("/billing", "See the plans")
_CLOSED: Final = {
    TenantStatus.PROVISIONING: "This workspace is still being made.",
    TenantStatus.MAINTENANCE: "This workspace is in maintenance: it answers no requests for now.",
    TenantStatus.SUSPENDED: "This workspace is suspended: it answers no requests. Ask our support.",
}


_MAY: Final = {AccessMode.READ: "read", AccessMode.WRITE: "read and write"}


class Banner(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence, with where to go about it. ``path`` is under the workspace's own."""

    said: str
    is_bad: bool = False
    path: str | None = None
    label: str = ""


def banners(tenant: TenantWhole, now: datetime) -> list[Banner]:
    """Say what there is to say, the gravest first."""
    told = [
        *_of_end(tenant),
        *_of_status(tenant),
        *_of_standing(tenant),
        *_of_limits(tenant, now),
    ]
    return sorted(told, key=lambda banner: not banner.is_bad)


def banners_of_accesses(accesses: Iterable[AccessSeen]) -> list[Banner]:
    """Say who of our own people is in the rows now, and why."""
    return [
        Banner(
            said=f"{each.by} of our staff may {_MAY[each.mode]} the rows of this workspace until "
            f"{moment(each.ends_at)}: {each.reason} ({each.ticket}).",
            is_bad=each.mode is AccessMode.WRITE,
            path=f"/access/{each.id}",
            label="See what is done",
        )
        for each in accesses
    ]


def _of_end(tenant: TenantWhole) -> Iterator[Banner]:
    if tenant.ends_at is not None:
        said = f"This workspace and all its rows are erased on {day(tenant.ends_at)}."
        yield Banner(said=said, is_bad=True, path="/data", label="See how to keep it")


def _of_status(tenant: TenantWhole) -> Iterator[Banner]:
    if tenant.status in _CLOSED:
        yield Banner(said=_CLOSED[tenant.status], is_bad=tenant.status is TenantStatus.SUSPENDED)


def _of_standing(tenant: TenantWhole) -> Iterator[Banner]:
    if tenant.standing is Standing.READ_ONLY:
        said = "What is due wasn't paid: rows can be read, and not changed."
        yield Banner(said=said, is_bad=True, path="/billing", label="See what is due")
    elif tenant.standing is Standing.GRACE:
        until = day(tenant.standing_until) or "a day that you will be told"
        said = f"Something is due: everything goes on until {until}, then rows can only be read."
        yield Banner(said=said, path="/billing", label="See what is due")


def _of_limits(tenant: TenantWhole, now: datetime) -> Iterator[Banner]:
    used, limits = tenant.usage or {}, tenant.limits
    calls, calls_max = used.get(API_CALLS, 0), limits.api_calls_per_month
    percent = _percent(calls, calls_max)
    if percent >= _WHOLE_PERCENT:
        anew = day(month_of(now).ends_at)
        said = (
            f"All {number(calls_max)} API calls of this month are used; they count anew on {anew}."
        )
        yield _limit(said, is_bad=True)
    elif percent >= WARNED_PERCENT:
        said = f"{number(calls)} of {number(calls_max)} API calls of this month are used."
        yield _limit(said)
    stored, stored_max = used.get(STORAGE_BYTES, 0), limits.storage_bytes
    percent = _percent(stored, stored_max)
    if percent >= _WHOLE_PERCENT:
        said = f"All {size(stored_max)} of storage are used: only reading and deleting goes on."
        yield _limit(said, is_bad=True)
    elif percent >= WARNED_PERCENT:
        yield _limit(f"{size(stored)} of {size(stored_max)} of storage are used.")


def _limit(said: str, *, is_bad: bool = False) -> Banner:
    path, label = _LARGER
    return Banner(said=said, is_bad=is_bad, path=path, label=label)


def _percent(used: int, limit: int | None) -> int:
    """Return whole percents, rounded down: what isn't reached isn't told."""
    if limit is None:
        return 0
    return used * _WHOLE_PERCENT // limit if limit else _WHOLE_PERCENT
