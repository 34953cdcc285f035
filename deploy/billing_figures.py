"""The worker's figures of billing: what waits, what fails, what a comparison had to repair."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from router.sql import load

if TYPE_CHECKING:
    from billing.sweep import Report
    from router.catalog import Catalog

READ_S = 15.0
_SQL = load("deploy", "billing_figures.sql")
_log = structlog.get_logger("stepwell.billing")


class BillingFigures:
    """Each figure is of the whole installation, so any worker's will do."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._gauges = {
            name: Gauge(f"stepwell_billing_{name}", said, registry=registry)
            for name, said in (
                ("events_waiting", "Events of the provider that are not handled yet"),
                ("events_kept", "Events of the provider that were given up"),
                ("oldest_event_seconds", "How long the oldest of the waiting events has waited"),
                ("accounts_unsynced", "Accounts that changed and were not compared since"),
                ("accounts_failing", "Accounts that the provider gave no answer about"),
                ("accounts_with_a_problem", "Accounts that bought what no price list has"),
                ("meters_unsent", "Hours of usage that the provider was not told of yet"),
            )
        }
        self._differences = Counter(
            "stepwell_billing_differences",
            "What the comparison with the provider found and repaired",
            registry=registry,
        )
        self._failures = Counter(
            "stepwell_billing_failures",
            "Accounts that a comparison could find nothing out about",
            registry=registry,
        )

    async def keep(self, catalog: Catalog) -> None:
        """Read until cancelled."""
        while True:
            await self.read(catalog)
            await asyncio.sleep(READ_S)

    async def read(self, catalog: Catalog) -> None:
        """Read once."""
        async with catalog.connection() as connection:
            row = await connection.fetchrow(_SQL["read"])
        assert row is not None, "seven counts are one row"
        for name, gauge in self._gauges.items():
            gauge.set(row[name])

    def compared(self, report: Report) -> None:
        """Count and log what one comparison found: each difference is an event that was lost."""
        self._differences.inc(len(report.differences))
        self._failures.inc(len(report.failures))
        for each in report.differences:
            _log.warning("account differed", tenant=str(each.tenant_id), done=each.done)
        for failure in report.failures:
            _log.warning("not compared", about=failure.about, reason=failure.reason)
