"""From counts in memory to the ledger: every call once, whatever breaks on the way.

A report whose fate isn't known is sent again as it was, under its key. Until it is through, what is
counted meanwhile stays in the accounts, so that a silent catalog costs no memory that grows with
the number of requests: at most one number a tenant and hour, and a tenant and month beyond that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from billing.usage import ledger
from billing.usage.ledger import Part, Report, Totals, Warned
from router.catalog.usage import API_CALLS

if TYPE_CHECKING:
    from datetime import datetime

    from billing.usage.leases import Account
    from router.catalog import Catalog
    from router.connect import Connection
    from router.words import TenantId

#: Lines of one transaction: tenants' totals are locked until it ends.
LINES_MAX: Final = 2_000
#: Counts of hours that are over and not recorded yet, before they are summed up by month.
CLOSED_MAX: Final = 500_000
#: How long a report may take; then its fate isn't known.
REPORT_S_MAX: Final = 5.0
_WARNINGS: Final = (80, 100)


class Counted(NamedTuple):
    """Calls of one account, and when they were made."""

    account: Account
    quantity: int
    at: datetime


class Flusher:
    """One gateway's pen. ``gateway`` is a name that no other process has or had."""

    def __init__(self, catalog: Catalog, *, gateway: str, closed_max: int = CLOSED_MAX) -> None:
        self._catalog = catalog
        self._gateway = gateway
        self._closed_max = closed_max
        self._sequence = 0
        #: An ordered set.
        self._dirty: dict[Account, None] = {}
        self._closed: list[Counted] = []
        self._chunks: list[list[Counted]] = []
        self._report: Report | None = None
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many numbers wait to be recorded."""
        return len(self._dirty) + len(self._closed) + sum(map(len, self._chunks))

    def note(self, account: Account) -> None:
        """Know that an account has begun to count."""
        self._dirty[account] = None

    def close_hour(self, account: Account, wall_s: float) -> None:
        """Take an account's count away, for the hour that it was made in."""
        if not account.count:
            return
        del self._dirty[account]
        self._closed.append(_take(account, account.at(wall_s)))
        if len(self._closed) > self._closed_max:
            self._closed = _by_month(self._closed)
            # What is left can't be fewer; without this, each hour would sum it up again.
            self._closed_max = max(self._closed_max, 2 * len(self._closed))

    async def flush(self, wall_s: float) -> list[Account]:
        """Record everything; returns whose. Raises what keeps it from that; nothing is lost."""
        recorded: list[Account] = []
        async with self._writing:
            await self._send(recorded)
            self._cut(wall_s)
            await self._send(recorded)
        return recorded

    def _cut(self, wall_s: float) -> None:
        moments: dict[int, datetime] = {}
        taken = self._closed
        for account in self._dirty:
            at = moments.get(account.hour)
            if at is None:
                at = moments[account.hour] = account.at(wall_s)
            taken.append(_take(account, at))
        self._closed, self._dirty = [], {}
        self._chunks = [
            taken[start : start + LINES_MAX] for start in range(0, len(taken), LINES_MAX)
        ]

    async def _send(self, recorded: list[Account]) -> None:
        while self._chunks:
            chunk = self._chunks[0]
            if self._report is None:
                self._report = self._write(chunk)
            await self._record(
                self._report, {each.account.tenant_id: each.account for each in chunk}
            )
            for account, quantity, _ in chunk:
                account.pending -= quantity
                recorded.append(account)
            self._report = None
            del self._chunks[0]

    def _write(self, chunk: list[Counted]) -> Report:
        # A clock that was set back may count two pieces at one moment; the ledger would keep one.
        parts: dict[datetime, dict[TenantId, int]] = {}
        for account, quantity, at in chunk:
            part = parts.setdefault(at, {})
            part[account.tenant_id] = part.get(account.tenant_id, 0) + quantity
        self._sequence += 1
        return Report(
            key=f"{self._gateway}:{self._sequence}",
            parts=tuple(
                Part(at=at, tenant_ids=[*part], quantities=[*part.values()])
                for at, part in parts.items()
            ),
        )

    async def _record(self, report: Report, accounts: dict[TenantId, Account]) -> None:
        async with self._catalog.transaction(work_s_max=REPORT_S_MAX) as connection:
            found = [await ledger.record(connection, report.key, part) for part in report.parts]
            found += await _of_the_rest(connection, accounts, found)
            warned = [each for totals in found for each in _warn(accounts, totals)]
            for each in warned:
                await ledger.notify(connection, each)
        for totals in found:
            _learn(accounts, totals)
        for each in warned:
            account = accounts[each.tenant_id]
            account.warned = max(account.warned, each.percent)


def _take(account: Account, at: datetime) -> Counted:
    quantity, account.count = account.count, 0
    account.pending += quantity
    return Counted(account, quantity, at)


async def _of_the_rest(
    connection: Connection, accounts: dict[TenantId, Account], found: list[Totals]
) -> list[Totals]:
    """Read the totals of a report that turns out to have been recorded before."""
    rest = accounts.keys() - {each for totals in found for each in totals.tenant_ids}
    month = max((each.month for each in accounts.values() if each.month), default=None)
    if not rest or month is None:
        return []
    return [await ledger.read(connection, [*rest], month)]


def _learn(accounts: dict[TenantId, Account], totals: Totals) -> None:
    for tenant_id, used, storage_bytes in zip(
        totals.tenant_ids, totals.used, totals.storage_bytes, strict=True
    ):
        account = accounts[tenant_id]
        account.recorded(totals.month, used)
        if storage_bytes != account.storage_bytes:
            account.measured(storage_bytes)


def _warn(accounts: dict[TenantId, Account], totals: Totals) -> list[Warned]:
    found: list[Warned] = []
    for tenant_id, used in zip(totals.tenant_ids, totals.used, strict=True):
        account = accounts[tenant_id]
        limit = account.limit
        if not limit or used * 100 < limit * _WARNINGS[0] or totals.month != account.month:
            continue
        found += [
            Warned(
                tenant_id=tenant_id,
                metric=API_CALLS,
                percent=percent,
                used=used,
                limit=limit,
                period=f"{totals.month:%Y-%m}",
            )
            for percent in _WARNINGS
            if percent > account.warned and used * 100 >= limit * percent
        ]
    return found


def _by_month(closed: list[Counted]) -> list[Counted]:
    found: dict[tuple[TenantId, int, int], Counted] = {}
    for each in closed:
        key = (each.account.tenant_id, each.at.year, each.at.month)
        known = found.get(key)
        if known is not None:
            quantity, at = known.quantity + each.quantity, max(known.at, each.at)
            each = Counted(each.account, quantity, at)  # noqa: PLW2901 - the sum takes its place
        found[key] = each
    return [*found.values()]
