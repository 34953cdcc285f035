"""The sweep: compares every account with the provider, and repairs what no event told of.

With every webhook lost the tenants still come to equal the provider. It changes nothing itself: an
account that differs is marked, and the syncer asks again, so that a sweep is no race of its own.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog
from msgspec.structs import replace

from billing import accounts, inbox, life, verdicts
from router.catalog import looks
from router.catalog.looks import LookKind
from router.errors import PlatformError
from router.words import Standing, TenantId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing.life_words import Account, Verdict
    from billing.policy import BillingPolicy
    from billing.provider import Provider
    from billing.seen import Seen, SeenEvent
    from billing.sync import Syncer
    from router.catalog import Catalog

PAGE_ITEMS = 100
#: A provider that fails so often is away: the sweep ends, and says where it stopped.
FAILURES_MAX = 20
#: Of more differences, or failures, the first ones are kept for the console.
KEPT_MAX = 100
_log = structlog.get_logger("stepwell.billing")


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says: each subscription with its status, and what it leads to."""

    plan: str
    standing: Standing
    subscriptions: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant that didn't equal the provider, and what was done about it."""

    tenant_id: TenantId
    ours: Side
    theirs: Side
    done: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An account, or a customer that is nobody's, about which nothing could be found out."""

    about: str
    reason: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep found. ``stopped_after``: where the next one may go on, if it didn't finish."""

    accounts_looked: int = 0
    events_found: int = 0
    customers_adopted: int = 0
    differences: tuple[Difference, ...] = ()
    failures: tuple[Failure, ...] = ()
    is_complete: bool = False
    stopped_after: TenantId | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the newest comparison: the counts, and the first of what it found."""

    accounts_looked: int
    events_found: int
    customers_adopted: int
    is_complete: bool
    differences: int
    failures: int
    first_differences: tuple[Difference, ...]
    first_failures: tuple[Failure, ...]

    @classmethod
    def of(cls, report: Report) -> Compared:
        """Keep as much of a report as somebody looks through."""
        return cls(
            accounts_looked=report.accounts_looked,
            events_found=report.events_found,
            customers_adopted=report.customers_adopted,
            is_complete=report.is_complete,
            differences=len(report.differences),
            failures=len(report.failures),
            first_differences=report.differences[:KEPT_MAX],
            first_failures=report.failures[:KEPT_MAX],
        )


class _ProviderAwayError(Exception):
    """So much failed that the rest would fail too."""


class Sweep:
    """One comparison after another; ``run`` is one of them."""

    def __init__(
        self, catalog: Catalog, provider: Provider, policy: BillingPolicy, syncer: Syncer
    ) -> None:
        self._catalog = catalog
        self._provider = provider
        self._policy = policy
        self._syncer = syncer
        self._slots = asyncio.Semaphore(policy.looks_at_once)

    async def keep(self, told: Callable[[Report], None]) -> None:
        """Compare on schedule until cancelled."""
        after: TenantId | None = None
        while True:
            report = await self.run(after=after)
            told(report)
            # Whoever always began anew would never come to those behind what always fails.
            after = report.stopped_after
            await asyncio.sleep(self._policy.reconcile_s)

    async def run(
        self,
        *,
        after: TenantId | None = None,
        progress: Callable[[Report], None] | None = None,
    ) -> Report:
        """Compare every account, from the one after ``after``; then adopt, then fetch events.

        What it found is kept until the next one.
        """
        report = await self._run(after, progress)
        try:
            async with self._catalog.connection() as connection:
                await looks.end(
                    connection, LookKind.COMPARISON, self._provider.name, Compared.of(report)
                )
        except PlatformError as error:
            _log.warning("comparison not kept", reason=error.detail)
        return report

    async def _run(
        self, after: TenantId | None, progress: Callable[[Report], None] | None
    ) -> Report:
        tally = _Tally(Report(stopped_after=after), progress)
        try:
            await self._compare_all(tally, after)
            await self._adopt_all(tally)
            await self._fetch_events(tally)
        except _ProviderAwayError:
            return tally.report
        except PlatformError as error:
            tally.add_failure("the provider", error.detail)
            return tally.report
        tally.put(replace(tally.report, is_complete=True, stopped_after=None))
        return tally.report

    async def _compare_all(self, tally: _Tally, after: TenantId | None) -> None:
        while True:
            async with self._catalog.connection() as connection:
                page = await accounts.page(
                    connection, self._provider.name, after=after, items_max=PAGE_ITEMS
                )
            async with asyncio.TaskGroup() as group:
                for tenant_id in page:
                    group.create_task(self._compare(tally, tenant_id))
            if len(tally.report.failures) >= FAILURES_MAX:
                raise _ProviderAwayError
            if len(page) < PAGE_ITEMS:
                return
            after = page[-1]
            tally.put(replace(tally.report, stopped_after=after))

    async def _compare(self, tally: _Tally, tenant_id: TenantId) -> None:
        async with self._slots:
            if len(tally.report.failures) >= FAILURES_MAX:
                return
            try:
                difference = await self._difference(tenant_id)
            except PlatformError as error:
                tally.add_failure(f"tenant {tenant_id}", error.detail)
            except Exception as error:  # noqa: BLE001 - one bad account must not stop the others
                _log.exception("account not compared", tenant=str(tenant_id))
                tally.add_failure(f"tenant {tenant_id}", f"{type(error).__name__}: {error}")
            else:
                tally.add_looked(difference)

    async def _difference(self, tenant_id: TenantId) -> Difference | None:
        async with self._catalog.connection() as connection:
            account = await accounts.get(connection, tenant_id)
        seen = None
        if account is not None and account.customer_id is not None:
            async with asyncio.timeout(self._policy.look_s_max):
                seen = await self._provider.look(account.customer_id)
            if (doubt := life.doubt(account, seen)) is not None:
                raise PlatformError(doubt)
        async with self._catalog.transaction() as connection:
            # Read again: what a syncer wrote meanwhile is no difference.
            account = await accounts.get(connection, tenant_id)
            if account is None:
                return None
            case = await verdicts.read_case(connection, account)
            now = seen.at if seen else case.now
            verdict = life.judge(case.held, seen, case.offer, now=now, policy=self._policy)
            ours, theirs = _ours(account, case.held.plan), _theirs(verdict, seen)
            if case.is_erased or (ours == theirs and _is_same(account.seen, seen)):
                return None
            await accounts.mark_dirty(connection, tenant_id)
        outcome = await self._syncer.sync(tenant_id)
        return Difference(
            tenant_id=tenant_id, ours=ours, theirs=theirs, done=_done(ours, theirs, outcome)
        )

    async def _adopt_all(self, tally: _Tally) -> None:
        """Find customers of tenants of ours that nothing ever told of."""
        page: list[str] = []
        async for customer_id in self._provider.customers_since(None):
            page.append(customer_id)
            if len(page) >= PAGE_ITEMS:
                await self._adopt_page(tally, page)
                page = []
        await self._adopt_page(tally, page)

    async def _adopt_page(self, tally: _Tally, page: Sequence[str]) -> None:
        async with self._catalog.connection() as connection:
            unknown = await accounts.unknown_customers(connection, self._provider.name, page)
        for customer_id in unknown:
            reason = await self._syncer.adopt(customer_id)
            if reason is None:
                async with self._catalog.connection() as connection:
                    tenant_id = await accounts.find_by_customer(
                        connection, self._provider.name, customer_id
                    )
                assert tenant_id is not None, "it was adopted"
                await self._syncer.sync(tenant_id)
                tally.put(
                    replace(tally.report, customers_adopted=tally.report.customers_adopted + 1)
                )

    async def _fetch_events(self, tally: _Tally) -> None:
        since = datetime.now(UTC) - timedelta(seconds=self._policy.look_back_s)
        page: list[SeenEvent] = []
        async for event in self._provider.events_since(since):
            page.append(event)
            if len(page) >= PAGE_ITEMS:
                await self._store(tally, page)
                page = []
        await self._store(tally, page)

    async def _store(self, tally: _Tally, page: Sequence[SeenEvent]) -> None:
        name = self._provider.name
        async with self._catalog.connection() as connection:
            missing = await inbox.missing(connection, name, page)
            for event in missing:
                await inbox.store(connection, name, event)
        found = tally.report.events_found + len(missing)
        tally.put(replace(tally.report, events_found=found))


class _Tally:
    """The report as it grows."""

    def __init__(self, report: Report, progress: Callable[[Report], None] | None) -> None:
        self.report = report
        self._progress = progress

    def put(self, report: Report) -> None:
        self.report = report
        if self._progress is not None:
            self._progress(report)

    def add_looked(self, difference: Difference | None) -> None:
        found = () if difference is None else (difference,)
        self.put(
            replace(
                self.report,
                accounts_looked=self.report.accounts_looked + 1,
                differences=self.report.differences + found,
            )
        )

    def add_failure(self, about: str, reason: str) -> None:
        failure = Failure(about=about, reason=reason)
        self.put(replace(self.report, failures=(*self.report.failures, failure)))


def _ours(account: Account, plan: str) -> Side:
    return Side(plan=plan, standing=account.standing, subscriptions=_listed(account.seen))


def _theirs(verdict: Verdict, seen: Seen | None) -> Side:
    return Side(plan=verdict.plan, standing=verdict.standing, subscriptions=_listed(seen))


def _listed(seen: Seen | None) -> tuple[str, ...]:
    return tuple(f"{each.id} {each.status.value}" for each in (seen.subscriptions if seen else ()))


def _is_same(ours: Seen | None, theirs: Seen | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return replace(ours, at=theirs.at) == theirs


def _done(ours: Side, theirs: Side, outcome: verdicts.Outcome | None) -> str:
    if outcome is None:
        return "asked again: a syncer is at it, or the account says why it can't be"
    changes = [
        f"{name} {before} → {now}"
        for name, before, now in (
            ("plan", ours.plan, outcome.verdict.plan),
            ("standing", ours.standing.value, outcome.verdict.standing.value),
        )
        if before != now
    ]
    if changes:
        return ", ".join(changes)
    return "written down" if ours == theirs else "written down: plan and standing were right"
