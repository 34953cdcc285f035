"""Tells the provider's meters what the ledger counted: at least once sent, once counted.

A closed hour is written down as what is to be told, then sent under its identifier, then marked.
Whoever dies in between leaves it to be sent again under the same identifier, which the provider
knows. It knows it for a day only, so what stayed uncertain for longer is held until somebody has
looked at the provider: counting twice would be charging twice.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
import structlog

from billing.provider import Usage
from billing.seen import Charge
from router.errors import NotFound, ProviderFailed, ProviderRefused
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from billing.price_list import ListedPlan
    from billing.provider import Provider
    from router.catalog import Catalog
    from router.connect import Connection

HOUR = timedelta(hours=1)
#: Providers take what happened in the last 35 days.
LOOK_BACK_MAX = timedelta(days=34)
#: Hours of late are looked at each time, all others once a day: for what was recorded late.
LOOK_BACK = timedelta(days=2)
DAY_S: Final = 86_400.0
#: Within this time the provider knows an identifier again, with an hour to spare.
KNOWN_S: Final = 82_800.0
HELD_ITEMS_MAX: Final = 1_000
_ERROR_LENGTH_MAX = 500
_SQL = load("billing", "metering.sql")
_log = structlog.get_logger("stepwell.metering")


class MeterPace(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how fast the meters are told.

    An hour is closed ``close_s`` after its end, when every gateway has written what it counted.
    ``lend_s`` is how long a sender may take for one event before another one sends it too.
    """

    close_s: float = 300.0
    report_s: float = 3_600.0
    retry_s: float = 60.0
    refused_s: float = 3_600.0
    backoff_s_max: float = 3_600.0
    lend_s: float = 60.0
    sends_at_once: int = 8


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one round."""

    sent: int = 0
    refused: int = 0
    failed: int = 0


class HeldEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What may have been counted or not: its answer was lost more than a day ago."""

    identifier: str
    tenant_id: UUID
    metric: str
    hour: datetime
    quantity: int
    attempts: int
    tried_at: datetime
    error: str | None


class _Due(msgspec.Struct, frozen=True, kw_only=True):
    usage: Usage
    attempts: int
    may_be_counted: bool


def metered(plans: Iterable[ListedPlan]) -> tuple[str, ...]:
    """Name the metrics that the price list charges by usage."""
    found = {
        price.metric
        for plan in plans
        for price in plan.price
        if price.charge is Charge.USAGE and price.metric is not None
    }
    return tuple(sorted(found))


class Reporter:
    """Closes hours and sends what they add up to."""

    def __init__(
        self,
        catalog: Catalog,
        provider: Provider,
        plans: Sequence[ListedPlan],
        *,
        pace: MeterPace = MeterPace(),  # noqa: B008 - a frozen value
    ) -> None:
        self._catalog = catalog
        self._provider = provider
        self._metrics = metered(plans)
        self._pace = pace

    async def keep(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        whole_s = loop.time()
        while True:
            is_whole = loop.time() >= whole_s
            if is_whole:
                whole_s = loop.time() + DAY_S
            now = datetime.now(UTC)
            await self.close_hours(now, since=now - (LOOK_BACK_MAX if is_whole else LOOK_BACK))
            done = await self.send()
            if done != Sent():
                _log.info("metered", sent=done.sent, refused=done.refused, failed=done.failed)
            await asyncio.sleep(self._pace.retry_s if done.failed else self._pace.report_s)

    async def close_hours(self, now: datetime, *, since: datetime | None = None) -> int:
        """Write down what is to be told of the hours that are over; returns how many events.

        Only of tenants that are customers, and only metrics that the price list charges for.
        """
        until = now - HOUR - timedelta(seconds=self._pace.close_s)
        async with self._catalog.connection() as connection:
            made = await connection.fetch(
                _SQL["close"],
                self._provider.name,
                list(self._metrics),
                since or now - LOOK_BACK_MAX,
                until + timedelta(microseconds=1),
            )
        return len(made)

    async def send(self) -> Sent:
        """Send all that is due; a provider that doesn't answer ends the round."""
        sent = refused = failed = 0
        while not failed and (due := await self._take()):
            for outcome in await asyncio.gather(*(self._send_one(each) for each in due)):
                sent += outcome.sent
                refused += outcome.refused
                failed += outcome.failed
        return Sent(sent=sent, refused=refused, failed=failed)

    async def _take(self) -> list[_Due]:
        pace = self._pace
        async with self._catalog.connection() as connection:
            rows = await connection.fetch(
                _SQL["take"], self._provider.name, pace.sends_at_once, pace.lend_s, KNOWN_S
            )
        return [_due(row) for row in rows]

    async def _send_one(self, due: _Due) -> Sent:
        identifier, pace = due.usage.identifier, self._pace
        try:
            await asyncio.wait_for(self._provider.report(due.usage), pace.lend_s)
        except ProviderRefused as error:
            # Refused is not counted, unless an earlier attempt got through unheard.
            await self._put_off(
                identifier,
                error.detail,
                after_s=pace.refused_s,
                is_uncounted=not due.may_be_counted,
            )
            return Sent(refused=1)
        except (ProviderFailed, TimeoutError) as error:
            said = error.detail if isinstance(error, ProviderFailed) else "no answer in time"
            after_s = min(pace.retry_s * 2 ** min(due.attempts - 1, 16), pace.backoff_s_max)
            await self._put_off(identifier, said, after_s=after_s, is_uncounted=False)
            return Sent(failed=1)
        async with self._catalog.connection() as connection:
            await connection.execute(_SQL["mark_sent"], identifier)
        return Sent(sent=1)

    async def _put_off(
        self, identifier: str, said: str, *, after_s: float, is_uncounted: bool
    ) -> None:
        _log.warning("meter not told", identifier=identifier, reason=said)
        async with self._catalog.connection() as connection:
            await connection.execute(
                _SQL["put_off"], identifier, said[:_ERROR_LENGTH_MAX], after_s, is_uncounted
            )


async def list_held(connection: Connection) -> list[HeldEvent]:
    """List what isn't sent any more, as nobody knows whether it was counted."""
    rows = await connection.fetch(_SQL["held"], KNOWN_S, HELD_ITEMS_MAX)
    return [
        HeldEvent(
            identifier=row["identifier"],
            tenant_id=row["tenant_id"],
            metric=row["metric"],
            hour=row["hour"],
            quantity=row["quantity"],
            attempts=row["attempts"],
            tried_at=row["tried_at"],
            error=row["error"],
        )
        for row in rows
    ]


async def settle(connection: Connection, identifier: str, *, was_counted: bool) -> UUID:
    """Say what became of a held event, as the provider shows it; returns whose it is.

    One that was not counted is sent again. Raises NotFound for what isn't held.
    """
    statement = _SQL["settle_counted" if was_counted else "settle_lost"]
    tenant_id: UUID | None = await connection.fetchval(statement, identifier, KNOWN_S)
    if tenant_id is None:
        raise NotFound(f"no event {identifier[:200]!r} is held: `stepwell usage held` lists them")
    return tenant_id


def _due(row: asyncpg.Record) -> _Due:
    return _Due(
        usage=Usage(
            meter=row["metric"],
            customer_id=row["customer_id"],
            quantity=row["quantity"],
            identifier=row["identifier"],
            # The hour's end: a period that ends within the hour would be invoiced before the
            # hour is told, and what comes for it afterwards would be charged to nobody.
            at=row["hour"] + HOUR - timedelta(seconds=1),
        ),
        attempts=row["attempts"],
        may_be_counted=row["may_be_counted"],
    )
