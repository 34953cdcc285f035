"""A tenant's month, added up anew from the ledger's entries alone: what is shown in a dispute.

The totals that are kept beside the entries, for limits and for the provider's meters, and what
those were told are held against it; where they say something else, the hour or the month is named.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from router.connect import Connection
    from router.months import Month
    from router.words import TenantId

_SQL = load("billing", "statement.sql")


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """What each of the three says of one hour.

    ``recorded`` is the sum of the ledger's entries, ``totalled`` the total that was kept with them,
    ``told`` what was written down for the provider's meter, ``sent`` what of it has arrived.
    ``kept`` is the month's total, the same in each. A metric that has it alone has no hour.
    """

    metric: str
    hour: datetime | None
    recorded: int
    reports: int
    first_at: datetime | None
    last_at: datetime | None
    totalled: int
    told: int
    sent: int
    kept: int

    @property
    def differs(self) -> bool:
        """Whether something is wrong: a meter may be told less for a while, and never more."""
        return self.recorded != self.totalled or self.told > self.recorded


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day in UTC."""

    day: date
    quantity: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a total, or what the provider was told, isn't what the ledger says.

    An ``hour`` of null is the month as a whole, with the total by which its limit is kept.
    """

    metric: str
    hour: datetime | None
    recorded: int
    totalled: int
    told: int


class MetricStatement(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a month. ``reports`` is how many entries of the ledger it was added up from."""

    metric: str
    total: int
    reports: int
    first_at: datetime | None
    last_at: datetime | None
    days: tuple[Day, ...]
    #: What was written down for the provider's meter, and what of it has arrived there.
    told: int
    sent: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's month. ``is_final`` is false while the month goes on."""

    tenant: UUID
    month: str
    begins_at: datetime
    ends_at: datetime
    is_final: bool
    made_at: datetime
    metrics: tuple[MetricStatement, ...]
    differences: tuple[Difference, ...]


async def state(connection: Connection, tenant_id: TenantId, month: Month) -> Statement:
    """Make the statement of a month, an erased tenant's too: the ledger outlives it."""
    rows = await connection.fetch(_SQL["hours"], tenant_id, month.begins_at, month.ends_at)
    return summed(tenant_id, month, [_hour(row) for row in rows], now=datetime.now(UTC))


def summed(tenant_id: TenantId, month: Month, hours: Sequence[Hour], *, now: datetime) -> Statement:
    """Add hours up, which come by metric and time."""
    by_metric = [
        (metric, list(of_metric))
        for metric, of_metric in groupby(hours, key=lambda hour: hour.metric)
    ]
    return Statement(
        tenant=tenant_id,
        month=month.name,
        begins_at=month.begins_at,
        ends_at=month.ends_at,
        is_final=now >= month.ends_at,
        made_at=now,
        metrics=tuple(_metric(metric, of_metric) for metric, of_metric in by_metric),
        differences=tuple(
            difference for _, of_metric in by_metric for difference in _differences(of_metric)
        ),
    )


def _differences(hours: Sequence[Hour]) -> Iterable[Difference]:
    """Name the hours of one metric that differ, and its month."""
    for hour in hours:
        if hour.differs:
            yield Difference(
                metric=hour.metric,
                hour=hour.hour,
                recorded=hour.recorded,
                totalled=hour.totalled,
                told=hour.told,
            )
    recorded, first = sum(hour.recorded for hour in hours), hours[0]
    if recorded != first.kept:
        told = sum(hour.told for hour in hours)
        yield Difference(
            metric=first.metric, hour=None, recorded=recorded, totalled=first.kept, told=told
        )


def _metric(metric: str, hours: Sequence[Hour]) -> MetricStatement:
    return MetricStatement(
        metric=metric,
        total=sum(hour.recorded for hour in hours),
        reports=sum(hour.reports for hour in hours),
        first_at=min((hour.first_at for hour in hours if hour.first_at is not None), default=None),
        last_at=max((hour.last_at for hour in hours if hour.last_at is not None), default=None),
        days=tuple(_days(hours)),
        told=sum(hour.told for hour in hours),
        sent=sum(hour.sent for hour in hours),
    )


def _days(hours: Sequence[Hour]) -> Iterable[Day]:
    dated = [(hour.hour.astimezone(UTC).date(), hour.recorded) for hour in hours if hour.hour]
    for day, of_day in groupby(dated, key=itemgetter(0)):
        if quantity := sum(recorded for _, recorded in of_day):
            yield Day(day=day, quantity=quantity)


def _hour(row: asyncpg.Record) -> Hour:
    return Hour(
        metric=row["metric"],
        hour=row["hour"],
        recorded=row["recorded"],
        reports=row["reports"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        totalled=row["totalled"],
        told=row["told"],
        sent=row["sent"],
        kept=row["kept"],
    )
