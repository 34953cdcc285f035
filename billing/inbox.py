"""The inbox: the provider's events, each stored once and kept until its customer was looked at.

What an event says is never believed, as it may be old, doubled or overtaken: it only tells whom to
ask the provider about.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from router.catalog.catalog import Page
from router.errors import NotFound
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from billing.policy import BillingPolicy
    from billing.seen import SeenEvent
    from router.connect import Connection

_SQL = load("billing", "inbox.sql")
_NAME_LENGTH_MAX = 80
#: As long as Stripe itself remembers an event; a sweep looks back for days only.
EVENT_LIFE = timedelta(days=30)
_FORGOTTEN_MAX = 10_000


class EventState(StrEnum):
    """How far an event is; a kept one is nobody's, and waits to be replayed."""

    WAITING = "waiting"
    HANDLED = "handled"
    KEPT = "kept"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a delivery. ``tenant_id`` is whom a new event is about, if that is known."""

    is_new: bool
    tenant_id: TenantId | None


class InboxEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event with what became of it."""

    provider: str
    id: str
    type: str
    api_version: str | None
    customer_id: str | None
    tenant_id: TenantId | None
    state: EventState
    deliveries: int
    attempts: int
    error: str | None
    created_at: datetime
    received_at: datetime
    handled_at: datetime | None
    payload: str


class InboxFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a list shows."""

    state: EventState | None = None
    type: str | None = None
    tenant_id: TenantId | None = None


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """A customer that is nobody's yet and that events wait for."""

    customer_id: str
    attempts: int


class Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """How much is left to do, for the metrics."""

    waiting: int
    kept: int
    oldest_s: float


async def store(connection: Connection, provider: str, event: SeenEvent) -> Stored:
    """Store a delivery in one statement; only a first one makes its customer's account dirty."""
    row = await connection.fetchrow(
        _SQL["store"],
        provider,
        event.id,
        event.type,
        event.api_version,
        event.customer_id,
        event.payload,
        event.created_at,
    )
    assert row is not None, "an insert that updates what is there always returns a row"
    return Stored(is_new=row["is_new"], tenant_id=row["tenant_id"])


async def missing(
    connection: Connection, provider: str, events: Sequence[SeenEvent]
) -> list[SeenEvent]:
    """Pick the events that never came."""
    rows = await connection.fetch(_SQL["known"], provider, [event.id for event in events])
    known = {row["id"] for row in rows}
    return [event for event in events if event.id not in known]


async def get(connection: Connection, event_id: str) -> InboxEvent:
    """Return an event, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], event_id)
    if row is None:
        raise NotFound(f"there is no event {event_id[:_NAME_LENGTH_MAX]!r} in the inbox")
    return _event(row)


async def list_page(
    connection: Connection, chosen: InboxFilter, *, before: str | None = None, items_max: int = 50
) -> Page[InboxEvent]:
    """List events from the newest; ``before`` is the cursor that the last page gave."""
    rows = await connection.fetch(
        _SQL["list"], chosen.state, chosen.type, chosen.tenant_id, before, items_max + 1
    )
    items = tuple(_event(row) for row in rows[:items_max])
    return Page(items=items, next=items[-1].id if len(rows) > items_max else None)


async def replay(connection: Connection, event_id: str) -> InboxEvent:
    """Have the event's customer looked at again; needs a transaction, as two rows change."""
    event = await get(connection, event_id)
    # The account first: whoever applies what was seen locks in this order.
    sequence = await connection.fetchval(_SQL["mark_account"], event.provider, event.customer_id)
    await connection.execute(_SQL["replay"], event.provider, event.id, sequence)
    return await get(connection, event_id)


async def handled(connection: Connection, provider: str, customer_id: str, sequence: int) -> None:
    """Record that what the customer's events announced has been looked at."""
    await connection.execute(_SQL["handled"], provider, customer_id, sequence)


async def attach(connection: Connection, provider: str, customer_id: str) -> None:
    """Give events that came before their customer was known to the account that it has now."""
    await connection.execute(_SQL["attach"], provider, customer_id)


async def claim_stray(connection: Connection, provider: str, claim: timedelta) -> Stray | None:
    """Take a customer that is nobody's yet, and keep others from it for a while."""
    rows = await connection.fetch(_SQL["claim_customer"], provider, claim)
    if not rows:
        return None
    attempts = max(row["attempts"] for row in rows)
    return Stray(customer_id=rows[0]["customer_id"], attempts=attempts)


async def wait(
    connection: Connection, provider: str, stray: Stray, *, reason: str, policy: BillingPolicy
) -> None:
    """Try a customer's events again later; keep those that have waited for too long."""
    retry_after = policy.retry_after(stray.attempts)
    give_up_after = timedelta(seconds=policy.give_up_s)
    await connection.execute(
        _SQL["wait"], provider, stray.customer_id, reason, retry_after, give_up_after
    )


async def forget_old(connection: Connection) -> None:
    """Delete events that were handled long ago, a bounded number at a time."""
    await connection.execute(_SQL["forget_old"], EVENT_LIFE, _FORGOTTEN_MAX)


async def pressure(connection: Connection) -> Pressure:
    """Count what isn't handled."""
    row = await connection.fetchrow(_SQL["pressure"])
    assert row is not None, "counting returns a row"
    return Pressure(waiting=row["waiting"], kept=row["kept"], oldest_s=row["oldest_s"])


def _event(row: asyncpg.Record) -> InboxEvent:
    return InboxEvent(
        provider=row["provider"],
        id=row["id"],
        type=row["type"],
        api_version=row["api_version"],
        customer_id=row["customer_id"],
        tenant_id=row["tenant_id"],
        state=EventState(row["state"]),
        deliveries=row["deliveries"],
        attempts=row["attempts"],
        error=row["error"],
        created_at=row["created_at"],
        received_at=row["received_at"],
        handled_at=row["handled_at"],
        payload=row["payload"],
    )
