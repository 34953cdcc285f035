"""From counts in memory to the ledger: every call once, whatever breaks on the way.

A report whose fate isn't known is sent again as it was, under its key. Until it is through, what is
counted meanwhile stays in the accounts, so that a silent catalog costs no memory that grows with
the number of requests: at most one number a tenant and hour, and a tenant and month beyond that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from billing.usage import ledger
from billing.usage.ledger import Line, Report, Total, Warned
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
        self._closed.append(self._take(account, wall_s))
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
        taken = self._closed + [self._take(account, wall_s) for account in self._dirty]
        self._closed, self._dirty = [], {}
        self._chunks = [
            taken[start : start + LINES_MAX] for start in range(0, len(taken), LINES_MAX)
        ]

    def _take(self, account: Account, wall_s: float) -> Counted:
        quantity, account.count = account.count, 0
        account.pending += quantity
        return Counted(account, quantity, account.at(wall_s))

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
        lines: dict[tuple[TenantId, datetime], int] = {}
        for account, quantity, at in chunk:
            key = (account.tenant_id, at)
            lines[key] = lines.get(key, 0) + quantity
        self._sequence += 1
        return Report(
            key=f"{self._gateway}:{self._sequence}",
            lines=tuple(
                Line(tenant_id=tenant_id, quantity=quantity, at=at)
                for (tenant_id, at), quantity in lines.items()
            ),
        )

    async def _record(self, report: Report, accounts: dict[TenantId, Account]) -> None:
        async with self._catalog.transaction(work_s_max=REPORT_S_MAX) as connection:
            totals = await ledger.record(connection, report)
            totals += await _of_the_rest(connection, accounts, totals)
            warned = [each for total in totals for each in _warn(accounts[total.tenant_id], total)]
            for each in warned:
                await ledger.notify(connection, each)
        for total in totals:
            account = accounts[total.tenant_id]
            account.recorded(total.month, total.used)
            account.measured(total.storage_bytes)
        for each in warned:
            account = accounts[each.tenant_id]
            account.warned = max(account.warned, each.percent)


async def _of_the_rest(
    connection: Connection, accounts: dict[TenantId, Account], totals: list[Total]
) -> list[Total]:
    """Read the totals of a report that turns out to have been recorded before."""
    rest = accounts.keys() - {total.tenant_id for total in totals}
    month = max((each.month for each in accounts.values() if each.month), default=None)
    if not rest or month is None:
        return []
    return await ledger.read(connection, [*rest], month)


def _warn(account: Account, total: Total) -> list[Warned]:
    limit = account.limit
    if not limit or total.month != account.month:
        return []
    return [
        Warned(
            tenant_id=account.tenant_id,
            metric=API_CALLS,
            percent=percent,
            used=total.used,
            limit=limit,
            period=f"{total.month:%Y-%m}",
        )
        for percent in _WARNINGS
        if percent > account.warned and total.used * 100 >= limit * percent
    ]


def _by_month(closed: list[Counted]) -> list[Counted]:
    found: dict[tuple[TenantId, int, int], Counted] = {}
    for each in closed:
        key = (each.account.tenant_id, each.at.year, each.at.month)
        known = found.get(key)
        found[key] = (
            each
            if known is None
            else known._replace(quantity=known.quantity + each.quantity, at=max(known.at, each.at))
        )
    return [*found.values()]
